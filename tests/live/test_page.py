"""The status page in a real browser: readable, operable by keyboard, safe, and useful without scripts."""
import typing as t

import pytest

from st.web.style import LIGHT
from tests.browser import Browser, needs_browser
from tests.live.opened import LOOK_NOW, NARROW, WIDE, opened
from tests.page_states import DOWN, FAILING, HEALTHY, HOSTILE, LONG, LOST, SPLIT, UP, seen, status
from tests.test_web_page import contrast
from tests.waiting import wait_until

pytestmark = needs_browser

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
