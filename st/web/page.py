"""The status page for people: one document that needs nothing else, and says without scripts what it says with them."""
import base64
import hashlib
import typing as t

from st.log.lines import local_time
from st.ops.status import NO_MASTER, NOT_ASKED, OK, STARTING, Finding, ProcessStatus, SentinelStatus
from st.ops.tables import duration
from st.switch import Switch
from st.web.cards import Card, card, level_of, state_words
from st.web.markup import BAD, GOOD, WARN, icon, more, sentence, shown, tab_icon
from st.web.plots import span_of
from st.web.samples import HOUR, Stretch
from st.web.script import SCRIPT
from st.web.style import STYLE
from st.web.timeline import newest, timeline

STATIC_PERIOD = 10  # seconds between two loads where scripts do not run
TOLD = 8  # findings that are shown at once
INDEXED = 6  # with more tunnels than these there is an index of them

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>%(title)s</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" id="icon" href="%(icon)s" data-lost="%(lost)s">
<noscript><meta http-equiv="refresh" content="%(period)d"></noscript><style>%(style)s</style></head>
<body><div id="alarm" role="alert"></div><div id="said" class="unseen" role="status"></div>
<main id="page">%(body)s</main>
<footer><p><button id="pause" type="button" hidden>Pause refreshing</button><span id="how">Without scripts it loads
itself again every %(period)d s.</span></p><p>For programs: %(links)s</p></footer>
<script>%(script)s</script></body></html>
"""
_TUNNELS = '<h2>Tunnels <span class="soft">with clients, new connections and traffic of the last %s</span></h2>\n'


class Seen(t.NamedTuple):
    """All that the page shows; `now` in seconds since the epoch."""

    now: float
    host: str
    status: ProcessStatus
    notices: t.Sequence[Finding]  # what is wrong beside that
    hour: t.Mapping[str, t.Sequence[Stretch]]  # of each tunnel
    switches: t.Sequence[Switch]  # the newest last


def _digest(text: str) -> str:
    return "'sha256-%s'" % base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# Nothing is loaded, nothing may frame it, and a script that somebody managed to put into it does not run.
POLICY = "; ".join((
    "default-src 'none'", "style-src " + _digest(STYLE), "script-src " + _digest(SCRIPT), "connect-src 'self'",
    "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"))


def page(seen: Seen, paths: t.Iterable[str]) -> str:
    """Return the document; `paths` are what programs read."""
    answer, level = _headline(seen)
    return _PAGE % {"title": "%s - sentinel-tunnel on %s" % (answer, shown(seen.host)), "icon": tab_icon(level),
                    "lost": tab_icon(BAD), "period": STATIC_PERIOD, "style": STYLE, "script": SCRIPT,
                    "body": _body(seen),
                    "links": " ".join('<a href="%s">%s</a>' % (path, path) for path in paths)}


def _headline(seen: Seen) -> t.Tuple[str, str]:
    """Return the answer for who reads no further, and its level."""
    tunnels = seen.status.tunnels
    lost = [each for each in tunnels if each.state == NO_MASTER]
    wanted = " or ".join(sorted({each.wanted for each in lost}))
    if len(lost) == len(tunnels):
        return "No tunnel has a %s" % wanted if tunnels else "No tunnel", BAD
    if lost:
        return "%d of %d tunnels without a %s" % (len(lost), len(tunnels), wanted), BAD
    if any(each.state == STARTING for each in tunnels):
        return "Starting", WARN
    if seen.notices or seen.status.state != OK:
        return "Needs a look", WARN
    return "All is well", GOOD


def _body(seen: Seen) -> str:
    span = span_of(seen.hour.values())
    cards = _cards(seen, span)
    return "".join((_banner(seen), _todo(seen), _index(cards), _TUNNELS % ("hour" if span == HOUR else duration(span)),
                    "".join(card(each, seen.now) for each in cards),
                    "<h2>Sentinels</h2>\n", _sentinels(seen.status.sentinels),
                    "<h2>Switches</h2>\n<div class=\"panel\">", timeline(seen.switches, seen.now),
                    newest(seen.switches, seen.now), "</div>\n"))


def _banner(seen: Seen) -> str:
    status, (answer, level) = seen.status, _headline(seen)
    return ('<div class="banner %s"><h1>%s%s</h1><p>%s</p></div>\n'
            '<p class="process"><b>sentinel-tunnel %s</b> on <b>%s</b>, pid %d, up %s. '
            'As of <b class="when">%s</b></p>\n') % (
                level, icon(level), answer, _numbers(status), shown(status.version), shown(seen.host), status.pid,
                duration(seen.now - status.started), local_time(seen.now, "seconds"))


def _numbers(status: ProcessStatus) -> str:
    """Return in a line what the headline does not say."""
    held = sum(each.held for each in status.tunnels)
    return "%s: %d of %d Sentinels answer, %d clients%s" % (
        status.state, sum(each.up for each in status.sentinels), len(status.sentinels),
        sum(each.clients for each in status.tunnels), ", %d of them held" % held if held else "")


def _todo(seen: Seen) -> str:
    """Return what is wrong and what to do, the worst first."""
    status = seen.status
    answered = not status.sentinels or any(sentinel.up for sentinel in status.sentinels)
    # Where no Sentinel answers, that is why tunnels have no master: not to be found behind all of these.
    found = list(seen.notices) + sorted(status.findings(), key=lambda each: not answered and each.tunnel != "")
    if not found:
        return ""
    without = {each.name for each in status.tunnels if level_of(each, ()) == BAD}
    items = [_item(each, BAD if each.tunnel in without else WARN) for each in found]
    rest = more("rest", "%d more" % len(items[TOLD:]), '<ul class="todo">%s</ul>' % "".join(items[TOLD:]))
    return '<h2>What is wrong, and what to do</h2>\n<ul class="todo">%s</ul>%s' % (
        "".join(items[:TOLD]), rest if items[TOLD:] else "")


def _item(found: Finding, level: str) -> str:
    step = '<p class="step">Do: %s</p>' % sentence(found.step) if found.step else ""
    return '<li class="%s">%s%s%s</li>\n' % (level, icon(level), sentence(found.what), step)


def _cards(seen: Seen, span: float) -> t.List[Card]:
    """Return the tunnels, those with trouble first."""
    answering = sum(sentinel.up for sentinel in seen.status.sentinels)
    troubled = {found.tunnel for found in seen.status.findings()}
    cards = [Card(number, each, level_of(each, troubled), answering, seen.hour.get(each.name, ()), span)
             for number, each in enumerate(seen.status.tunnels)]
    return sorted(cards, key=lambda each: (BAD, WARN, GOOD).index(each.level))


def _index(cards: t.Sequence[Card]) -> str:
    """Return where each tunnel is, when they do not all fit on one screen."""
    if len(cards) <= INDEXED:
        return ""
    words = ('<li>%s<a href="#t%d" id="to%d">%s</a> <span%s>%s</span></li>' % (
        icon(each.level), each.number, each.number, shown(each.tunnel.name),
        ' class="unseen"' if each.level == GOOD else "", state_words(each)) for each in cards)
    return '<h2>%d tunnels</h2>\n<ul class="index">%s</ul>\n' % (len(cards), "".join(words))


def _sentinels(sentinels: t.Sequence[SentinelStatus]) -> str:
    head = "".join('<th scope="col">%s</th>' % name for name in ("Sentinel", "State", "Events", "Latency"))
    return '<div class="panel"><table><tr>%s</tr>%s</table></div>\n' % (head, "".join(map(_sentinel, sentinels)))


def _sentinel(sentinel: SentinelStatus) -> str:
    asked = sentinel.error != NOT_ASKED
    level = GOOD if sentinel.up else BAD if asked else WARN
    words = "up" if sentinel.up else "down: %s" % shown(sentinel.error) if asked else sentinel.error
    origin = "" if sentinel.seed else ' <span class="soft">(named by another)</span>'
    return '<tr><td>%s%s</td><td class="%s">%s%s</td><td>%s</td><td>%s</td></tr>' % (
        shown(sentinel.address), origin, level, icon(level), words, "yes" if sentinel.events else "no",
        "-" if sentinel.latency is None else "%.1f&nbsp;ms" % (sentinel.latency * 1000))
