"""The group of commands: what click does not do by itself."""
import errno
import os
import typing as t

import click

from st.cli import exits
from st.config.findings import did_you_mean
from st.errors import AlreadyRunning, ConfigError, LocalError, NoMasterError, SentinelTunnelError
from st.plain import plain


class Commands(click.Group):
    """A group that knows near misses."""

    def resolve_command(self, ctx: click.Context, args: t.List[str]) -> t.Any:
        """Find the command, or fail with the one that was probably meant."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:  # which completes a half line
            ctx.fail("no command %r%s" % (args[0], did_you_mean(args[0], self.commands)))
        return super().resolve_command(ctx, args)


class Program(Commands):
    """The program: it knows the original tool's command line and the exit codes of a wrong configuration, too."""

    def parse_args(self, ctx: click.Context, args: t.List[str]) -> t.List[str]:
        """Parse the words of the command line, those of the original tool too."""
        return super().parse_args(ctx, original_words(args, self.commands))

    def invoke(self, ctx: click.Context) -> t.Any:
        """Run the command; a wrong configuration is told line by line."""
        try:
            return super().invoke(ctx)
        except SentinelTunnelError as error:
            ended = explain(error)
            click.echo(ended.text, err=True)
            ctx.exit(ended.code)


class Ended(t.NamedTuple):
    """How a command ended: its exit code, and what is to be told."""

    code: int
    text: str


def explain(error: SentinelTunnelError) -> Ended:
    """Return the exit code for an error and its text, that of a wrong configuration line by line."""
    kinds = ((ConfigError, exits.WRONG_CONFIG), (NoMasterError, exits.NO_MASTER),
             (AlreadyRunning, exits.ALREADY_RUNNING))
    code = next((code for kind, code in kinds if isinstance(error, kind)), 1)
    if _is_denied(error):
        code = exits.NO_PERMISSION
    lines = error.problems if isinstance(error, ConfigError) else ["error: %s" % plain(str(error))]
    return Ended(code, "\n".join(lines))


def _is_denied(error: SentinelTunnelError) -> bool:
    """Tell whether it is for want of permission on this host."""
    if isinstance(error, ConfigError):
        return isinstance(error.__cause__, PermissionError)
    return isinstance(error, LocalError) and error.errno in (errno.EACCES, errno.EPERM)


def original_words(words: t.List[str], commands: t.Container[str]) -> t.List[str]:
    """Return our words for `CONFIG.json LOGFILE`, the original tool's, and any others unchanged."""
    if len(words) == 2 and words[0] not in commands and os.path.isfile(words[0]):
        return ["run", "-c", words[0], "--log-file", words[1]]
    return words


def short_help(context: click.Context) -> str:
    """Return the usage and the commands, without the options."""
    formatter = context.make_formatter()
    group = t.cast(click.Group, context.command)
    group.format_usage(context, formatter)
    group.format_commands(context, formatter)
    formatter.write("\n--help shows the options, COMMAND --help those of a command.")
    return formatter.getvalue()
