"""The status page in a real browser, as time goes by: refreshed in place, and honest when it cannot be."""
import typing as t

from st.deadline import Deadline
from st.web import WebServer
from tests.browser import Browser, needs_browser
from tests.live.bed import Bed
from tests.live.node import free_port
from tests.live.opened import LOOK_NOW, NARROW, WIDE, opened
from tests.live.tunnel import Tunnel
from tests.page_states import DOWN, HEALTHY, status
from tests.waiting import FACTOR, wait_until
from tests.web import served, views

pytestmark = needs_browser

TAB_SHOWS = "return [document.title, document.getElementById('icon').href]"


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
