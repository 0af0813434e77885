"""TLS contexts from the files that a configuration names. No sockets here."""
import hashlib
import os
import re
import ssl
import typing as t

from st.errors import ConfigError

# OpenSSL 3 takes a stream that was cut short for one that ended, if it is told to. CPython 3.8 and 3.9 tell it so, and
# have no name for it (ssl.OP_IGNORE_UNEXPECTED_EOF from 3.10 on).
_IGNORE_UNEXPECTED_EOF = 1 << 7
_LONGEST = 1 << 20  # bytes of one file


class Terms(t.NamedTuple):
    """What we demand of a server and show to it."""

    ca: t.Optional[str]  # file of the authorities to trust; None: the system's
    cert: t.Optional[str]  # file of our certificate, with its chain; None: we show none
    key: t.Optional[str]  # file of its key; None: it is in the same file
    verify: str  # yes; ca: whoever's certificate it is; no: anybody


def client_context(terms: Terms) -> ssl.SSLContext:
    """Return the context to connect with; raise ConfigError when a file is of no use."""
    context = _restricted(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = terms.verify == "yes"
    context.verify_mode = ssl.CERT_NONE if terms.verify == "no" else ssl.CERT_REQUIRED
    if terms.ca is not None:
        _load_authorities(context, terms.ca)
    elif terms.verify != "no":
        context.load_default_certs()
    if terms.cert is not None:
        _load_own(context, terms.cert, terms.key)
    return context


def server_context(cert: str, key: t.Optional[str]) -> ssl.SSLContext:
    """Return the context to accept clients with; raise ConfigError when a file is of no use."""
    context = _restricted(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    _load_own(context, cert, key)
    return context


def fingerprint(files: t.Iterable[t.Optional[str]]) -> str:
    """Return what changes when the content of a file does; those that cannot be read are told elsewhere."""
    digest = hashlib.sha256()
    for path in files:
        try:
            with open(path or os.devnull, "rb") as file:
                digest.update(file.read(_LONGEST) + b"\0")
        except OSError:
            digest.update(b"\1")
    return digest.hexdigest()


def reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's own words; CPython's short name is wrong where it is older than OpenSSL."""
    said = re.sub(r"^\[[^]]*\] ?| ?\(_ssl\.c:\d+\)$", "", str(error.strerror or error))
    return "it is damaged (%s)" % said if said == "PEM lib" else said


def _restricted(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let nothing below TLS 1.2 through, and no renegotiation."""
    if hasattr(context, "minimum_version"):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:  # CPython 3.6
        context.options |= ssl.OP_NO_SSLv2 | ssl.OP_NO_SSLv3 | ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0) | ssl.OP_NO_COMPRESSION
    return notice_cuts(context)


def notice_cuts(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let a stream that was cut short be told from one that ended, and return the context."""
    if ssl.OPENSSL_VERSION_INFO >= (3,):
        context.options &= ~_IGNORE_UNEXPECTED_EOF
    return context


def _load_own(context: ssl.SSLContext, cert: str, key: t.Optional[str]) -> None:
    _demand(cert, "CERTIFICATE-----", "certificate")
    if "ENCRYPTED" in _demand(key or cert, "PRIVATE KEY-----", "private key"):
        # A password would be asked for on the terminal, where a process that cron starts has none.
        raise ConfigError(["%s: its key is encrypted: store it without a password, readable by this user alone"
                           % (key or cert)])
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        if "MISMATCH" in str(error.reason):
            raise ConfigError(["%s: the key does not belong to the certificate in %s" % (key or cert, cert)]) from error
        raise ConfigError(["%s: cannot be used with its key: %s" % (cert, reason(error))]) from error


def _load_authorities(context: ssl.SSLContext, path: str) -> None:
    _demand(path, "CERTIFICATE-----", "certificate")
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise ConfigError(["%s: cannot be used as authorities: %s" % (path, reason(error))]) from error


def _demand(path: str, mark: str, what: str) -> str:
    """Return the text of a file that has this mark of PEM: OpenSSL says neither which file nor what is missing."""
    try:
        with open(path, encoding="latin-1") as file:
            text = file.read()
    except OSError as error:
        raise ConfigError(["%s: cannot be read: %s" % (path, error.strerror)]) from error
    if mark not in text:
        raise ConfigError(["%s: has no %s in PEM form (-----BEGIN ...)" % (path, what)])
    return text
