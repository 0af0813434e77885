"""The status page in a real browser: refreshed in place, readable, operable by keyboard, and useful without scripts."""
import contextlib
import typing as t

import pytest

from st.deadline import Deadline
from st.web import Views, WebServer
from st.web.page import Seen
from st.web.style import LIGHT
from tests.browser import Browser, browser, needs_browser
from tests.live.bed import Bed
from tests.live.node import free_port
from tests.live.tunnel import Tunnel
from tests.page_states import DOWN, FAILING, HEALTHY, HOSTILE, LONG, LOST, SPLIT, UP, seen, status
from tests.test_web_page import contrast
from tests.waiting import FACTOR, wait_until
from tests.web import measures, served, views

pytestmark = needs_browser

WIDE, NARROW = 1280, 360  # pixels
TAB, ENTER = "\ue004", "\ue007"  # as the protocol has them

# Every element with text of its own: its words, its colour, and that of the first thing behind it that has one.
COLOURS = """
var found = [], all = document.querySelectorAll("#page *, footer *"), i, element, behind, own;
for (i = 0; i < all.length; i += 1) {
  element = all[i];
  own = Array.prototype.some.call(element.childNodes, function (node) {
    return node.nodeType === 3 && node.textContent.trim(); });
  if (!own || element.getClientRects().length === 0 || element.closest("svg, .unseen")) { continue; }
  for (behind = element; getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)";) {
    behind = behind.parentElement; }
  found.push([element.textContent.trim(), getComputedStyle(element).color,
    getComputedStyle(behind).backgroundColor]);
}
return found;
"""
OVERFLOW = """
var width = document.documentElement.clientWidth;
return Array.prototype.filter.call(document.querySelectorAll("body *"), function (element) {
  return !element.closest("svg, .unseen") && element.getBoundingClientRect().right > width + 1;
}).map(function (element) { return element.tagName + ": " + element.textContent.slice(0, 60); });
"""
FOCUS = """
var element = document.activeElement, style = getComputedStyle(element);
return [element.id || element.getAttribute("href"), style.outlineStyle !== "none" && parseFloat(style.outlineWidth)];
"""
TAB_SHOWS = "return [document.title, document.getElementById('icon').href]"
LOOK_NOW = "document.dispatchEvent(new Event('visibilitychange'))"  # what makes the page ask without waiting


@pytest.fixture(scope="module")
def chromium() -> t.Iterator[Browser]:
    """Give a browser; the tests of this file share it."""
    with browser() as made:
        yield made


class Shown:
    """A web server whose status the test changes while it runs."""

    def __init__(self, first: Seen) -> None:
        self.now = first

    def views(self) -> Views:
        """Return views of what is to be shown now."""
        return views(status=lambda: self.now.status, measures=lambda: measures(self.now.status),
                     switches=lambda: self.now.switches)


@contextlib.contextmanager
def opened(chromium: Browser, first: Seen, width: int = WIDE, dark: bool = False) -> t.Iterator[Shown]:
    """Give what a page shows that the browser has loaded."""
    shown = Shown(first)
    with served(shown.views()) as server:
        chromium.look(width, dark)
        chromium.go("http://%s/" % (server.address,))
        try:
            yield shown
        finally:
            chromium.go("about:blank")  # it would go on asking


def test_a_real_failover_is_seen(chromium: Browser) -> None:
    """The page, loaded once, tells that the master is gone, and then of the new one and the switch, all by itself."""
    http = free_port()
    with Bed() as bed, Tunnel(bed, "--http", str(http)):
        chromium.look(WIDE, dark=False)
        chromium.go("http://127.0.0.1:%d/" % http)
        chromium.run("window.loaded = 'once'")
        old = bed.master("sessions")
        assert chromium.text("h1") == "All is well" and chromium.text(".facts b") == str(old.address)
        assert "No switch in the last 7 days" in chromium.text("#page")
        old.kill()
        address, _ = bed.wait_master("sessions", old.address)
        wait_until(lambda: chromium.text(".facts b") == str(address), "the page shows the new master", 60)
        wait_until(lambda: "%s \u2192 %s" % (old.address, address) in chromium.text(".switches"), "and the switch", 60)
        asked = chromium.run("return performance.getEntriesByType('resource').length")
        wait_until(lambda: chromium.run("return performance.getEntriesByType('resource').length") > asked, "it goes on")
        assert chromium.run("return window.loaded") == "once" and chromium.complaints() == []
        chromium.go("about:blank")


def test_a_refresh_keeps_what_the_reader_does(chromium: Browser) -> None:
    """Scroll position, focus and what was opened; the title and the reader's voice tell that the answer changed."""
    with opened(chromium, HEALTHY, NARROW) as shown:
        chromium.click("#more1-more")
        chromium.run("window.scrollTo(0, 900); document.getElementById('more0-more').focus({preventScroll: true})")
        before = chromium.run("return window.pageYOffset")
        shown.now = HEALTHY._replace(status=status(*[each._replace(state="no_master", reason="gone")
                                                     for each in HEALTHY.status.tunnels]))
        chromium.run(LOOK_NOW)
        wait_until(lambda: "No tunnel has a" in chromium.text("h1"), "the page is refreshed")
        assert before == 900 == chromium.run("return window.pageYOffset")
        assert chromium.run("return [document.activeElement.id, document.getElementById('more1').open, "
                            "document.getElementById('more0').open]") == ["more0-more", True, False]
        title = chromium.run("return document.title")
        assert title.startswith("No tunnel has a") and chromium.run(
            "return document.getElementById('said').textContent") == title


