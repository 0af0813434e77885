"""What a process lets others ask of it over its control socket."""
import typing as t

from st.ops.measures import ClientStatus
from st.ops.status import ProcessStatus
from st.switch import Switch


class Steering(t.NamedTuple):
    """The wheel of one process; each function may be called by any thread."""

    status: t.Callable[[], ProcessStatus]
    clients: t.Callable[[], t.List[ClientStatus]]
    kill: t.Callable[[int], bool]  # False: no such connection
    history: t.Callable[[], t.List[Switch]]  # the newest last
    reload: t.Callable[[], t.List[str]]  # what has changed; raises SentinelTunnelError with nothing changed
    stop: t.Callable[[], None]  # returns at once
    config: str  # the file, or ""
