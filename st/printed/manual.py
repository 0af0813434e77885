"""The manual page, for man(1)."""
import typing as t

_HEAD = r"""
.TH SENTINEL\-TUNNEL 1 "" "sentinel\-tunnel %(version)s" "User Commands"
.nh
.ad l
.SH NAME
sentinel\-tunnel \- %(what)s
.SH SYNOPSIS
.B sentinel\-tunnel
.RI [ options ]
.I command
.RI [ arguments ]
.SH DESCRIPTION
It listens on a local port for each master, asks the Sentinels who the master is, and
tunnels TCP to it. When the master changes it closes the stale connections at once,
and the client's next connection reaches the new master. While there is no master new
clients wait, for up to
.BR hold .
""".lstrip("\n")

_TAIL = r"""
.SH CONFIGURATION
The first of these that exists, unless
.B \-c
names another, in INI or JSON:
.IR ./sentinel\-tunnel.ini ,
.IR ~/.config/sentinel\-tunnel.ini ,
.IR /etc/sentinel\-tunnel.ini .
A setting of the command line counts before one of the environment, that before the file.
.PP
.nf
    [sentinel\-tunnel]
    sentinels = 10.0.0.11, 10.0.0.12, 10.0.0.13
    [tunnel:sessions]
    port = 6379
.fi
.SH ENVIRONMENT
.TP
.B SENTINEL_TUNNEL_NAME
for each setting NAME of the configuration, as SENTINEL_TUNNEL_HOLD.
.TP
.B SENTINEL_TUNNEL_TUNNELS
the tunnels, as "sessions=6379,cache=6380".
.SH SIGNALS
TERM and INT stop accepting, let replies finish for
.B drain
seconds, and exit 0; a second one ends at once. HUP reads the configuration again and
opens the log file anew. USR1 writes the status and every thread's stack to the log.
.SH EXIT STATUS
""".lstrip("\n")

EXIT_CODES = (
    (0, "done; stopped by TERM or INT"),
    (1, "failed: what and why stands on standard error"),
    (2, "wrong usage of the command line"),
    (3, "it is not running"),
    (69, "no master, or no Sentinel that answers, in time; or no Sentinel monitors the name"),
    (75, "it runs already"),
    (77, "no permission"),
    (78, "the configuration is wrong: each problem with its line"),
    (125, "exec: it failed itself; else the exit code is that of the command"),
    (126, "exec: the command cannot be run"),
    (127, "exec: there is no such command"),
)


class Option(t.NamedTuple):
    """An option as it is written ("-c, --config FILE"), and what it does."""

    forms: str
    text: str


class Command(t.NamedTuple):
    """A command with its words and arguments, what it does, and the options that others have not."""

    words: str
    text: str
    options: t.Tuple[Option, ...]


def manual(version: str, what: str, commands: t.Sequence[Command], options: t.Sequence[Option]) -> str:
    """Return the page: `what` is one line, `options` are those of every command."""
    parts = [_HEAD % {"version": _escape(version), "what": _escape(what)}, ".SH COMMANDS\n"]
    for command in commands:
        parts.append(_entry(command.words, command.text))
        parts += [".RS\n"] * bool(command.options)
        parts += [_entry(*option) for option in command.options]
        parts += [".RE\n"] * bool(command.options)
    parts.append(".SH OPTIONS\nThey may stand before or after any command.\n")
    parts += [_entry(*option) for option in options]
    parts.append(_TAIL)
    parts += [_entry(str(code), text) for code, text in EXIT_CODES]
    return "".join(parts)


def _entry(head: str, text: str) -> str:
    paragraphs = [_paragraph(each) for each in text.split("\n\n") if each.strip()]
    return ".TP\n.B %s\n%s\n" % (_escape(head), "\n.IP\n".join(paragraphs))


def _paragraph(text: str) -> str:
    lines = [line.strip() for line in text.strip().split("\n")]
    if lines[0] == "\b":  # click's mark: these lines stay as they are
        return "\n".join([".nf"] + [_escape(line) for line in lines[1:]] + [".fi"])
    return _escape(" ".join(lines))


def _escape(text: str) -> str:
    """Return a line of text for roff: no word of it is an order, and a hyphen stays the one that is typed."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + plain if plain[:1] in (".", "'") else plain
