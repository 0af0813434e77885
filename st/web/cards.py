"""One tunnel on the page: its state in colour and words, its numbers, its last hour. Values in, HTML out."""
import typing as t

from st.ops.status import STARTING, UP, TunnelStatus
from st.ops.tables import duration, size
from st.web.markup import BAD, GOOD, WARN, facts, icon, moment_of, more, seconds_of, shown
from st.web.plots import canvas, outages, plot
from st.web.samples import Stretch, without_for

_CARD = """<article class="tunnel %s" id="t%d"><div class="top"><h3>%s%s <span class="state">%s</span></h3>
<p class="at">at %s%s</p></div>%s
<div class="row">%s%s</div>%s%s</article>
"""
_FIGURE = "<figure><figcaption>%s <b>%s</b> <span>%s</span></figcaption>%s</figure>"


class Card(t.NamedTuple):
    """What is known of one tunnel; `number` is its place in the configuration."""

    number: int
    tunnel: TunnelStatus
    level: str
    answering: int  # Sentinels that answer
    hour: t.Sequence[Stretch]
    span: float  # seconds that its plots show


def level_of(tunnel: TunnelStatus, troubled: t.Container[str]) -> str:
    """Return how bad it is about a tunnel; `troubled` are the names of those with something wrong."""
    if tunnel.state != UP:
        return WARN if tunnel.state == STARTING else BAD
    return WARN if tunnel.reason or tunnel.name in troubled else GOOD


def card(card: Card, now: float) -> str:
    """Return the whole of one tunnel; `now` in seconds since the epoch."""
    tunnel = card.tunnel
    also = "" if tunnel.master_name == tunnel.name else ", master name %s" % shown(tunnel.master_name)
    also += ", to replicas" if tunnel.wanted == "replica" else ""
    why = '<p class="why">%s</p>' % shown(tunnel.reason) if tunnel.reason else ""
    return _CARD % (card.level, card.number, icon(card.level), shown(tunnel.name), state_words(card),
                    shown(tunnel.listen), also, why, _facts(card, now), _plots(card), _lost(card), _more(card))


def state_words(card: Card) -> str:
    """Return the state in words, with the time that it has lasted when there is no master."""
    if card.level == GOOD:
        return "up"
    if card.tunnel.state == UP:
        return "up, with a problem"
    lasted = without_for(card.hour)
    word = "starting" if card.tunnel.state == STARTING else "no %s" % card.tunnel.wanted
    return word + (" for %s" % duration(lasted) if lasted >= 1 else "")


def _facts(card: Card, now: float) -> str:
    tunnel = card.tunnel
    since = "-"
    if tunnel.since is not None and tunnel.master is not None:
        since = '%s <span class="soft">%s</span>' % (duration(now - tunnel.since), moment_of(tunnel.since, now))
    address = shown(tunnel.master or "-").replace(", ", "<br>").replace("]:", "]<wbr>:")
    known = "last " if tunnel.master and tunnel.state != UP else ""
    agree = "%d of %d agree" % (tunnel.sentinels_agreeing, card.answering) if card.answering else "none answers"
    full = tunnel.clients >= tunnel.max_connections
    return facts((
        (known + tunnel.wanted, "<b>%s</b>" % address),
        ("since", since),
        ("epoch", "-" if tunnel.epoch is None else str(tunnel.epoch)),
        ("Sentinels", _marked(agree, tunnel.sentinels_agreeing < card.answering or not card.answering)),
        ("clients", _marked("%d of %d" % (tunnel.clients, tunnel.max_connections), full)),
        ("held", _marked("%d" % tunnel.held, tunnel.held > 0)),
    ))


def _marked(text: str, unusual: bool) -> str:
    return '<b class="unusual">%s</b>' % text if unusual else text


def _plots(card: Card) -> str:
    hour = card.hour
    if not hour:
        return '<p class="plots soft">Rates come in a moment.</p>'
    last, opened = hour[-1], [stretch.opened for stretch in hour]
    carried = [stretch.to_master + stretch.to_client for stretch in hour]
    clients = [float(stretch.clients) for stretch in hour]
    on = canvas(hour, card.span)
    figures = (("clients", "%d" % last.clients, "most %d" % max(clients), clients),
               ("new", _rate(last.opened), "most %s" % _rate(max(opened)), opened),
               ("traffic", _speed(carried[-1]), "most %s" % _speed(max(carried)), carried))
    return '<div class="plots">%s</div>' % "".join(
        _FIGURE % (name, now, most, plot("%s: %s now, %s" % (name, now, most), on, values))
        for name, now, most, values in figures)


def _lost(card: Card) -> str:
    """Return in words what is red in the plots."""
    lost = outages(card.hour)
    text = '<p class="lost">%s without a %s in the last hour: red in the plots</p>'
    return text % (seconds_of(lost), card.tunnel.wanted) if lost else ""


def _rate(per_second: float) -> str:
    """Return how many connections there are a second, or a minute when they are few."""
    if per_second >= 10:
        return "%d/s" % per_second
    return "%.1f/s" % per_second if per_second >= 1 else "%.3g/min" % round(per_second * 60, 1)


def _speed(per_second: float) -> str:
    """Return how many bytes there are a second, such as 1.2 MB/s."""
    amount = size(int(per_second))
    return "%s %sB/s" % (amount.rstrip("kMGT"), amount.lstrip("0123456789."))


def _more(card: Card) -> str:
    tunnel = card.tunnel
    verified = "yes" if tunnel.verified else "no: it does not tell its role"
    pairs = (
        ("says that it is the %s" % tunnel.wanted, verified if tunnel.master else "-"),
        ("since the start: switches", str(tunnel.switches)),
        ("connections accepted", str(tunnel.accepted)),
        ("refused", _counts(tunnel.refused)),
        ("closed", _counts(tunnel.closed)),
        ("bytes to the %s" % tunnel.wanted, size(tunnel.bytes_to_master)),
        ("bytes to clients", size(tunnel.bytes_to_client)),
    )
    title = 'More<span class="unseen"> about %s</span>' % shown(tunnel.name)
    return more("more%d" % card.number, title, facts(pairs))


def _counts(counts: t.Mapping[str, int]) -> str:
    return ", ".join("%s %d" % (shown(why), number) for why, number in sorted(counts.items()) if number) or "none"
