"""The status page as text: what it says of each state, in what order, how long it is, and that nothing breaks out."""
import base64
import hashlib
import html.parser
import re
import typing as t
import urllib.parse
import xml.etree.ElementTree

import pytest

from st.ops.status import NOT_ASKED, Finding
from st.web.page import INDEXED, POLICY, TOLD, Seen, page
from st.web.style import DARK, DRAWN, LIGHT, WRITTEN
from tests.page_states import DOWN, EVIL, FAILING, HEALTHY, HOSTILE, LOST, NOW, OTHER, READER, UP, seen, status
from tests.test_status import SENTINELS

VOID = ("meta", "br", "wbr", "link")
STARTING = UP._replace(state="starting", master=None, epoch=None, since=None, sentinels_agreeing=0)
STARTED = seen(status(STARTING))
UNASKED = SENTINELS[0]._replace(up=False, events=False, latency=None, error=NOT_ASKED)


class Document(html.parser.HTMLParser):
    """Reads a page: its elements and the text that is to be seen; fails when an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: t.List[t.Tuple[str, t.Dict[str, t.Optional[str]]]] = []
        self.texts: t.List[str] = []
        self._open: t.List[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: t.List[t.Tuple[str, t.Optional[str]]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: t.List[t.Tuple[str, t.Optional[str]]]) -> None:
        """Note an element that ends at once, as in SVG."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be this one."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if self._open and self._open[-1] not in ("style", "script") and data.strip():
            self.texts.append(" ".join(data.split()))

    def error(self, message: str) -> None:
        """Fail, as Python before 3.10 wants to be told."""
        raise AssertionError(message)

    def has(self, text: str) -> bool:
        """Tell whether a text stands on the page, whatever elements it is cut into."""
        return text in " ".join(self.texts)

    def classes(self, kind: str) -> t.List[str]:
        """Return the classes of all elements of a kind."""
        return [str(attrs.get("class", "")) for tag, attrs in self.elements if tag == kind]


def read(shown: Seen) -> Document:
    """Return the page of a state, which must be ASCII."""
    text = page(shown, ["/status"])
    assert text.encode("ascii")
    return Document(text)


@pytest.mark.parametrize("shown, level, answer, title", [
    (HEALTHY, "good", "All is well", "ok: 3 of 3 Sentinels answer, 115 clients"),
    (FAILING, "bad", "1 of 2 tunnels without a master",
     "degraded: 2 of 3 Sentinels answer, 45 clients, 12 of them held"),
    (DOWN, "bad", "No tunnel has a master", "down: 0 of 3 Sentinels answer, 18 clients, 18 of them held"),
    (seen(status(READER._replace(state="no_master"), OTHER)), "bad", "1 of 2 tunnels without a replica", "degraded: "),
    (seen(status(READER._replace(state="no_master"), LOST)), "bad", "No tunnel has a master or replica", "down: "),
    (seen(status(STARTING, sentinels=(UNASKED,))), "warn", "Starting", "down: 0 of 1 Sentinels answer"),
    (seen(status(UP, OTHER._replace(sentinels_agreeing=1))), "warn", "Needs a look", "degraded"),
    (seen(status(UP), notices=[Finding("a notice", "")]), "warn", "Needs a look", "ok: "),
    (seen(status()), "bad", "No tunnel", "down: 3 of 3"),
])
def test_the_answer_comes_first(shown: Seen, level: str, answer: str, title: str) -> None:
    """In words, in the title of the tab too, in a colour, and with the numbers that matter."""
    found = read(shown)
    assert found.texts[0] == "%s - sentinel-tunnel on app-7.example" % answer
    assert found.texts[1] == answer and found.texts[2].startswith(title)
    assert found.classes("div")[2:3] == ["banner " + level]


