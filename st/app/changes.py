"""What a reload changes: two configurations side by side. Values in, words out."""
import typing as t

from st.address import Address
from st.config.values import Settings, TunnelSettings

AT_START_ONLY = ("workers", "http", "control", "lock", "pid_file", "history_file")  # what they need is taken then


class Changes(t.NamedTuple):
    """The names of the tunnels by what becomes of them, and of the settings of the process."""

    added: t.Tuple[str, ...]
    removed: t.Tuple[str, ...]
    replaced: t.Tuple[str, ...]  # another address to listen on, another master or role: its connections end
    adjusted: t.Mapping[str, t.Tuple[str, ...]]  # the settings that apply to its next connections
    process: t.Tuple[str, ...]
    restart: t.Tuple[str, ...]  # of these, the ones that change with the next start only

    @property
    def leaving(self) -> t.Tuple[str, ...]:
        """The tunnels whose listener and connections of now end."""
        return self.removed + self.replaced

    @property
    def arriving(self) -> t.Tuple[str, ...]:
        """The tunnels that get a new listener."""
        return self.added + self.replaced

    def lines(self) -> t.List[str]:
        """Return what changes, a line each; one line when nothing does."""
        lines = ["added: tunnel %s" % name for name in self.added]
        lines += ["removed: tunnel %s" % name for name in self.removed]
        lines += ["replaced: tunnel %s, its connections end" % name for name in self.replaced]
        lines += ["changed: tunnel %s: %s" % (name, ", ".join(names)) for name, names in self.adjusted.items()]
        now = [name for name in self.process if name not in self.restart]
        lines += ["changed: %s" % ", ".join(now)] if now else []
        lines += ["needs a restart: %s" % ", ".join(self.restart)] if self.restart else []
        return lines or ["nothing has changed"]


def compare(old: Settings, new: Settings) -> Changes:
    """Return what is different in `new`."""
    before = {tunnel.name: tunnel for tunnel in old.tunnels}
    after = {tunnel.name: tunnel for tunnel in new.tunnels}
    both = [name for name in after if name in before]
    replaced = [name for name in both if _identity(before[name]) != _identity(after[name])]
    differing = {name: _differing(before[name], after[name]) for name in both if name not in replaced}
    process = tuple(name for name in _differing(old, new) if name != "tunnels")
    return Changes(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        replaced=tuple(replaced),
        adjusted={name: names for name, names in differing.items() if names},
        process=process,
        restart=tuple(name for name in process if name in AT_START_ONLY))


def _identity(tunnel: TunnelSettings) -> t.Tuple[t.Any, ...]:
    mode = None if all(isinstance(place, Address) for place in tunnel.places) else tunnel.socket_mode
    return tunnel.places, mode, tunnel.master, tunnel.role


def _differing(old: t.Any, new: t.Any) -> t.Tuple[str, ...]:
    return tuple(name for name in old._fields if getattr(old, name) != getattr(new, name))
