"""What Sentinels say, as values: commands to ask, and replies read. Pure, no I/O."""
import re
import ssl
import typing as t

from st.address import Address, parse_port
from st.errors import PeerGarbage, PeerRefused
from st.secret import Secret
from st.wire.login import refusal_of_auth
from st.wire.resp import Command, Reply, ReplyError, pairs, shown, text

PLACEHOLDER_HOSTS = ("", "?", "0.0.0.0", "::", "*")
PROMOTING = frozenset(["send_slaveof_noone", "wait_promotion"])  # of failover-state; Valkey says the same words
DOWN = frozenset(["s_down", "o_down", "disconnected"])  # flags of what a Sentinel cannot reach
MOST_LISTED = 256  # replicas; a list that somebody made up must not keep the watcher busy
LONGEST_HOST = 255  # a domain name has no more
NO_RIGHTS = ("NOAUTH", "NOPERM", "WRONGPASS", "DENIED", "ERR operation not permitted", "ERR max number of clients")


class Listed(t.NamedTuple):
    """A replica, as one Sentinel lists it."""

    address: Address
    down: bool  # subjectively or objectively, or the Sentinel has lost its own connection to it
    linked: bool  # to its master


class Answer(t.NamedTuple):
    """What one Sentinel says of one master name."""

    master: t.Optional[Address] = None  # from GET-MASTER-ADDR-BY-NAME; None: see `problem`
    epoch: t.Optional[int] = None  # config-epoch; None: not told
    flags: t.FrozenSet[str] = frozenset()
    problem: str = ""  # why there is no master
    unknown: bool = False  # it says that it does not monitor this name
    replicas: t.Optional[t.Tuple[Listed, ...]] = None  # None: not asked, or not told
    promoting: bool = False  # it is about to promote a replica, or has, and has not seen the outcome


class Peer(t.NamedTuple):
    """Another Sentinel, as one Sentinel lists it."""

    address: Address
    myid: str
    down: bool


class Report(t.NamedTuple):
    """The outcome of asking one Sentinel once: `answers` by master name, or `error`."""

    sentinel: Address
    round: int
    answers: t.Mapping[str, Answer] = {}
    myid: str = ""  # "": not told
    peers: t.Optional[t.Tuple[Peer, ...]] = None  # None: not asked or not told
    error: str = ""
    kind: str = "ok"  # ok, unknown_name, noauth, timeout, error
    latency: float = 0.0  # seconds
    reached: t.Optional[Address] = None  # the numeric address that `sentinel` was found at

    @property
    def voter(self) -> str:
        """What tells this Sentinel from the others: its id, or its address when it does not tell the id."""
        return self.myid or str(self.sentinel)


class Credentials(t.NamedTuple):
    """How we come to Sentinels or Redis nodes; a user needs a password, `tls` None is plain TCP."""

    user: t.Optional[str] = None
    password: t.Optional[Secret] = None
    tls: t.Optional[ssl.SSLContext] = None

    def commands(self) -> t.List[Command]:
        """Return the AUTH command, or nothing without a password."""
        if self.password is None:
            return []
        password = self.password.reveal()
        return [["AUTH", password] if self.user is None else ["AUTH", self.user, password]]


def questions(name: str) -> t.List[Command]:
    """Return the two questions about a master; asked together so that epoch and address belong together.

    Only the second says who is master: MASTER prints the old address until a failover is over (redis#2615). Should a
    change come in between, an old epoch with the new address is harmless; the reverse would look like a new reign.
    """
    return [["SENTINEL", "MASTER", name], ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]]


