"""TLS contexts from the files that a configuration names. No sockets here."""
import hashlib
import os
import ssl
import typing as t

from st.errors import ConfigError

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
        _use(terms.ca, "authorities", lambda: context.load_verify_locations(cafile=terms.ca))
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


def _restricted(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let nothing below TLS 1.2 through, and no renegotiation."""
    if hasattr(context, "minimum_version"):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:  # CPython 3.6
        context.options |= ssl.OP_NO_SSLv2 | ssl.OP_NO_SSLv3 | ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0) | ssl.OP_NO_COMPRESSION
    return context


def _load_own(context: ssl.SSLContext, cert: str, key: t.Optional[str]) -> None:
    # A password would be asked for on the terminal, where a process that cron starts has none.
    _use(cert, "a certificate and its key", lambda: context.load_cert_chain(cert, key, _no_password))


def _no_password() -> str:
    raise ValueError("the key is encrypted: store it without a password, readable by this user alone")


def _use(path: str, what: str, load: t.Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        why = "the key does not belong to the certificate" if "MISMATCH" in str(error.reason) else error.reason or error
        raise ConfigError(["%s cannot be used as %s: %s" % (path, what, why)]) from error
    except (OSError, ValueError) as error:
        raise ConfigError(["%s cannot be used as %s: %s" % (path, what, getattr(error, "strerror", None) or error)]
                          ) from error
