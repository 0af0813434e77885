"""Why a node cannot be asked: its error in one word, so that the finding can say what to do."""
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.doctor.values import (
    FULL, GARBAGE, NO_TLS, PASSWORD, PROTECTED, RIGHTS, SILENT, TLS, UNREACHABLE, WRONG_PASSWORD, Trouble,
)
from st.errors import PeerError, PeerGarbage, PeerRefused, PeerSilent, PeerTlsError
from st.tls import Terms, client_context
from st.wire.dial import dial_address
from st.wire.login import refusal_of_auth
from st.wire.resp import Reply, ReplyError
from st.wire.tls import secure_own

ANY_CERTIFICATE = Terms(ca=None, cert=None, key=None, verify="no")

_REFUSALS = (
    ("NOAUTH", PASSWORD),
    ("ERR operation not permitted", PASSWORD),  # before Redis 2.6
    ("WRONGPASS", WRONG_PASSWORD),
    ("ERR invalid password", WRONG_PASSWORD),  # before Redis 6
    ("NOPERM", RIGHTS),
    ("DENIED", PROTECTED),
    ("ERR max number of clients", FULL),
)


def trouble_of(error: PeerError, address: Address, deadline: Deadline, connected: bool, with_tls: bool) -> Trouble:
    """Return what is the matter with a node; one that ended a plain connection is tried with TLS."""
    words = str(error)
    if isinstance(error, PeerRefused):
        return refusal(error.line.decode("ascii", "replace")) or Trouble(GARBAGE, words)
    if isinstance(error, PeerTlsError):
        return Trouble(NO_TLS, words)
    if isinstance(error, PeerSilent):
        return Trouble(SILENT, words)
    if connected and not with_tls and _speaks_tls(address, deadline):
        return Trouble(TLS, words)
    return Trouble(GARBAGE if isinstance(error, PeerGarbage) else UNREACHABLE, words)


def refusal(error: t.Union[str, Reply], auth_reply: Reply = None) -> t.Optional[Trouble]:
    """Return the trouble that an error reply tells, with what AUTH said before; None: it is no refusal."""
    words = str(error)
    kind = next((kind for begin, kind in _REFUSALS if words.startswith(begin)), None)
    if kind is None:
        return None
    if not isinstance(auth_reply, ReplyError):
        return Trouble(kind, words)
    return Trouble(WRONG_PASSWORD if kind == PASSWORD else kind,
                   "%s; AUTH said: %s" % (words, refusal_of_auth(auth_reply)))


def _speaks_tls(address: Address, deadline: Deadline) -> bool:
    try:
        sock = dial_address(address, deadline)[0]
        secure_own(sock, client_context(ANY_CERTIFICATE), address.host, deadline, str(address)).close()
    except PeerTlsError as error:
        return "certificate" in str(error)  # it wants one of ours
    except PeerError:
        return False
    return True