def test_what_to_do_is_told() -> None:
    """Each finding with its next step, the worst in red; a command is told from words. Nothing when all is well."""
    found = read(FAILING)
    assert found.has("What is wrong, and what to do")
    assert found.has("tunnel sessions has no master (12 held): 2 of 3 sentinels answer, failover in progress")
    assert found.has("Do: wait some seconds; if it lasts, look at sentinel-tunnel masters")
    assert found.has("1 of 3 Sentinels down: 10.0.0.12:26379 Do: see that it runs there")
    items = [attrs["class"] for tag, attrs in found.elements if tag == "li" and attrs.get("class")]
    assert items == ["bad", "warn", "warn"] and "<code>sentinel-tunnel masters</code>" in page(FAILING, [])
    assert not read(HEALTHY).has("what to do")


def test_the_cause_comes_first() -> None:
    """Where no Sentinel answers that is told before all the tunnels that have no master for it."""
    found = read(DOWN)
    told = [found.texts.index(text) for text in found.texts if " down: " in text or "has no master (9 held)" in text]
    assert len(told) == 3 and " down: 10.0.0.11:26379" in found.texts[told[0]]


def test_the_tab_shows_the_state() -> None:
    """By an icon in the colour of the banner that is drawn in the page itself, and another for when nothing answers."""
    icons = set()
    for shown, level in ((HEALTHY, "good"), (STARTED, "warn"), (FAILING, "bad")):
        link, = [attrs for tag, attrs in read(shown).elements if tag == "link"]
        kind, _, drawn = urllib.parse.unquote(str(link["href"])).partition(",")
        path, = xml.etree.ElementTree.fromstring(drawn)
        assert kind == "data:image/svg+xml" and path.attrib["fill"] == LIGHT[level + "_back"]
        icons.add(link["href"])
    assert len(icons) == 3 and link["data-lost"] == link["href"]


def test_a_tunnel_with_all_its_numbers() -> None:
    """State, master, epoch, since when, Sentinels, clients, held, rates."""
    found = read(seen(status(UP)))
    text = " ".join(found.texts)
    assert ("sessions up at 127.0.0.1:6379 master 10.0.0.22:6379 since 2h 5m 00:08:14 epoch 7 Sentinels 3 of 3 agree "
            "clients 41 of 480 held 0 clients 41 most ") in text
    assert re.search(r"clients [0-9]+ most [0-9]+ new [0-9.]+/s most [0-9.]+/s traffic [0-9]+ kB/s most", text)
    assert found.has("refused no_master 3") and found.has("closed switch 41")
    assert found.has("connections accepted 51234") and not found.has("in the last hour: red")


def test_a_tunnel_without_a_master() -> None:
    """For how long, why, which was the last one, and how much of the last hour that was."""
    found = read(FAILING)
    assert found.has("Tunnels with clients, new connections and traffic of the last hour")
    assert '<b class="unusual">12</b>' in page(FAILING, []) and "unusual" not in page(HEALTHY, []).partition("<main")[2]
    for wanted in ("no master for 30s", "2 of 3 sentinels answer, failover in progress last master 10.0.0.22:6379",
                   "0 of 2 agree", "held 12", "1m 30s without a master in the last hour: red in the plots"):
        assert found.has(wanted), wanted


def test_a_tunnel_that_serves_without_sentinels() -> None:
    """It is up, but not green: its reason is shown, and that nobody confirms the master."""
    found = read(seen(status(UP._replace(reason="0 of 3 sentinels answer", sentinels_agreeing=0), sentinels=())))
    assert found.has("up, with a problem") and found.has("Sentinels none answers")
    assert found.classes("article") == ["tunnel warn"]


def test_a_tunnel_to_replicas() -> None:
    """All of them, each on a line of its own, and that it leads to them."""
    text = page(seen(status(READER)), [])
    assert "10.0.0.21:6379<br>10.0.0.23:6379" in text and ", master name sessions, to replicas" in text


def test_trouble_stands_first() -> None:
    """Then those with a smaller one, and the others as they are configured."""
    found = read(seen(status(UP, OTHER._replace(sentinels_agreeing=1), READER, LOST._replace(name="z"))))
    assert found.classes("article") == ["tunnel bad", "tunnel warn", "tunnel good", "tunnel good"]


def test_a_tunnel_that_starts() -> None:
    """It is not red: in the first moments nothing is wrong."""
    found = read(seen(status(STARTING, sentinels=(UNASKED,)), hour={}))
    assert found.classes("article") == ["tunnel warn"]
    assert found.has("sessions starting at 127.0.0.1:6379 master - since - epoch -")