def read_answer(address_reply: Reply, master_reply: Reply, sentinel: str, auth_reply: Reply = None) -> Answer:
    """Return the answer in the replies to `questions`; raise PeerRefused or PeerGarbage when it is no Sentinel's."""
    if isinstance(address_reply, ReplyError):
        return _read_error(str(address_reply), sentinel, auth_reply)
    details = pairs(master_reply)
    flags = frozenset(details.get("flags", "").split(",")) - {""}
    if address_reply is None:
        return Answer(problem="it does not monitor this name", unknown=True)
    try:
        master = read_address(address_reply)
    except ValueError as error:
        return Answer(flags=flags, problem="it names no usable address (%s)" % error)
    epoch = details.get("config-epoch", "")
    return Answer(master, int(epoch) if re.match(r"[0-9]{1,20}\Z", epoch) else None, flags,
                  promoting=details.get("failover-state") in PROMOTING)


def read_address(reply: Reply) -> Address:
    """Return the address in an array of host and port; raise ValueError when a client cannot use it."""
    if not isinstance(reply, list) or len(reply) != 2 or not all(isinstance(part, bytes) for part in reply):
        raise ValueError(shown(reply))
    host, port = text(reply[0]), text(reply[1])
    if host in PLACEHOLDER_HOSTS or not host.isprintable() or " " in host or len(host) > LONGEST_HOST:
        raise ValueError("host %.60r" % host)
    return Address(host, parse_port(port[:60]))


def read_peers(reply: Reply) -> t.Optional[t.Tuple[Peer, ...]]:
    """Return the Sentinels that SENTINEL SENTINELS lists, without those of port 0 (no address); None: no list."""
    if not isinstance(reply, list):
        return None
    found = []
    for entry in map(pairs, reply):
        try:
            address = read_address([entry.get("ip", "").encode(), entry.get("port", "").encode()])
        except ValueError:
            continue
        flags = entry.get("flags", "").split(",")
        found.append(Peer(address, entry.get("runid", ""), "s_down" in flags or "disconnected" in flags))
    return tuple(found)


def read_replicas(reply: Reply) -> t.Optional[t.Tuple[Listed, ...]]:
    """Return the replicas that SENTINEL REPLICAS lists, without those that have no usable address; None: no list."""
    if not isinstance(reply, list):
        return None
    found = []
    for entry in map(pairs, reply[:MOST_LISTED]):
        try:
            address = read_address([entry.get("ip", "").encode(), entry.get("port", "").encode()])
        except ValueError:
            continue
        down = not DOWN.isdisjoint(entry.get("flags", "").split(","))
        found.append(Listed(address, down, entry.get("master-link-status", "ok") == "ok"))
    return tuple(found)


def lacks_subcommand(reply: Reply) -> bool:
    """Tell whether a Sentinel is too old for what it was asked; the words differ between 3.2, 4.0 and 7.0."""
    return isinstance(reply, ReplyError) and "unknown" in str(reply).lower() and "subcommand" in str(reply)


def read_masters(reply: Reply, sentinel: str, auth_reply: Reply = None) -> t.List[t.Dict[str, str]]:
    """Return the masters in a reply to SENTINEL MASTERS, by their fields; raise as `read_answer`."""
    if isinstance(reply, ReplyError):
        _read_error(str(reply), sentinel, auth_reply)
    if not isinstance(reply, list):
        raise PeerGarbage("%s: is no Sentinel: it answers SENTINEL MASTERS with %s" % (sentinel, shown(reply)))
    return [entry for entry in map(pairs, reply) if entry.get("name")]


def _read_error(error: str, sentinel: str, auth_reply: Reply) -> Answer:
    if error.startswith("IDONTKNOW"):  # Redis 2.6 to 2.8.6
        return Answer(problem="it does not monitor this name", unknown=True)
    if error.startswith(NO_RIGHTS):
        hint = "; AUTH said: %s" % refusal_of_auth(auth_reply) if isinstance(auth_reply, ReplyError) else ""
        raise PeerRefused("%s: this Sentinel refuses us: %s%s" % (sentinel, error, hint), error.encode())
    if "unknown command" in error.lower():
        raise PeerGarbage("%s: is no Sentinel (a plain Redis?): %s" % (sentinel, error))
    return Answer(problem=error or "an error without words")
