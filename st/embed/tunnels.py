"""Several tunnels inside of another program, with the options of the file."""
import os
import threading
import typing as t

from st import __version__
from st.address import Place
from st.app.changes import compare
from st.config.values import Settings, TunnelSettings
from st.deadline import Deadline
from st.embed.children import follow_forks, leave_to_parent
from st.embed.running import Running
from st.embed.settings import Source, Values, from_file, from_source, from_values
from st.embed.view import Tunnel
from st.errors import ConfigError, NoMasterError, NotListeningError, UnknownTunnelError
from st.ops.herald import Callback
from st.ops.status import ProcessStatus

Subscriber = t.TypeVar("Subscriber", bound=Callback)


class Tunnels(t.Mapping[str, Tunnel]):
    """Tunnels by their names. Every method is for any thread; in a child of os.fork nothing runs."""

    _running: t.Optional[Running] = None  # from `start` to the end of `stop`

    def __init__(self, settings: t.Union[Values, Settings]) -> None:
        """Take the settings by their names, with `tunnels` = {NAME: {...}} among them; raise ConfigError."""
        self._settings = settings if isinstance(settings, Settings) else from_values(settings)
        self._source: t.Optional[Source] = None  # the file they came from
        self._callbacks: t.List[Callback] = []
        self._begin()

    @classmethod
    def from_config(cls, path: t.Union[str, "os.PathLike[str]"]) -> "Tunnels":
        """Return the tunnels of a configuration file, whatever the environment says; raise ConfigError."""
        made = cls(from_file(path))
        made._source = _lasting(path)
        return made

    def start(self) -> None:
        """Listen everywhere, then begin; raise ListenError at once and leave nothing behind. Twice is fine.

        Also raises LocalError, and ConfigError when a file of TLS has gone bad.
        """
        self._notice_fork()
        with self._changing:
            with self._lock:
                old = self._running
            if old is not None and old.goes_on():
                return
            follow_forks()
            running = Running(self._settings)
            with self._lock:
                for callback in self._callbacks:
                    running.subscribe(callback)
                self._running = running
            try:
                running.start()
            except BaseException:
                self._forget(running)
                raise

    def stop(self, timeout: float = 5.0) -> None:
        """End everything within `timeout` seconds: clients get half of it for their replies. Twice is fine."""
        self._notice_fork()
        with self._lock:
            running = self._running
        if running is not None:
            running.stop(timeout)
            self._forget(running)

    def reload(self, source: t.Optional[Source] = None) -> t.List[str]:
        """Change to a file, to other settings, or to what the same file holds now; return what changes, a line each.

        Raises ConfigError or ListenError with nothing changed. Connections of tunnels that stay go on.
        """
        self._notice_fork()
        with self._changing:
            source = self._source if source is None else source
            if source is None:
                raise ConfigError(["nothing to reload from: give other settings, or the path of a file"])
            settings, running = from_source(source), self._current()
            changes = running.reload(settings) if running else compare(self._settings, settings)
            self._settings = settings
            self._source = _lasting(source)
        return changes.lines()

    def on_switch(self, callback: Subscriber) -> Subscriber:
        """Call `callback` with each Switch, in a thread for callbacks alone, and return it: it may be a decorator."""
        self._notice_fork()
        with self._lock:
            self._callbacks.append(callback)
            running = self._running
            if running is not None:
                running.subscribe(callback)
        return callback

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until every tunnel has a master; raise NoMasterError with the reasons when one has none in time."""
        self.wait_each_ready(timeout, [tunnel.name for tunnel in self._settings.tunnels])

    def wait_each_ready(self, timeout: float, names: t.Container[str]) -> None:
        """Do as `wait_ready` for these tunnels alone."""
        running = self._demand()
        late = running.app.wait_master(Deadline(timeout), names)
        if running.stopping:
            raise NotListeningError("stopped while somebody waited for a master")
        if late:
            raise NoMasterError("no master within %gs: %s" % (timeout, "; ".join(late)))

    def status(self) -> t.Dict[str, t.Any]:
        """Return the state of everything, in the one schema of status; without any tunnel while nothing runs."""
        running = self._current()
        status = running.app.status() if running else ProcessStatus(__version__, os.getpid(), 0.0, (), ())
        return status.as_dict()

    def settings_of(self, name: str) -> TunnelSettings:
        """Return the settings of one tunnel; raise UnknownTunnelError."""
        for tunnel in self._settings.tunnels:
            if tunnel.name == name:
                return tunnel
        raise UnknownTunnelError("no tunnel %r: there are %s" % (name, ", ".join(self)))

    def places_of(self, name: str) -> t.Tuple[Place, ...]:
        """Return where one tunnel listens; raise NotListeningError or UnknownTunnelError."""
        self.settings_of(name)
        return self._demand().app.places().get(name, ())

    def __enter__(self) -> "Tunnels":
        self.start()
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.stop()

    def __getitem__(self, name: str) -> Tunnel:
        return Tunnel(self, self.settings_of(name).name)

    def __iter__(self) -> t.Iterator[str]:
        return iter([tunnel.name for tunnel in self._settings.tunnels])

    def __len__(self) -> int:
        return len(self._settings.tunnels)

    def __eq__(self, other: object) -> bool:
        return self is other  # that of a mapping would compare what is in it, and then there is no hash

    def __hash__(self) -> int:
        return id(self)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._changing = threading.Lock()  # held by `start` and `reload`: one at a time
        self._lock = threading.Lock()  # guards the callbacks, and the attribute below
        self._running = None

    def _notice_fork(self) -> None:
        """Begin anew in a child of os.fork: what runs is the parent's, and who holds a lock may not be here."""
        if self._pid != os.getpid():
            leave_to_parent()
            self._begin()

    def _current(self) -> t.Optional[Running]:
        """Return what runs, if it does and is not being stopped."""
        self._notice_fork()
        with self._lock:
            return None if self._running is None or self._running.stopping else self._running

    def _demand(self) -> Running:
        running = self._current()
        if running is None:
            raise NotListeningError("the tunnels do not run: call start() first, in each process of its own")
        return running

    def _forget(self, running: Running) -> None:
        with self._lock:
            if self._running is running:
                self._running = None


def _lasting(source: Source) -> t.Optional[Source]:
    """Return the file to read again, wherever the program goes meanwhile; None: there is none."""
    return None if isinstance(source, t.Mapping) else os.path.abspath(os.fspath(source))
