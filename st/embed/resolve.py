"""Ask for the address of a master once, in the thread that wants to know it."""
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.embed.one import Sentinels
from st.embed.settings import build
from st.sentinel.client import SentinelClient
from st.sentinel.survey import asker, elect


def resolve_master(sentinels: Sentinels, name: str, timeout: float = 2.0, **settings: t.Any) -> Address:
    """Return the master's address as the Sentinels tell it; raise NoMasterError, or ConfigError for wrong settings.

    One Sentinel is asked after the other, each within its share of what is left of `timeout` seconds; the lookup of
    a Sentinel's name may take longer. `settings` are options of the file, such as sentinel_password.
    """
    whom = asker(build(dict(settings, sentinels=sentinels), {name: {}}))
    deadline, reports = Deadline(timeout), []
    for done, sentinel in enumerate(whom.sentinels):
        client = SentinelClient(sentinel, whom.credentials)
        try:
            reports.append(client.report([name], (deadline.left() or 0.0) / (len(whom.sentinels) - done)))
        finally:
            client.close()
    return elect(whom, name, reports).address
