"""Ask one Redis node for its role again and again, on a connection of our own."""
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerError, PeerSilent, PeerUnreachable
from st.sentinel.answers import Credentials
from st.sentinel.election import UNREACHABLE
from st.wire.conversation import Conversation
from st.wire.dial import Endpoint, dial_first, lookup, set_keepalive
from st.wire.keeper import Keeper
from st.wire.login import refusal_of_auth
from st.wire.resp import ReplyError
from st.wire.role import UNKNOWN, Role, ask_role
from st.wire.tls import secure_own


class Probed(t.NamedTuple):
    """What a node said it is. `endpoints` is what its name meant; `endpoint` the one that was asked."""

    tunnel: str
    address: Address
    role: Role
    endpoint: t.Optional[Endpoint] = None
    endpoints: t.Tuple[Endpoint, ...] = ()


class Prober(Keeper):
    """Asks one node on behalf of one tunnel. One thread calls `probe`; any may call `interrupt`."""

    def __init__(self, tunnel: str, address: Address, credentials: Credentials, timeout: float,
                 ask: bool = True, is_own: t.Callable[[Endpoint], bool] = lambda endpoint: False) -> None:
        super().__init__()
        self._template = Probed(tunnel, address, Role(UNREACHABLE))
        self._credentials = credentials
        self._timeout = timeout  # seconds, for each probe
        self._is_own = is_own  # whether we listen there ourselves
        self._ask = ask  # False: being reachable is enough
        self._auth_said = ""  # the error of AUTH on this connection

    def probe(self) -> Probed:
        """Return what the node is now; never raises for what a node can do."""
        deadline = Deadline(self._timeout)
        try:
            if self._kept is None:
                self._connect(deadline)
                return self._template._replace(role=self._role(deadline))
            try:
                return self._template._replace(role=self._role(deadline))
            except PeerSilent:
                raise
            except PeerUnreachable:  # closed since the last probe, by `timeout` of the server or a restart
                self.close()
                self._connect(deadline)
                return self._template._replace(role=self._role(deadline))
        except PeerError as error:
            self.close()
            return self._template._replace(role=Role(UNREACHABLE, str(error)))

    def _connect(self, deadline: Deadline) -> None:
        endpoints = lookup(self._template.address)
        if any(self._is_own(endpoint) for endpoint in endpoints):
            raise PeerUnreachable("%s: a tunnel of this process listens there: it would lead to itself"
                                  % (self._template.address,))
        sock, endpoint = dial_first(endpoints, deadline)
        set_keepalive(sock, self._timeout)
        address = self._template.address
        leg = secure_own(sock, self._credentials.tls, address.host, deadline, str(address))
        self._kept = Conversation(leg, str(address))
        self._template = self._template._replace(endpoint=endpoint, endpoints=tuple(endpoints))
        auth = self._credentials.commands()
        if auth and self._ask:
            reply = self._kept.ask(auth, deadline)[0]  # judged by the reply to ROLE
            self._auth_said = "; AUTH said: %s" % refusal_of_auth(reply) if isinstance(reply, ReplyError) else ""

    def _role(self, deadline: Deadline) -> Role:
        if not self._ask:
            self.close()  # the next probe finds out anew whether it can be reached
            return Role(UNKNOWN, "role_check = no")
        assert self._kept is not None
        role = ask_role(self._kept, deadline)
        return role._replace(detail=role.detail + self._auth_said) if role.name == UNKNOWN else role
