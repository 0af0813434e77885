"""What follows a switch: the history keeps it, the command of on_failover runs."""
import typing as t

from st.config.values import Settings
from st.deadline import Deadline
from st.ops.herald import Herald
from st.ops.history import History
from st.ops.hook import Hook
from st.switch import Switch

_STOP_WAIT = 2.0  # seconds for what is still to be written


class Sequel:
    """Told of each switch; the history is in the file `history`, if that is not None."""

    def __init__(self, settings: Settings, history: t.Optional[str]) -> None:
        self._history = History(history)
        self._hook = Hook(settings)
        self._herald = Herald("history")
        self._herald.subscribe(self._history.keep)

    def start(self) -> None:
        """Read the history, and begin."""
        self._history.load()
        self._herald.start()
        self._hook.start()

    def change(self, settings: Settings) -> None:
        """Run the command of these settings from the next switch on; the history stays where it is."""
        self._hook.change(settings)

    def tell(self, switch: Switch) -> None:
        """Take a switch in. Never blocks."""
        self._hook.tell(switch)  # by itself, so that a disk that hangs keeps no command back
        self._herald.tell(switch)

    def stop(self) -> None:
        """End both, within a few seconds; a second call does nothing."""
        self._herald.stop(Deadline(_STOP_WAIT))
        self._hook.stop()

    def switches(self, tunnel: t.Optional[str] = None) -> t.List[Switch]:
        """Return the switches that are kept, or those of one tunnel, the newest last."""
        return self._history.switches(tunnel)
