"""The relay for connections with a TLS leg: bytes wait inside of it, where poll does not see them."""
import select
import typing as t

from st.tunnel.relay import NOTHING, Flow, Relay
from st.wire.tls import TlsSocket


class TlsFlow(Flow):
    """One direction from or to a TLS leg, or both."""

    def __init__(self, source: t.Any, sink: t.Any) -> None:
        super().__init__(source, sink)
        self._source_leg = source if isinstance(source, TlsSocket) else None
        self._sink_leg = sink if isinstance(sink, TlsSocket) else None

    @property
    def held(self) -> bool:
        """Bytes were received that the kernel has not taken, as plain text or encrypted."""
        return super().held or self.unsent

    @property
    def unsent(self) -> bool:
        """The sink holds bytes back that it has taken."""
        return self._sink_leg is not None and self._sink_leg.unsent

    @property
    def inside(self) -> bool:
        """The source may have more that the kernel does not know of, and there is room for it."""
        return self._source_leg is not None and self._source_leg.ready and not (self.held or self.ended)

    def flush(self) -> None:
        """Give the kernel what the sink holds back; a broken sink ends the flow."""
        try:
            if self._sink_leg is not None:
                self._sink_leg.flush()
        except OSError:
            self.ended, self.pending = True, NOTHING
            if self._sink_leg is not None:
                self._sink_leg.drop()


class TlsRelay(Relay):
    """As its base, but it also polls for what a leg holds back, and does not sleep on what a leg has inside."""

    flow = TlsFlow
    to_master: TlsFlow
    to_client: TlsFlow

    def __init__(self, *words: t.Any, **more: t.Any) -> None:
        super().__init__(*words, **more)
        self._goes_to = {descriptor: t.cast(TlsFlow, outward) for descriptor, (_, outward) in self._flows.items()}
        self._watched: t.Dict[int, int] = {}  # by descriptor: what poll looks for

    def _patience(self) -> t.Optional[float]:
        return 0.0 if self.to_master.inside or self.to_client.inside else super()._patience()

    def _moved_unpolled(self) -> bool:
        inside = [flow for flow in (self.to_master, self.to_client) if flow.inside]
        for flow in inside:
            if not self._cut:
                self._take(flow)
        self._watch()
        return bool(inside)

    def _serve(self, descriptor: int, events: int) -> None:
        outward = self._goes_to[descriptor]
        if events & ~select.POLLIN and outward.unsent:
            had_ended = outward.ended
            outward.flush()
            if outward.ended and not had_ended:  # the sink broke
                self._note_end(outward is self.to_client)
        super()._serve(descriptor, events)
        self._moved_unpolled()

    def _watch(self) -> None:
        for descriptor, (inward, _) in self._flows.items():
            outward = self._goes_to[descriptor]
            # While the sink holds bytes back the end of the source must not be seen: it would limit the wait for them.
            wanted = 0 if inward.held or inward.ended else select.POLLIN
            wanted |= select.POLLOUT if outward.held else 0
            if self._watched.get(descriptor) != wanted:  # one that is gone was unregistered, and stays so
                self._poll.register(descriptor, wanted)
                self._watched[descriptor] = wanted
