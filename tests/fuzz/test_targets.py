"""Each target of the fuzzer with a few hundred inputs; scripts/fuzz gives them millions."""
import hypothesis
import pytest
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

EXAMPLES = 200


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_input_has_another_outcome_than_those_we_know(name: str) -> None:
    """Texts that mean something to it, bytes that mean nothing, in any order: no exception but ours."""
    target = TARGETS[name]
    pieces = st.lists(st.sampled_from(target.parts) | st.binary(max_size=20), max_size=20)

    @hypothesis.settings(max_examples=EXAMPLES, deadline=None)
    @hypothesis.given(pieces.map(b"".join))
    def check(data: bytes) -> None:
        target.call(data)

    check()