def test_nothing_moves_under_a_selection_or_a_pause(chromium: Browser) -> None:
    """Who is about to copy an address, or has asked for quiet, keeps what is there; then it goes on."""
    with opened(chromium, HEALTHY) as shown:
        press = "document.getElementById('pause').click()"
        for stop, said, go_on in (("getSelection().selectAllChildren(document.querySelector('h3'))",
                                   "Waits while text is selected", "getSelection().removeAllRanges()"),
                                  (press, "Paused at ", press)):
            chromium.run(stop)
            shown.now = DOWN
            answered = chromium.run("return performance.getEntriesByType('resource').length")
            chromium.run(LOOK_NOW)
            wait_until(lambda: chromium.run("return performance.getEntriesByType('resource').length") > answered,
                       "the page has asked")
            wait_until(lambda: said in chromium.text("#how"), "the page says why it stands still")
            assert chromium.text("h1") == "All is well"
            chromium.run(go_on)
            chromium.run(LOOK_NOW)
            wait_until(lambda: chromium.text("h1") == "No tunnel has a master", "the page is refreshed")
            shown.now = HEALTHY
            chromium.run(LOOK_NOW)
            wait_until(lambda: chromium.text("h1") == "All is well", "the page is refreshed")


def test_a_process_that_is_gone(chromium: Browser) -> None:
    """The page, its title and its icon say that it is old: what stands still must not look healthy. It recovers."""
    with served(views()) as server:
        chromium.look(WIDE, dark=False)
        chromium.go("http://%s/" % (server.address,))
        before = chromium.run(TAB_SHOWS)
        assert chromium.text("#alarm") == "" and before[0].startswith("All is well - ")
        server.stop(Deadline(20 * FACTOR))
        chromium.run(LOOK_NOW)
        wait_until(lambda: "No answer since" in chromium.text("#alarm"), "the page says that it is old")
        assert "for less than a minute: what is shown here is old" in chromium.text("#alarm")
        title, icon = chromium.run(TAB_SHOWS)
        assert title.startswith("No answer since ") and title.endswith(before[0][len("All is well"):])
        assert icon != before[1] and chromium.run("return document.getElementById('page').className") == "old"
        again = WebServer(server.address, views())
        again.start()
        try:
            chromium.run(LOOK_NOW)
            wait_until(lambda: chromium.text("#alarm") == "", "the page is new again")
            assert chromium.run(TAB_SHOWS) == before
            assert chromium.run("return document.getElementById('page').className") == ""
            chromium.go("about:blank")
        finally:
            again.stop(Deadline(20 * FACTOR))
    chromium.complaints()  # of the answers that did not come


