"""What the manual page tells, read from the commands themselves."""
import typing as t

import click

from st.printed.manual import Command, Option, manual


def manual_page(program: click.Group, version: str) -> str:
    """Return the manual page of the whole program."""
    # What stands before a command may stand behind it as well.
    common = {option.forms: option for option in _options(program)}
    what = (program.help or "").strip().rstrip(".")
    return manual(version, what, tuple(_commands(program, "", set(common))), tuple(common.values()))


def _commands(group: click.Group, before: str, common: t.Container[str]) -> t.Iterator[Command]:
    for name in sorted(group.commands):
        command = group.commands[name]
        if isinstance(command, click.Group):
            yield from _commands(command, before + name + " ", common)
            continue
        pieces = command.collect_usage_pieces(click.Context(command, info_name=name))
        words = " ".join([before + name] + [piece for piece in pieces if piece != "[OPTIONS]"])
        own = tuple(option for option in _options(command) if option.forms not in common)
        yield Command(words, command.help or "", own)


def _options(command: click.Command) -> t.Iterator[Option]:
    for each in command.params:
        if isinstance(each, click.Option):
            metavar = " " + each.metavar if each.metavar else ""
            yield Option(", ".join(each.opts) + metavar, each.help or "")
