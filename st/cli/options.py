"""The options that stand before or after any command, made from the table of settings."""
import os
import typing as t

import click

from st.config import Loaded, load
from st.config.environment import REQUIRE_MASTER
from st.config.kinds import yes_no
from st.config.table import SETTINGS
from st.config.words import parse_word

_OPTIONS = (
    ("sentinels", ("-s", "--sentinel"), "HOST[:PORT]"),
    ("listen", ("-l", "--listen"), "PLACE"),
    ("port", ("-p", "--port"), "N"),
    ("sentinel_user", ("--sentinel-user",), "NAME"),
    ("sentinel_password_file", ("--sentinel-password-file",), "FILE"),
    ("redis_user", ("--redis-user",), "NAME"),
    ("redis_password_file", ("--redis-password-file",), "FILE"),
    ("max_connections", ("--max-connections",), "N"),
    ("connect_timeout", ("--connect-timeout",), "TIME"),
    ("hold", ("--hold",), "TIME"),
    ("workers", ("--workers",), "N"),
    ("drain", ("--drain",), "TIME"),
    ("poll", ("--poll",), "TIME"),
    ("http", ("--http",), "HOST:PORT"),
    ("control", ("--control",), "PATH"),
    ("lock", ("--lock",), "PATH"),
    ("pid_file", ("--pid-file",), "PATH"),
    ("log_file", ("--log-file",), "FILE"),
    ("log_format", ("--log-format",), "FORMAT"),
)

NOWHERE = "/dev/null"  # as a log file: no log

Function = t.TypeVar("Function", bound=t.Callable[..., t.Any])


class CommonOption(click.Option):
    """One that every command takes; the help of most commands leaves it to the program's."""

    shown = True

    def get_help_record(self, ctx: click.Context) -> t.Optional[t.Tuple[str, str]]:
        """Return what the help shows of it; None: nothing."""
        return super().get_help_record(ctx) if self.shown else None


class Chosen:
    """What the options of one command line say; written while click parses, the later option last."""

    def __init__(self) -> None:
        self.config: t.Optional[str] = None
        self.settings: t.Dict[str, str] = {}  # texts by the names of their settings
        self.require_master = False
        self.daemon = False


def load_settings(context: click.Context, names: t.Sequence[str] = ()) -> Loaded:
    """Return the configuration that the options, `names`, the environment and a file make together."""
    chosen = context.ensure_object(Chosen)
    return load(chosen.config, chosen.settings, os.environ, names)


def requires_master(context: click.Context) -> bool:
    """Tell whether --require-master or its environment variable asks to fail without a master."""
    if context.ensure_object(Chosen).require_master:
        return True
    try:
        return yes_no(os.environ.get(REQUIRE_MASTER) or "no")
    except ValueError as error:
        raise click.UsageError("environment %s: %s" % (REQUIRE_MASTER, error)) from error


def wants_daemon(context: click.Context) -> bool:
    """Tell whether --daemon was given.

    There is no variable for it: one that is inherited by chance would let a supervised `run` slip away.
    """
    return context.ensure_object(Chosen).daemon


def is_verbose(context: click.Context) -> bool:
    """Tell whether -v was given."""
    return context.ensure_object(Chosen).settings.get("log_level") == "debug"


def is_quiet(context: click.Context) -> bool:
    """Tell whether -q was given."""
    return context.ensure_object(Chosen).settings.get("log_level") == "warning"


def own_log(context: click.Context) -> t.Optional[str]:
    """Return where a command logs that has tunnels for a while: to the file of --log-file; else with -v alone.

    The file of the configuration belongs to the process that serves all the time.
    """
    return context.ensure_object(Chosen).settings.get("log_file") or (None if is_verbose(context) else NOWHERE)


def common_options(function: Function) -> Function:
    """Add the options of every command to `function`."""
    for option in reversed(_make_options()):
        function = option(function)
    return function


def shorten_help(command: click.Command) -> None:
    """Let the help of a command show its own options, and of the common ones those that name the Sentinels."""
    command.epilog = "Options of all commands, before or after them: sentinel-tunnel --help"
    for option in command.params:
        if isinstance(option, CommonOption):
            option.shown = option.name in ("config", "sentinel")


def check_names(context: click.Context, parameter: click.Parameter, words: t.Sequence[str]) -> t.Sequence[str]:
    """Refuse words that are not NAME[=[HOST:]PORT] as wrong usage; the callback of an argument."""
    for word in words:
        try:
            parse_word(word)
        except ValueError as error:
            raise click.BadParameter("%r: %s" % (word, error)) from error
    return words


def _make_options() -> t.List[t.Callable[[Function], Function]]:
    made = [_common("-c", "--config", metavar="FILE", callback=_choose_config, help="the configuration, INI or JSON")]
    for name, flags, metavar in _OPTIONS:
        made.append(_setting_option(name, flags, metavar))
    made.append(_common("--require-master", is_flag=True, callback=_choose_require_master,
                        help="fail when no master is found in time"))
    made.append(_common("--daemon", is_flag=True, callback=_choose_daemon,
                        help="run: in the background, detached; it returns when the tunnels listen"))
    made.append(_fixed_option(("--syslog",), "syslog", "yes", SETTINGS["syslog"].help))
    made.append(_fixed_option(("-v", "--verbose"), "log_level", "debug", "log more: level debug"))
    made.append(_fixed_option(("-q", "--quiet"), "log_level", "warning", "log less: level warning"))
    return made


def _common(*flags: str, **attributes: t.Any) -> t.Callable[[Function], Function]:
    return click.option(*flags, cls=CommonOption, expose_value=False, **attributes)


def _setting_option(name: str, flags: t.Sequence[str], metavar: str) -> t.Callable[[Function], Function]:
    row = SETTINGS[name]
    many = name == "sentinels"

    def choose(context: click.Context, parameter: click.Parameter, value: t.Any) -> None:
        settings = context.ensure_object(Chosen).settings
        for text in value if many else () if value is None else (value,):
            try:
                row.kind(text)
            except ValueError as error:
                raise click.BadParameter(str(error)) from error
            settings[name] = settings[name] + "," + text if many and name in settings else text

    text = "%s (repeatable)" % row.help if many else row.help
    shown = "%s  [%s]" % (text, row.default) if row.default else text
    return _common(*flags, metavar=metavar, multiple=many, callback=choose, help=shown)


def _fixed_option(flags: t.Sequence[str], name: str, given: str, text: str) -> t.Callable[[Function], Function]:
    def choose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(Chosen).settings[name] = given

    return _common(*flags, is_flag=True, callback=choose, help=text)


def _choose_config(context: click.Context, parameter: click.Parameter, value: t.Optional[str]) -> None:
    if value is not None:
        context.ensure_object(Chosen).config = value


def _choose_require_master(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Chosen).require_master = True


def _choose_daemon(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Chosen).daemon = True
