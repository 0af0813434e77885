"""The tunnels in a process of their own, for run --daemon and ensure."""
import os
import sys
import typing as t

import click

from st import process
from st.cli.options import NOWHERE, load_settings, requires_master
from st.cli.program import explain
from st.config import Loaded, kinds
from st.config.kinds import Command
from st.config.table import SETTINGS
from st.errors import ConfigError, LocalError, SentinelTunnelError
from st.host.daemon import Outcome, detach
from st.host.places import Places, places

PATIENCE = 3.0  # seconds to be ready
SEARCH = 10.0  # seconds beyond the longest `hold` to be ready with --require-master
NOT_READY = "not ready yet: it goes on in the background; see its log"

_WORDS = (None, "auto", "off")  # of settings that may hold a path


class Detached:
    """A configuration that can run detached; raises ConfigError when it cannot."""

    def __init__(self, context: click.Context, names: t.Sequence[str]) -> None:
        self._context = context
        self._names = names
        self._directory = working_directory()
        self._require_master = requires_master(context)
        self.loaded = self._load()
        self.places: Places = places(self.loaded.settings, self.loaded.source, os.environ)
        problems = []
        if not self.loaded.settings.tunnels:
            problems.append("no tunnel: a process in the background needs tunnels with ports: write [tunnel:NAME] "
                            "sections with a port each into the configuration, or NAME=PORT behind the command")
        if self.places.lock is None:
            problems.append("lock = off: a process in the background needs its lock, so that there is never a second "
                            "one: remove that setting")
        if problems:
            raise ConfigError(problems)

    def start(self) -> Outcome:
        """Start the process, and return what came of it so far."""
        longest = max(tunnel.hold for tunnel in self.loaded.settings.tunnels)
        return detach(self._run, longest + SEARCH if self._require_master else PATIENCE)

    def _run(self, ready: t.Callable[[], None]) -> int:
        try:
            process.run(self.loaded, self._load_again, lambda line: None, self._require_master, ready)
        except SentinelTunnelError as error:
            ended = explain(error)
            # Not click.echo: before 3.7 it wraps the stream anew, which fails where a file (2>>FILE) became a pipe.
            sys.stderr.write(ended.text + "\n")
            return ended.code
        return 0

    def _load(self) -> Loaded:
        return _anchored(load_settings(self._context, self._names), self._directory)

    def _load_again(self) -> Loaded:
        """Read the configuration where it was read at the start: it may name files beside it."""
        try:
            os.chdir(self._directory)
            return self._load()
        except OSError as error:
            text = "%s, where it was started: %s: make it again, or restart elsewhere"
            raise LocalError(text % (self._directory, error.strerror), error.errno) from error
        finally:
            os.chdir("/")


def working_directory() -> str:
    """Return the directory that relative paths are relative to."""
    try:
        return os.getcwd()
    except OSError:  # removed meanwhile, or not for us to know
        return "/"


def _anchored(loaded: Loaded, directory: str) -> Loaded:
    """Return the same with absolute paths: a detached process leaves the directory. No log file: no log."""
    settings = loaded.settings
    paths = _paths(settings, directory)
    paths.setdefault("log_file", NOWHERE)
    paths["tunnels"] = tuple(tunnel._replace(**_paths(tunnel, directory)) for tunnel in settings.tunnels)
    command = settings.on_failover
    if command and "/" in command.words[0]:
        paths["on_failover"] = Command((os.path.join(directory, command.words[0]),) + command.words[1:])
    source = loaded.source and os.path.join(directory, loaded.source)
    return loaded._replace(settings=settings._replace(**paths), source=source)


def _paths(values: t.Any, directory: str) -> t.Dict[str, t.Any]:
    """Return the settings in `values` that are paths, absolute."""
    names = [name for name in values._fields if name in SETTINGS and SETTINGS[name].kind in (kinds.path, kinds.place)]
    given = {name: getattr(values, name) for name in names}
    return {name: os.path.join(directory, path) for name, path in given.items() if path not in _WORDS}
