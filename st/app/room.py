"""How many clients there is room for, beside all that these settings need for themselves."""
import typing as t

from st.config.values import Settings
from st.host.least import Needs, needs
from st.host.limits import room
from st.sentinel.roster import MOST_DISCOVERED, MOST_REPLICAS


def room_for(settings: Settings, descriptors: int, threads: t.Optional[int]) -> int:
    """Return how many clients fit within these limits; None is no limit."""
    sentinels = len(settings.sentinels) + MOST_DISCOVERED * settings.discover
    others = sum(len(tunnel.places) - 1 + MOST_REPLICAS * (tunnel.role == "replica") for tunnel in settings.tunnels)
    return room(descriptors, len(settings.tunnels), sentinels, threads, others)


def needs_of(settings: Settings) -> Needs:
    """Return what these settings need at the least."""
    places = sum(len(tunnel.places) for tunnel in settings.tunnels)
    workers = settings.workers if settings.workers > 1 else 0
    return needs(len(settings.tunnels), places, len(settings.sentinels), workers)
