"""A Secret hides its text everywhere but in reveal()."""
import traceback

from st.secret import Secret


def test_only_reveal_shows_the_text() -> None:
    """repr, str and formatting print stars; reveal() gives the password."""
    secret = Secret("hunter2")
    assert [repr(secret), str(secret), "%s %r" % (secret, [secret])] == ["***", "***", "*** [***]"]
    assert secret.reveal() == "hunter2"


def test_secrets_are_equal_by_their_text() -> None:
    """Two secrets with one text are equal and hash alike; a plain text equals none."""
    assert Secret("a") == Secret("a") and hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_traceback_with_its_variables_does_not_print_it() -> None:
    """The frames of a traceback show the variables by their repr, which holds no password."""
    secret = Secret("hunter2")
    try:
        raise ValueError(secret)
    except ValueError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        assert "hunter2" not in "".join(lines)
