"""The table of checks, the texts of their findings, and docs/doctor.md, which is made from both."""
import re
import string
import typing as t

import pytest

from st.doctor.examine import CHECKS
from st.doctor.finding import SEVERITIES, Kind
from tests.made_doctor import doctor_page, kinds

KINDS = kinds()


def test_ids_are_stable() -> None:
    """D01 to D20, in order: others count on them."""
    assert [check.id for check in CHECKS] == ["D%02d" % number for number in range(1, 21)]


def test_each_check_has_findings_on_the_page() -> None:
    """Each finding that the code has stands below the title of its check, with what it means and the fix."""
    sections = re.split(r"^## ", doctor_page(), flags=re.MULTILINE)[1:]
    assert [section[:3] for section in sections] == [check.id for check in CHECKS]
    assert len(KINDS) > 50
    for section in sections:
        expected = [kind for kind in KINDS if kind.id == section[:3]]
        assert expected and section.count("\n- means: ") == section.count("\n- fix: ") == len(expected)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "%s %s" % (kind.id, kind.title))
def test_texts_of_a_finding(kind: Kind) -> None:
    """Plain ASCII, with no gap but {words}, and none left empty."""
    for text in (kind.title, kind.means, kind.fix):
        assert re.match(r"[ -~]+\Z", text)
        assert all(name is None or name.isidentifier() for _, name, _, _ in string.Formatter().parse(text))
    assert kind.severity in SEVERITIES and kind.id in {check.id for check in CHECKS}


def test_a_gap_is_filled_with_the_word_itself() -> None:
    """Braces in what comes from outside are no gaps."""
    kind = Kind("D99", "note", "{node} is odd", "{node}", "SET {about}")
    found: t.Any = kind.found("{a}", "{seen}", node="{b.__class__}")
    assert found == ("D99", "note", "{a}", "{b.__class__} is odd", "{seen}", "{b.__class__}", "SET {a}")
