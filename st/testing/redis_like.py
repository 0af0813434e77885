"""What Redis and Sentinel have in common: commands, passwords, Pub/Sub."""
import fnmatch
import inspect
import typing as t

from st.testing.connection import Connection
from st.testing.server import FakeServer
from st.testing.wire import Command, Error, Push, Several, Simple, Value, encode

VERSION = "7.0.15"  # the texts of errors and the fields are those of this version
ALWAYS_ALLOWED = ("AUTH", "HELLO", "QUIT")
ALLOWED_IN_SUBSCRIPTION = ("SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "PING", "QUIT")
AUTH_FOR_NOTHING = (
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)
AUTH_REFUSED = "WRONGPASS invalid username-password pair or user is disabled."
HELLO_FIRST = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> "
    "option can be used to authenticate the client and select the RESP protocol version at the same time"
)


def name_of(command: Command) -> str:
    """Return the name of a command in capitals, with the subcommand of SENTINEL and CLIENT."""
    first = command[0].decode("latin-1").upper()
    if first in ("SENTINEL", "CLIENT") and len(command) > 1:
        return first + " " + command[1].decode("latin-1").upper()
    return first


def unknown_command(name: str, *words: bytes) -> Error:
    """Return the error of a server that does not have the command."""
    shown = "".join("'%s' " % word.decode("latin-1") for word in words)
    return Error("ERR unknown command '%s', with args beginning with: %s" % (name, shown))


class RedisLike(FakeServer):
    """Dispatches each command to `on_<command>`: a subclass may add some."""

    mode = "standalone"

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.user = "default"
        self.password: t.Optional[str] = None
        super().__init__(host)

    def count(self, name: str) -> int:
        """Return how often the command `name` ("ROLE", "SENTINEL MASTER") was received."""
        return [name_of(command) for command in self.commands].count(name)

    def publish(self, channel: str, payload: str) -> int:
        """Push a message to the subscribers and return how many got it."""
        return sum(self._push(connection, channel.encode(), payload) for connection in self.open)

    def respond(self, connection: Connection, command: Command) -> bytes:
        """Return the reply to `command`."""
        return encode(self.value_of(connection, command), connection.protocol)

    def role_name(self) -> t.Optional[str]:
        """Return the role as HELLO shows it; None when it shows none."""
        return None

    def on_ping(self, connection: Connection, text: t.Optional[bytes] = None) -> Value:
        """Reply with PONG, or with `text`; as a message to a subscriber."""
        if connection.protocol == 2 and (connection.channels or connection.patterns):
            return ["pong", text or ""]
        return Simple("PONG") if text is None else text

    def on_auth(self, connection: Connection, *words: bytes) -> Value:
        """Take a password, or a user and a password."""
        if len(words) == 1 and self.password is None:
            return Error(AUTH_FOR_NOTHING)
        if len(words) not in (1, 2):
            return Error("ERR wrong number of arguments for 'auth' command")
        user, password = (b"default",) * (2 - len(words)) + words
        right = self.password is None or password == self.password.encode()
        if user != self.user.encode() or not right:
            return Error(AUTH_REFUSED)
        connection.authenticated = True
        return Simple("OK")

    def on_hello(self, connection: Connection, version: t.Optional[bytes] = None, *options: bytes) -> Value:
        """Change the protocol, log in with the option AUTH, and say who this is."""
        if version not in (None, b"2", b"3"):
            return Error("NOPROTO unsupported protocol version")
        if options[:1] == (b"AUTH",):
            refusal = self.on_auth(connection, *options[1:3])
            if isinstance(refusal, Error):
                return refusal
        if not self._knows(connection):
            return Error(HELLO_FIRST)
        connection.protocol = int(version or connection.protocol)
        fields = {"server": "redis", "version": VERSION, "proto": connection.protocol, "id": connection.number}
        role = self.role_name()
        return dict(fields, mode=self.mode, **({"role": role} if role else {}), modules=[])

    def on_client(self, connection: Connection, subcommand: bytes, *words: bytes) -> Value:
        """Accept SETNAME, tell ID, refuse the rest."""
        known = {b"SETNAME": Simple("OK"), b"ID": connection.number}
        unknown = Error("ERR unknown subcommand '%s'. Try CLIENT HELP." % subcommand.decode("latin-1"))
        return known.get(subcommand.upper(), unknown)

    def on_subscribe(self, connection: Connection, channel: bytes, *more: bytes) -> Value:
        """Add channels."""
        return _change(connection, "subscribe", connection.channels.add, (channel,) + more)

    def on_psubscribe(self, connection: Connection, pattern: bytes, *more: bytes) -> Value:
        """Add patterns."""
        return _change(connection, "psubscribe", connection.patterns.add, (pattern,) + more)

    def on_unsubscribe(self, connection: Connection, *channels: bytes) -> Value:
        """Drop channels, all of them when none is named."""
        words = channels or tuple(connection.channels) or (None,)
        return _change(connection, "unsubscribe", connection.channels.discard, words)

    def on_punsubscribe(self, connection: Connection, *patterns: bytes) -> Value:
        """Drop patterns, all of them when none is named."""
        words = patterns or tuple(connection.patterns) or (None,)
        return _change(connection, "punsubscribe", connection.patterns.discard, words)

    def value_of(self, connection: Connection, command: Command) -> Value:
        """Return what the handler of a command replies, or why it was not called."""
        name = command[0].decode("latin-1")
        handler = getattr(self, "on_" + name.lower(), None)
        if handler is None:
            return unknown_command(name, *command[1:])
        if name.upper() not in ALWAYS_ALLOWED and not self._knows(connection):
            return Error("NOAUTH Authentication required.")
        subscribed = connection.protocol == 2 and (connection.channels or connection.patterns)
        if subscribed and name.upper() not in ALLOWED_IN_SUBSCRIPTION:
            return Error("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                         "are allowed in this context" % name.lower())
        return call(handler, name.lower(), connection, command[1:])

    def _knows(self, connection: Connection) -> bool:
        return self.password is None or connection.authenticated

    def _push(self, connection: Connection, channel: bytes, payload: str) -> int:
        frames = [Push(["message", channel, payload])] if channel in connection.channels else []
        frames += [Push(["pmessage", pattern, channel, payload]) for pattern in sorted(connection.patterns)
                   if fnmatch.fnmatchcase(channel.decode("latin-1"), pattern.decode("latin-1"))]
        try:
            connection.send(encode(Several(frames), connection.protocol))
        except ConnectionError:
            return 0  # the subscriber has gone; its own thread closes
        return len(frames)


def call(handler: t.Callable[..., Value], name: str, connection: Connection, words: Command) -> Value:
    """Call the handler of the command `name`, or return the error for a wrong number of words."""
    try:
        inspect.signature(handler).bind(connection, *words)
    except TypeError:
        return Error("ERR wrong number of arguments for '%s' command" % name)
    return handler(connection, *words)


def _change(connection: Connection, kind: str, change: t.Callable[..., None], words: t.Iterable[t.Any]) -> Several:
    replies = Several()
    for word in words:
        change(word)
        replies.append(Push([kind, word, len(connection.channels) + len(connection.patterns)]))
    return replies