def test_sentinels() -> None:
    """Each with its state in words, and whose it is."""
    found = read(seen(status(UP, sentinels=(SENTINELS[0], SENTINELS[1]._replace(seed=False, events=False), UNASKED))))
    assert found.has("10.0.0.11:26379 up yes 0.4") and found.has("10.0.0.12:26379 (named by another) up no 0.4")
    assert found.has("not asked yet no -")


def test_before_the_first_rates() -> None:
    """A page with nothing but zeros would tell a lie."""
    found = read(seen(status(UP), hour={}, switches=()))
    assert found.has("Rates come in a moment") and found.has("No switch in the last 7 days")


def test_nothing_breaks_out() -> None:
    """Names, addresses, errors and the host's name with HTML in them are text, in each place."""
    found, harmless = read(HOSTILE), read(FAILING)
    tags = {tag for tag, _ in found.elements}
    assert tags <= {tag for tag, _ in harmless.elements} and [tag for tag, _ in found.elements].count("script") == 1
    assert not [attrs for _, attrs in found.elements if any(name.startswith("on") or name == "src" for name in attrs)]
    assert "\\n\\x1b]0;" in found.texts[0] and EVIL.split("\n")[0] in found.texts[0]
    assert sum(EVIL.split("\n")[0].rstrip("`") in text for text in found.texts) >= 12


def test_no_script_or_style_but_ours() -> None:
    """The policy knows the two that are there by their sums, and there is no attribute with either."""
    text = page(HEALTHY, [])
    for tag in ("style", "script"):
        inside, = re.findall("<%s>(.*?)</%s>" % (tag, tag), text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert "%s-src 'sha256-%s'" % (tag, digest) in POLICY
    assert not re.search(r"\s(style|on[a-z]+)=", text) and "http://" not in text and "https://" not in text


def test_ids_are_unique() -> None:
    """Or focus and what was opened would go astray with the next refresh."""
    many = status(*[UP._replace(name="t%d" % number) for number in range(INDEXED + 1)])
    ids = [attrs["id"] for _, attrs in read(seen(many)).elements if attrs.get("id")]
    assert len(ids) == len(set(ids)) and {"t0", "to0", "more0", "more0-more"} <= set(ids)
    targets = [str(attrs["href"]) for tag, attrs in read(seen(many)).elements if tag == "a"]
    assert {target[1:] for target in targets if target.startswith("#")} < set(ids)


def test_a_hundred_tunnels() -> None:
    """An index, the first findings at once, and a page of less than half a megabyte."""
    many = status(*[LOST._replace(name="tunnel-%03d" % number, reason="why " * 40) for number in range(100)])
    text = page(seen(many), [])
    assert len(text) < 500000 and text.count("<article") == 100
    at_once, _, behind = text.partition('<details id="rest">')
    assert at_once.count('<p class="step">') == TOLD and behind.count('<p class="step">') == 100 - TOLD
    assert read(seen(many)).has("100 tunnels tunnel-000 no master")


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_contrast(palette: t.Mapping[str, str]) -> None:
    """WCAG AA: 4.5:1 between text and what it stands on, 3:1 between other shapes and theirs."""
    assert set(LIGHT) == set(DARK)
    for pairs, least in ((WRITTEN, 4.5), (DRAWN, 3.0)):
        for front, back in pairs:
            assert contrast(palette[front], palette[back]) >= least, (front, back)


def contrast(one: str, other: str) -> float:
    """Return the ratio of two colours such as #102030, as WCAG 2 defines it."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_computed_right() -> None:
    """Black on white is 21:1; a grey that is known to miss the mark misses it."""
    assert round(contrast("#000000", "#ffffff"), 2) == 21.0 and contrast("#777777", "#ffffff") < 4.5 < contrast(
        "#767676", "#ffffff")


def test_times_of_today_have_no_date() -> None:
    """The others have."""
    found = read(seen(status(UP._replace(since=NOW - 3 * 86400))))
    assert found.has("since 3d Thu 2026-11-19 02:13")
