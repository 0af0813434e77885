"""Certificates made for tests: an authority, what it signs, and files of them."""
import datetime
import ipaddress
import pathlib
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "127.0.0.1")  # what everything in tests is called
WEEK = 7  # days


class Pair(t.NamedTuple):
    """A certificate and its key, as PEM."""

    cert: bytes
    key: bytes


class Authority:
    """Signs certificates; its own is `cert`."""

    def __init__(self, name: str = "an authority of tests") -> None:
        self._key = _new_key()
        self._name = _called(name)
        usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                              key_encipherment=False, data_encipherment=False, key_agreement=False,
                              encipher_only=False, decipher_only=False)
        made = _builder(self._name, self._name, self._key, -WEEK, WEEK)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.cert = _pem(made.add_extension(usage, critical=True).sign(self._key, hashes.SHA256()))

    def issue(self, *names: str, start: int = -WEEK, end: int = WEEK, password: bytes = b"") -> Pair:
        """Return a certificate for host names and addresses, valid from and to these days from now, and its key."""
        key = _new_key()
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = _builder(_called("a node of tests"), self._name, key, start, end)
        made = made.add_extension(_alternatives(names or NAMES), critical=False)
        made = made.add_extension(issuer, critical=False)
        return Pair(_pem(made.sign(self._key, hashes.SHA256())), _key_pem(key, password))


def self_signed(*names: str) -> Pair:
    """Return a certificate that nobody else has signed, and its key."""
    key, name = _new_key(), _called("a hermit of tests")
    made = _builder(name, name, key, -WEEK, WEEK).add_extension(_alternatives(names or NAMES), critical=False)
    return Pair(_pem(made.sign(key, hashes.SHA256())), _key_pem(key))


def stored(directory: pathlib.Path, name: str, *parts: bytes) -> str:
    """Write a file and return its path."""
    path = directory / name
    path.write_bytes(b"".join(parts))
    return str(path)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternatives(names: t.Iterable[str]) -> x509.SubjectAlternativeName:
    def one(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    return x509.SubjectAlternativeName([one(name) for name in names])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: int,
             end: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now + datetime.timedelta(days=start))
    made = made.not_valid_after(now + datetime.timedelta(days=end))
    return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
