"""The life of one client, step by step, in a thread of its own."""
import logging
import random
import socket
import threading
import time
import typing as t

from st.deadline import Deadline
from st.errors import PeerError, PeerRefused, PeerUnreachable
from st.event import Event
from st.forks import note
from st.sentinel.masters import Snapshot, Target
from st.tunnel.refusal import Refused, linger, no_target, say, told_once
from st.tunnel.shared import MakeRelay, Tunnel
from st.tunnel.tls_relay import TlsRelay
from st.tunnel.upstream import NotMaster, prepare
from st.unix import Credentials
from st.wire.dial import interrupt, interrupt_at_once, reset_on_close, set_keepalive
from st.wire.role import MASTER
from st.wire.tls import Leg, TlsSocket, secure

logger = logging.getLogger(__name__)

RETRY_PAUSE = (0.2, 0.5)  # seconds, at random: "a few hundred milliseconds" (Sentinel client specification, step 3)
SLOWER = 1.5  # from try to try, as far as
HANDSHAKE = 10.0  # seconds that a client gets for TLS
SLOWEST = 2.0  # seconds; a switch ends the pause anyway


class Connection:
    """One client with its two sockets. Its owner thread alone closes them; others may `cut` and `outdate` it."""

    def __init__(self, number: int, client: socket.socket, peer: str, tunnel: Tunnel,
                 credentials: t.Optional[Credentials] = None) -> None:
        self.id = number
        self.peer = peer
        self.credentials = credentials  # of a client on a unix socket
        self._client: Leg = client
        self._accepted = client  # the same without TLS
        self._tunnel = tunnel
        self._lock = threading.Lock()  # guards the attributes below, and the sockets between shutdown and close
        self._upstream: t.Optional[Leg] = None
        self._claimed: t.Optional[Snapshot] = None  # the target that it dials or carries to
        self._carrying = False
        self._cut = ""  # why others ended it
        self._closed = False
        self._relay: t.Optional[t.Any] = None  # what `relay` of the tunnel made
        self._started = time.monotonic()
        self.since = time.time()  # Unix time at which it was accepted
        self._master: t.Optional[Target] = None  # where it carries to
        self._failures = 0  # tries in a row to reach a master
        self._seen = (-1, -1)  # what it had carried when the thread that drains looked last

    def run(self) -> None:
        """Serve the client to the end; the thread's top."""
        why = "error"
        try:
            why = self._serve()
        except Refused as refusal:
            why = self._cut or refusal.why
            if refusal.line and not self._cut and self._tunnel.settings.tls != "passthrough":
                say(self._client, refusal.line)
                linger(self._client)
        except Exception:  # a fault of ours ends this connection, and no other
            logger.exception("connection %d of tunnel %s failed", self.id, self._tunnel.settings.name)
        finally:
            try:
                self._close(why)
            finally:
                if self._relay is not None:
                    self._relay.closed()

    def cut(self, why: str) -> None:
        """End it from another thread: its owner wakes, sees `why` and closes."""
        with self._lock:
            if not self._closed and not self._cut:
                self._end(why)
        self._tunnel.row.wake()

    def outdate(self, is_current: t.Callable[[Snapshot], bool]) -> bool:
        """End it unless its target is current; True when it was carrying bytes. One that still dials tries again."""
        with self._lock:
            if self._closed or self._cut or self._claimed is None or is_current(self._claimed):
                return False
            if self._carrying:
                self._end("switch")  # which of all connections ends first is not known: none may wait for another
            elif self._upstream is not None:
                interrupt(self._upstream)
            return self._carrying

    def carried(self) -> t.Tuple[int, int]:
        """Return the bytes carried so far, to the master and to the client."""
        relay = self._relay
        return (0, 0) if relay is None else (relay.to_master.carried, relay.to_client.carried)

    @property
    def waiting(self) -> bool:
        """True until it carries bytes to a master."""
        return not self._carrying

    @property
    def master(self) -> t.Optional[Target]:
        """Where it carries bytes to; None while it waits."""
        return self._master

    def cut_if_quiet(self, why: str) -> None:
        """End it unless a reply may be on its way. Asked now and then by one thread: a long reply moves in between."""
        relay, seen = self._relay, self._seen
        self._seen = self.carried()
        if relay is None or (relay.quiet() and self._seen == seen):
            self.cut(why)

    def _end(self, why: str) -> None:
        """Wake the owner, whatever it waits for."""
        self._cut = why
        if self._relay is not None:
            self._relay.cut()
        if self._upstream is not None and (self._relay is None or self._relay.deaf):
            interrupt_at_once(self._upstream)
        interrupt_at_once(self._client)

    def _serve(self) -> str:
        self._prepare_client()
        first_reply = self._reach(Deadline(self._tunnel.settings.hold))
        assert self._upstream is not None
        self._client.setblocking(False)
        self._upstream.setblocking(False)
        plain = isinstance(self._client, socket.socket) and isinstance(self._upstream, socket.socket)
        make: MakeRelay = self._tunnel.relay if plain else TlsRelay
        self._relay = make(self._client, self._upstream, self._note_readonly)
        ended: str = self._relay.run(first_reply)
        if ended == "master" and not self._cut:
            self._tunnel.hint("the master ended a connection")
            linger(self._client)
        return self._cut or ended

    def _note_readonly(self) -> None:
        if self._master is not None and self._master.role == MASTER:  # from a replica it is the right answer
            self._tunnel.hint("-READONLY")

    def _prepare_client(self) -> None:
        try:
            if self._accepted.family != socket.AF_UNIX:
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                set_keepalive(self._accepted, self._tunnel.settings.keepalive)
            if self._tunnel.legs.client is not None:
                self._client = secure(self._accepted, self._tunnel.legs.client, None, Deadline(HANDSHAKE), self.peer)
        except PeerError as error:
            if self._cut:
                raise Refused(self._cut) from error
            logger.info(self._event("no_tls", error=str(error)))
            raise Refused("client") from error
        except OSError as error:
            raise Refused("client") from error  # gone already

    def _reach(self, deadline: Deadline) -> bytes:
        """Connect to a verified master of the current generation, trying until the deadline; raise Refused.

        Returns what the master sent by itself.
        """
        row, failure = self._tunnel.row, ""
        while True:
            snapshot = self._claim(deadline)
            self._check_wanted()
            if snapshot.target is None:
                raise Refused("no_master", no_target(row.wanted, row.master_name, failure or snapshot.reason))
            try:
                first_reply = self._try(snapshot.target, deadline)
                if self._carry(snapshot):
                    logger.debug(self._event("open", master=snapshot.target.address))
                    return first_reply
            except (PeerError, OSError) as error:
                with self._lock:
                    self._drop_upstream()
                self._check_wanted()
                if row.is_current(snapshot):  # else a switch interrupted it: the new target is there
                    failure = str(error)
                    self._wait_after(error, snapshot, deadline)

    def _claim(self, deadline: Deadline) -> Snapshot:
        """Take a place at a target, in exchange for that of the last try."""
        self._release()
        snapshot = self._tunnel.row.claim(deadline, self._given_up)
        with self._lock:
            self._claimed = snapshot  # before anything is dialled: from now on a switch finds it
        return snapshot

    def _release(self) -> None:
        with self._lock:
            snapshot, self._claimed = self._claimed, None
        if snapshot is not None:
            self._tunnel.row.release(snapshot)

    def _try(self, target: Target, deadline: Deadline) -> bytes:
        """Connect and check the role, on a new socket that others can find."""
        with self._lock:
            self._drop_upstream()
            self._upstream = upstream = note(socket.socket(target.endpoint.family, socket.SOCK_STREAM))
        patience = self._tunnel.settings.connect_timeout
        if target.role == MASTER:  # of replicas there may be another
            patience = max(deadline.left() or 0.0, patience)
        leg, first_reply = prepare(upstream, target, self._tunnel.settings, Deadline(patience), self._tunnel.gauges,
                                   self._check_current, self._tunnel.legs.upstream)
        with self._lock:
            self._upstream = leg
        return first_reply

    def _check_current(self) -> None:
        """Raise when a switch or a cut came before the socket was connected: no interrupt could reach it then."""
        if self._cut or self._claimed is None or not self._tunnel.row.is_current(self._claimed):
            raise PeerUnreachable("a switch came before the connection")

    def _carry(self, snapshot: Snapshot) -> bool:
        """Begin to carry bytes, unless the target became stale: the check and the change are one step."""
        with self._lock:
            self._carrying = not self._cut and self._tunnel.row.is_current(snapshot)
            self._master = snapshot.target if self._carrying else None
        self._check_wanted()
        return self._carrying

    def _wait_after(self, error: Exception, snapshot: Snapshot, deadline: Deadline) -> None:
        """Wait a moment, or for a switch, before the next try; raise Refused when there is no time for one."""
        row = self._tunnel.row
        another = row.failed(snapshot)
        if isinstance(error, PeerRefused) and error.line and not another:
            raise Refused("connect_failed", error.line)  # the master's own words: the client knows them
        self._tunnel.hint("wrong role" if isinstance(error, NotMaster) else "cannot connect")
        if another:
            return
        pause = deadline.left(min(random.uniform(*RETRY_PAUSE) * SLOWER ** self._failures, SLOWEST))
        self._failures += 1
        row.wait_stale(snapshot, Deadline(pause), self._given_up)
        if deadline.passed():
            reason = told_once(str(error), row.now().reason)  # the watcher mostly fails in the same way
            raise Refused("connect_failed", no_target(row.wanted, row.master_name, reason))

    def _given_up(self) -> bool:
        return bool(self._cut)

    def _check_wanted(self) -> None:
        """Raise Refused when nobody wants this connection any more: it was cut, or the client is gone."""
        if self._cut:
            raise Refused(self._cut)
        try:
            gone = not (self._accepted.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) or self._holds_bytes())
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        if gone:  # closed, with nothing left to be served
            raise Refused("client")

    def _holds_bytes(self) -> bool:
        """Tell whether the client said something that is no longer in the kernel: it came with its handshake."""
        return isinstance(self._client, TlsSocket) and self._client.inside

    def _drop_upstream(self) -> None:
        """Close the upstream leg; under the lock, since others may be about to shut it down."""
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None

    def _close(self, why: str) -> None:
        with self._lock:
            self._closed = True
            given_up = self._relay is not None and self._relay.to_master.held
            if self._upstream is not None and (self._cut == "switch" or given_up):
                reset_on_close(self._upstream)  # queued bytes must not reach the old master when a partition heals
            self._drop_upstream()
            self._client.close()
        self._release()
        self._tunnel.registry.leave(self, why)
        sent, received = self.carried()
        logger.debug(self._event("close", why=why, sent=sent, received=received))

    def _event(self, name: str, **fields: t.Any) -> Event:
        age = "%.1fs" % (time.monotonic() - self._started)
        known = dict(tunnel=self._tunnel.settings.name, id=self.id, client=self.peer)
        return Event(name, **dict(known, **fields), **{"waited" if name == "open" else "lasted": age})
