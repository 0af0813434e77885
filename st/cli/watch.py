"""The command watch: what the Sentinels do, in words, as they tell it."""
import queue
import time
import typing as t

import click

from st.cli.options import common_options, load_settings
from st.cli.sentinels import telling_names, tunnel_named
from st.deadline import Deadline
from st.drill.ears import Ears
from st.drill.events import Heard
from st.drill.words import clock, concerns, sentence
from st.errors import NoMasterError, NoSentinelError, UnknownMasterError
from st.plain import plain
from st.sentinel.answers import Report
from st.sentinel.survey import Asker, asker, elect, everyone, masters, report

LOOK = 1.0  # seconds between two tries to hear a Sentinel that cannot be heard
STOP_WAIT = 1.0  # seconds for the threads to end


@click.command(name="watch", short_help="Print what the Sentinels do, in words.")
@click.argument("name", metavar="[NAME]", required=False)
@common_options
@click.pass_context
def watch(context: click.Context, name: t.Optional[str]) -> None:
    """Print the events of all Sentinels in words until Ctrl-C: of all masters, or of one.

    Each Sentinel speaks for itself: three of them tell three times that a master is down.
    """
    loaded = load_settings(context)
    settings, whom = loaded.settings, asker(loaded.settings)
    names = _all_names(whom) if name is None else [tunnel_named(loaded, name).master]
    reports = report(whom, names, peers=settings.discover)
    states = [plain(_state(whom, each, reports)) for each in names]
    day = _tell_day("")
    for each, state in zip(names, states):
        click.echo("%s %s: %s" % (clock(time.time()), plain(each), state))
    heard: "queue.Queue[Heard]" = queue.Queue()
    ears = Ears(everyone(whom, reports), whom.credentials, whom.timeout, heard.put)
    try:
        ears.start()
        while True:
            day = _tell_day(day)
            _print_next(heard, None if name is None else names)
            ears.again()
    except KeyboardInterrupt:
        pass
    finally:
        ears.stop(Deadline(STOP_WAIT))


def _tell_day(told: str) -> str:
    """Print the date unless it was told before, and return it: the lines have times alone, and may be read days later.
    """
    today = time.strftime("%a %Y-%m-%d")
    if today != told:
        click.echo(today)
    return today


def _print_next(heard: "queue.Queue[Heard]", names: t.Optional[t.Sequence[str]]) -> None:
    """Print what comes within a moment, if it is about one of these masters (None: all)."""
    try:
        event = heard.get(timeout=LOOK)
    except queue.Empty:
        return
    if names is None or concerns(event, names):
        click.echo(sentence(event))


def _all_names(whom: Asker) -> t.List[str]:
    """Return the names of all masters; none when the Sentinels do not list them, but send events."""
    try:
        return sorted(masters(whom))
    except NoSentinelError:
        raise
    except NoMasterError:
        return []


def _state(whom: Asker, name: str, reports: t.Sequence[Report]) -> str:
    """Return who is master at the beginning; raise where nothing can come of watching."""
    try:
        with telling_names(whom):
            return "the master is %s" % (elect(whom, name, reports).address,)
    except (NoSentinelError, UnknownMasterError):
        raise
    except NoMasterError as error:
        return str(error)
