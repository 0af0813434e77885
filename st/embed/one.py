"""The tunnel to one master, inside of another program."""
import typing as t

from st.embed.settings import build
from st.embed.tunnels import Subscriber, Tunnels
from st.embed.view import Tunnel

Sentinels = t.Union[str, t.Sequence[t.Union[str, t.Tuple[str, int]]]]


class SentinelTunnel(Tunnel):
    """A tunnel and all that it needs, as a context manager; `settings` are the options of the file.

    `redis_password` and `sentinel_password` may be functions, which are asked for each login. Raises ConfigError.
    """

    def __init__(self, sentinels: Sentinels, name: str, port: int = 0, **settings: t.Any) -> None:
        """Take the Sentinels (HOST, HOST:PORT or (HOST, PORT)) and the master's name; port 0 is any free one."""
        super().__init__(Tunnels(build(dict(settings, sentinels=sentinels), {name: {"port": port}})), name)

    def __enter__(self) -> "SentinelTunnel":
        self.start()
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.stop()

    def start(self) -> None:
        """Listen and begin; raise ListenError at once and leave nothing behind. Twice is fine."""
        self._tunnels.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End everything within `timeout` seconds: clients get half of it for their replies. Twice is fine."""
        self._tunnels.stop(timeout)

    def on_switch(self, callback: Subscriber) -> Subscriber:
        """Call `callback` with each Switch, in a thread for callbacks alone, and return it: it may be a decorator."""
        return self._tunnels.on_switch(callback)

    def status(self) -> t.Dict[str, t.Any]:
        """Return the state of everything, in the one schema of status; without any tunnel while nothing runs."""
        return self._tunnels.status()
