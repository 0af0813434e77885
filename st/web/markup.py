"""Small pieces of HTML. Whatever comes from outside gets in through `shown`."""
import html
import re
import time
import typing as t
import urllib.parse

from st.ops.tables import duration
from st.plain import plain
from st.web.style import LIGHT

GOOD = "good"
WARN = "warn"
BAD = "bad"

# Each level has a shape of its own too: not everybody sees red and green.
_SHAPES = {
    GOOD: "M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14zM4 8l3 3 5-6",
    WARN: "M8 1L15.5 14.5H.5zM8 6V10M8 11.5V13",
    BAD: "M5 1H11L15 5V11L11 15H5L1 11V5zM5.3 5.3L10.7 10.7M10.7 5.3L5.3 10.7",
}
_TAB_ICON = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="%s" d="%s" stroke="#fff" '
             'stroke-width="1.8" stroke-linejoin="round"/></svg>')


def shown(text: str) -> str:
    """Return text from outside as one line of ASCII that HTML takes for nothing but text."""
    return html.escape(plain(text))


def sentence(text: str) -> str:
    """Return a text of ours, in which what comes from outside is plain already; in backticks stands a command."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def seconds_of(seconds: float) -> str:
    """Return a length of time; a short one with its tenths."""
    return "%.1f s" % seconds if seconds < 60 else duration(seconds)


def moment_of(at: float, now: float) -> str:
    """Return a local time; one of today without its date."""
    then, today = time.localtime(at), time.localtime(now)
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%a %Y-%m-%d %H:%M", then)


def icon(level: str) -> str:
    """Return the sign of a level; a word stands beside it, so it says nothing by itself."""
    return '<svg class="icon %s" viewBox="0 0 16 16" aria-hidden="true"><path d="%s"/></svg>' % (level, _SHAPES[level])


def tab_icon(level: str) -> str:
    """Return the address of the sign for the tab of the browser, which is in it: nothing is to be loaded."""
    drawn = _TAB_ICON % (LIGHT[level + "_back"], _SHAPES[level])
    return "data:image/svg+xml," + urllib.parse.quote(drawn)


def facts(pairs: t.Iterable[t.Tuple[str, str]]) -> str:
    """Return names and values, the latter as HTML, as a list."""
    rows = "".join("<div><dt>%s</dt><dd>%s</dd></div>" % pair for pair in pairs)
    return '<dl class="facts">%s</dl>' % rows


def more(number: str, title: str, content: str) -> str:
    """Return what opens at a click or a key; `number` lets the script find it again in the next page."""
    return '<details id="%s"><summary id="%s-more">%s</summary>%s</details>' % (number, number, title, content)