def test_an_error_instead_of_the_page(chromium: Browser, expect_error: t.Callable[[str], None]) -> None:
    """It is old then as well, and what came instead is told; paused, too, the title tells what is true."""
    expect_error("ZeroDivisionError")
    broken: t.List[str] = []
    with served(views(switches=lambda: [] if not broken else 1 // 0)) as server:
        chromium.look(WIDE, dark=False)
        chromium.go("http://%s/" % (server.address,))
        chromium.click("#pause")
        broken.append("from here on")
        chromium.run(LOOK_NOW)
        wait_until(lambda: "An error instead of an answer (HTTP 500) since" in chromium.text("#alarm"), "it is told")
        assert chromium.run("return document.title").startswith("No answer since ")
        del broken[:]
        chromium.run(LOOK_NOW)
        wait_until(lambda: chromium.run("return document.title").startswith("All is well"), "the title is true again")
        chromium.go("about:blank")
    chromium.complaints()


def test_a_page_that_is_left_open_does_not_grow(chromium: Browser) -> None:
    """What was exchanged is given back: as many nodes after many refreshes as after a few."""
    with opened(chromium, HEALTHY):
        def refresh(times: int) -> int:
            for _ in range(times):
                chromium.run("window.old = document.getElementById('page')")
                chromium.run(LOOK_NOW)
                wait_until(lambda: chromium.run("return document.getElementById('page') !== window.old"), "refreshed")
            chromium.run("window.old = null")
            chromium.tell("HeapProfiler.collectGarbage")
            found = chromium.tell("Performance.getMetrics")["metrics"]
            return int(next(each["value"] for each in found if each["name"] == "Nodes"))

        chromium.tell("Performance.enable")
        few = refresh(3)
        assert refresh(30) < 2 * few


def test_without_scripts(chromium: Browser) -> None:
    """All of it is there, what reloads it is in force, and no button is shown that could do nothing."""
    chromium.tell("Emulation.setScriptExecutionDisabled", value=True)
    try:
        with opened(chromium, FAILING):
            markup = chromium.tell("DOM.getDocument", depth=-1)["root"]
            names = list(_names(markup))
            assert ("NOSCRIPT", "META") in names  # an element, and no text: so it is obeyed
            assert chromium.text("h1") == "1 of 2 tunnels without a master"
            assert "itself again every 10 s" in chromium.text("#how")
            assert chromium.run("return document.getElementById('pause').offsetHeight") == 0
    finally:
        chromium.tell("Emulation.setScriptExecutionDisabled", value=False)


def _names(node: t.Mapping[str, t.Any]) -> t.Iterator[t.Tuple[str, str]]:
    """Give each element's name, after that of what it is in."""
    for child in node.get("children", ()):
        yield node["nodeName"], child["nodeName"]
        yield from _names(child)


def test_names_from_outside_run_nothing(chromium: Browser) -> None:
    """They are shown as they are; and a script that got in all the same would not be run."""
    with opened(chromium, HOSTILE):
        assert "<script>window.evil=1</script>" in chromium.text("h3")
        assert chromium.run("return [window.evil, document.images.length, document.scripts.length]") == [None, 0, 1]
        assert chromium.complaints() == []
        chromium.run("var added = document.createElement('script'); added.textContent = 'window.evil = 1';"
                     "document.body.appendChild(added);"
                     "document.body.insertAdjacentHTML('beforeend', '<img src=/status onerror=window.evil=1>')")
        assert chromium.run("return window.evil") is None
        assert "Content Security Policy" in " ".join(chromium.complaints())


def test_nothing_is_loaded_from_elsewhere(chromium: Browser) -> None:
    """One document; when it refreshes itself it asks for that again."""
    with opened(chromium, HEALTHY):
        chromium.run(LOOK_NOW)
        wait_until(lambda: chromium.run("return performance.getEntriesByType('resource').length"), "it has asked")
        assert chromium.run("return performance.getEntriesByType('resource').map(function (entry) { "
                            "return entry.name === location.href })") == [True]


def test_by_keyboard(chromium: Browser) -> None:
    """Everything that can be operated is reached in order, shows that it is, and obeys."""
    with opened(chromium, HEALTHY):
        reached = []
        for _ in range(9):
            chromium.press(TAB)
            name, outline = chromium.run(FOCUS)
            assert outline >= 2, name
            reached.append(name)
        assert reached == ["more0-more", "more1-more", "more2-more", "pause", "/startup", "/liveness", "/readiness",
                           "/status", "/metrics"]
        for selector, condition in (("#more2-more", "document.getElementById('more2').open"),
                                    ("#pause", "document.getElementById('how').textContent.indexOf('Paused') === 0")):
            chromium.run("document.querySelector(arguments[0]).focus()", selector)
            chromium.press(ENTER)
            assert chromium.run("return " + condition)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read(chromium: Browser, width: int, dark: bool) -> None:
    """WCAG AA for each text as the browser draws it, light and dark, and nothing beyond the edge of a phone."""
    long = UP._replace(name="x" * 60, listen="[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:6379", since=1.0,
                       master="[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:6379", clients=10 ** 9, accepted=10 ** 15,
                       max_connections=10 ** 9)
    for shown in (HEALTHY, FAILING, DOWN, HOSTILE, LONG, SPLIT, seen(status(long, LOST))):
        with opened(chromium, shown, width, dark):
            chromium.run("document.querySelectorAll('details').forEach(function (each) { each.open = true; })")
            drawn = chromium.run(COLOURS)
            assert len(drawn) > 30 and chromium.run(OVERFLOW) == []
            for text, front, back in drawn:
                assert contrast(_hex(front), _hex(back)) >= 4.5, (text, front, back)
            backs = {_hex(back) for _, _, back in drawn}
            assert ("#1a1e23" in backs) == dark and ("#ffffff" in backs) != dark


def test_on_paper(chromium: Browser) -> None:
    """Dark on white, whatever the palette on the screen, as backgrounds are not printed; nothing that one clicks."""
    with opened(chromium, FAILING, dark=True):
        chromium.tell("Emulation.setEmulatedMedia", media="print", features=[
            {"name": "prefers-color-scheme", "value": "dark"}])
        try:
            front, back, text, button = chromium.run(
                "var style = function (selector) { return getComputedStyle(document.querySelector(selector)); };"
                "return [style('h1').color, style('.banner').backgroundColor, style('body').color,"
                " style('#pause').display];")
            assert _hex(front) == _hex(text) == LIGHT["text"] and (back, button) == ("rgba(0, 0, 0, 0)", "none")
        finally:
            chromium.tell("Emulation.setEmulatedMedia", media="")


def _hex(colour: str) -> str:
    """Return rgb(16, 32, 48) as #102030."""
    assert colour.startswith("rgb("), colour
    return "#" + "".join("%02x" % int(part) for part in colour[4:-1].split(","))
