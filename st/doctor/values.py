"""What was seen of a deployment, as values: by `look`, for the findings. Pure."""
import typing as t

from st.address import Address
from st.secret import Secret
from st.sentinel.answers import read_address
from st.wire.role import Role

Fields = t.Mapping[str, str]

# What is the matter with a node that could not be asked.
UNREACHABLE, SILENT, TLS, NO_TLS = "unreachable", "silent", "tls", "no tls"
PASSWORD, WRONG_PASSWORD, RIGHTS, PROTECTED, FULL = "password", "wrong password", "rights", "protected", "full"
PLAIN_REDIS, GARBAGE = "plain redis", "garbage"

DOWN = ("s_down", "o_down")


class Trouble(t.NamedTuple):
    """Why a node could not be asked: one of the words above, and what it or the kernel said."""

    kind: str
    words: str


class Told(t.NamedTuple):
    """What one Sentinel says of one master name; None and "" are what it did not tell."""

    address: t.Optional[Address] = None
    unknown: bool = False  # it does not monitor this name
    fields: Fields = {}  # of SENTINEL MASTER
    replicas: t.Optional[t.Tuple[Fields, ...]] = None
    sentinels: t.Optional[t.Tuple[Fields, ...]] = None
    quorum: str = ""  # the reply to CKQUORUM
    cache: Fields = {}  # the master's INFO, as the Sentinel has it
    refused: t.Mapping[str, str] = {}  # errors, by the word of the command

    @property
    def flags(self) -> t.FrozenSet[str]:
        """The flags of the master."""
        return flags_of(self.fields)


class SentinelSeen(t.NamedTuple):
    """One Sentinel; `ping` in seconds is the shortest of a few, `written` the reply to FLUSHCONFIG."""

    address: Address
    announced: t.Optional[Address] = None  # what others call one that they named; None: it is configured
    trouble: t.Optional[Trouble] = None
    reached: t.Optional[Address] = None  # the numeric address
    on_this_host: bool = False
    myid: str = ""
    info: Fields = {}
    ping: t.Optional[float] = None
    told: t.Mapping[str, Told] = {}
    masters: t.Tuple[str, ...] = ()  # all that it lists
    lists_masters: bool = True
    written: str = ""

    @property
    def configured(self) -> bool:
        """Tell whether it stands in the configuration."""
        return self.announced is None

    @property
    def places(self) -> t.Set[t.Optional[Address]]:
        """Every address that it is known by here."""
        return {self.address, self.reached, self.announced}

    @property
    def process(self) -> str:
        """What tells this process from others: the same one may be reached at two addresses."""
        return self.info.get("run_id", "") or str(self.reached or self.address)


class Login(t.NamedTuple):
    """What a Redis node demands of others, and shows to its master."""

    requirepass: Secret
    masterauth: Secret
    masteruser: str


class NodeSeen(t.NamedTuple):
    """One Redis node; `address` is as the Sentinels announce it, `dialled` what the address map makes of it."""

    address: Address
    dialled: Address
    reached: t.Optional[Address] = None
    trouble: t.Optional[Trouble] = None
    role: t.Optional[Role] = None
    closed: str = ""  # why it tells us nothing more
    wants_password: bool = False
    info: Fields = {}
    config: t.Optional[Fields] = None  # some of CONFIG GET; None: refused
    login: t.Optional[Login] = None
    refusal: str = ""  # what it said to our password, or user, unless that was OK

    @property
    def why_closed(self) -> str:
        """Why it did not tell something."""
        return "it cannot be asked" if self.trouble else self.closed or "it does not tell"


class HostSeen(t.NamedTuple):
    """This host and the configuration: each a sentence that is ready to be told."""

    warnings: t.Tuple[str, ...] = ()  # of the configuration
    taken: t.Tuple[t.Tuple[str, str], ...] = ()  # tunnel, and why it cannot listen
    unwritable: t.Tuple[str, ...] = ()
    unknown: t.Tuple[str, ...] = ()  # what could not be looked at, and why
    room: int = 0  # clients that fit
    wanted: t.Optional[int] = None  # clients that the configuration means to serve
    limits: str = ""
    logins: t.Tuple[str, ...] = ()  # names whose tunnels log in for their clients


class Seen(t.NamedTuple):
    """All that was seen. `again` is the second look at the Sentinels, () when nothing asked for one."""

    names: t.Tuple[str, ...]
    sentinels: t.Tuple[SentinelSeen, ...]
    nodes: t.Mapping[Address, NodeSeen] = {}
    host: HostSeen = HostSeen()
    again: t.Tuple[SentinelSeen, ...] = ()
    again_after: float = 0.0  # seconds
    discovers: bool = True  # Sentinels that others name were asked too
    has_sentinel_password: bool = False
    left_out: int = 0  # names that were too many
    seconds: float = 0.0


def flags_of(fields: Fields) -> t.FrozenSet[str]:
    """Return the flags among the fields of a master, a replica or a Sentinel."""
    return frozenset(fields.get("flags", "").split(",")) - {""}


def address_of(fields: Fields) -> t.Optional[Address]:
    """Return the address of what a Sentinel describes; None when nobody could use it."""
    try:
        return read_address([fields.get("ip", "").encode(), fields.get("port", "").encode()])
    except ValueError:
        return None


def is_down(fields: Fields) -> bool:
    """Tell whether a Sentinel calls down what it describes."""
    return not flags_of(fields).isdisjoint(DOWN)


def is_lost(fields: Fields) -> bool:
    """Tell whether a Sentinel has no connection to what it describes, or calls it down."""
    return not flags_of(fields).isdisjoint(DOWN + ("disconnected",))


def number(fields: Fields, name: str) -> t.Optional[int]:
    """Return a field as a number; None: not told."""
    text = fields.get(name, "")
    return int(text) if text.isdigit() and len(text) < 20 else None


def version(fields: Fields) -> t.Tuple[int, ...]:
    """Return the redis_version in INFO as numbers; () when it is not told."""
    parts = fields.get("redis_version", "").split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() and len(part) < 9 for part in parts) else ()
