"""The script that completes our commands in a shell; click writes it, each release on a word of its own."""
import os
import subprocess
import typing as t

from st.errors import SentinelTunnelError

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_SENTINEL_TUNNEL_COMPLETE"
TIME_LIMIT = 30.0  # seconds


class CompletionError(SentinelTunnelError):
    """There is no completion for this shell here."""


def shell_of(environ: t.Mapping[str, str]) -> t.Optional[str]:
    """Return the shell in $SHELL; None when it is none that can be completed."""
    name = os.path.basename(environ.get("SHELL", ""))
    return name if name in SHELLS else None


def completion(command: t.Sequence[str], shell: str, environ: t.Mapping[str, str]) -> str:
    """Return the script of the program `command`, to be sourced by the shell; raise CompletionError."""
    reason = ""
    for word in ("%s_source" % shell, "source_%s" % shell) + (("source",) if shell == "bash" else ()):  # click 8, 7, 6
        done = subprocess.run(list(command), env=dict(environ, **{VARIABLE: word}), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIME_LIMIT)
        if VARIABLE.encode("ascii") in done.stdout:
            return done.stdout.decode("utf-8", "replace")
        if done.returncode == 1:  # it knows the word; else the program runs as ever, and shows its usage
            reason = ": " + done.stderr.decode("ascii", "backslashreplace").strip().split("\n")[-1]
    raise CompletionError("the installed click has no completion for %s%s" % (shell, reason))
