"""The program sentinel-tunnel: its commands, and how it starts and ends."""
import errno
import os
import sys
import typing as t

import click

from st import __version__
from st.cli.commands import check, convert
from st.cli.doctor import doctor
from st.cli.drill import drill
from st.cli.ensure import ensure
from st.cli.exec_ import exec_
from st.cli.init import init
from st.cli.options import common_options, shorten_help
from st.cli.printing import print_files
from st.cli.program import Program, short_help
from st.cli.run import run
from st.cli.sentinels import list_masters, resolve
from st.cli.status import status
from st.cli.steer import reload, stop, wait
from st.cli.view import clients, history
from st.cli.watch import watch

NAME = "sentinel-tunnel"


@click.group(name=NAME, cls=Program, invoke_without_command=True)
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
@common_options
@click.pass_context
def program(context: click.Context) -> None:
    """Any Redis client can use a Redis managed by Sentinel, without a change in its code."""
    if context.invoked_subcommand is None:
        click.echo(short_help(context), err=True)
        context.exit(2)


for command in (run, ensure, stop, reload, wait, status, clients, history,
                exec_, check, resolve, list_masters, watch, doctor, drill, init, convert, print_files):
    program.add_command(command)
for command in (*program.commands.values(), *print_files.commands.values()):
    if command not in (run, ensure, print_files):  # the first two are about all that can be set, the last has nothing
        shorten_help(command)


def main(args: t.Optional[t.List[str]] = None) -> None:
    """Run the command line `args` (None: the process's own) and exit."""
    _allow_any_locale()
    _open_closed_streams()
    try:
        try:
            program.main(args, prog_name=NAME)
        finally:
            _flush()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        os.write(2, ("error: standard output: %s\n" % error.strerror).encode("ascii", "backslashreplace"))
        os._exit(1)  # what is still buffered cannot be written: the interpreter's own end would try, and trace back


def _allow_any_locale() -> None:
    """Keep click before 8.1 from refusing an ASCII locale: our output is ASCII.

    Cron gives none, which CPython 3.6 takes for ASCII, and 3.7 does so for a locale that cannot be loaded.
    """
    for check_locale in ("_verify_python3_env", "_verify_python_env"):  # click 6 and 7, click 8.0
        if hasattr(click.core, check_locale):
            setattr(click.core, check_locale, lambda: None)


def _open_closed_streams() -> None:
    """Put /dev/null where a standard stream is closed (`>&-`): else the next socket would become that stream."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))  # takes the lowest number that is free


def _flush() -> None:
    """Write what is left for standard output; a reader that went away is no error (`... | head`)."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the interpreter's end
