"""Many connections, carried by the thread of one of them while the threads of the others sleep.

Threads that take turns on the interpreter's lock spend more time on handing it over than on carrying bytes.
"""
import select
import threading
import typing as t

from st.tunnel.turns import Turn, Turns

AT_A_TIME = 64  # sockets that one look may report

Move = t.Callable[[], bool]


class Member:
    """One connection in the convoy."""

    def __init__(self, moves: t.Mapping[int, Move]) -> None:
        self.moves = moves
        self.inside = True  # written by the leader
        self.turn = Turn()
        self.error: t.Optional[Exception] = None  # what a move raised, for its own thread


class Convoy:
    """Each thread that travels with it sleeps, but for one, the leader, which carries for all.

    When the leader's own connection leaves, another thread becomes the leader: there is no thread to start or to
    stop. The leader alone lets members go, so nobody closes a socket that it is about to touch.
    """

    def __init__(self) -> None:
        self._turns = Turns()  # of those that were let go
        self._lock = threading.Lock()  # guards the attributes below
        self._members: t.Dict[int, Member] = {}  # by descriptor, two each
        self._epoll: t.Optional[select.epoll] = None  # there is one while there are members
        self._led = False

    def __len__(self) -> int:
        return len(self._members) // 2

    def travel(self, moves: t.Mapping[int, Move]) -> t.Optional[Member]:
        """Let the leader call a socket's move each time it is readable, until one returns False.

        A move must not block. What it raises is raised here. Returns what `done` is to be told when the thread has
        nothing more to do at once, None when the system has no room for this.
        """
        me = Member(moves)
        try:
            leading = self._enter(me)
        except OSError:  # no descriptor, or no memory in the kernel
            return None
        if not leading:
            me.turn.wait()  # no limit: whoever leads sees every end and every cut
        if me.inside:
            self._lead(me)
        if me.error is not None:
            self.done(me)
            raise me.error
        return me

    def done(self, member: Member) -> None:
        """Let the next one wake that was let go. Twice is fine."""
        self._turns.done(member.turn)

    def _enter(self, me: Member) -> bool:
        """Take a member in; True when nobody leads yet."""
        with self._lock:
            epoll = self._epoll or select.epoll()
            try:
                self._register(epoll, me)
            except OSError:
                if not self._members:
                    epoll.close()
                raise
            self._epoll = epoll
            self._members.update(dict.fromkeys(me.moves, me))
            leading, self._led = not self._led, True
            return leading

    @staticmethod
    def _register(epoll: select.epoll, me: Member) -> None:
        registered: t.List[int] = []
        try:
            for descriptor in me.moves:
                epoll.register(descriptor, select.EPOLLIN)
                registered.append(descriptor)
        except OSError:
            for descriptor in registered:
                epoll.unregister(descriptor)
            raise

    def _lead(self, me: Member) -> None:
        """Carry for all until this thread's own connection has left."""
        assert self._epoll is not None
        poll, members = self._epoll.poll, self._members
        try:
            while me.inside:
                for descriptor, _ in poll(-1, AT_A_TIME):
                    # One that has left since the look is not there; if another took its number, nothing has come.
                    member = members.get(descriptor)
                    if member is not None and not self._move(member, descriptor):
                        self._let_go(member)
                        if member is not me:
                            self._turns.add(member.turn)
        finally:
            self._hand_over(me)

    @staticmethod
    def _move(member: Member, descriptor: int) -> bool:
        try:
            return member.moves[descriptor]()
        except Exception as error:  # for the thread whose connection it is: it must not end all others
            member.error = error
            return False

    def _let_go(self, member: Member) -> None:
        with self._lock:
            assert self._epoll is not None
            for descriptor in member.moves:
                self._epoll.unregister(descriptor)
                del self._members[descriptor]
        member.inside = False

    def _hand_over(self, me: Member) -> None:
        """Let another thread lead; with nobody left, nothing is left."""
        if me.inside:
            self._let_go(me)
        with self._lock:
            heir = next(iter(self._members.values()), None)
            if heir is None:
                assert self._epoll is not None
                self._epoll.close()
                self._epoll = None
            self._led = heir is not None
        if heir is not None:
            heir.turn.wake()
