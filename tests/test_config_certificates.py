"""Files of TLS in a configuration: each that is of no use is told by `check`, by its own name."""
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from st.errors import ConfigError
from tests.certificates import Authority, Pair, stored
from tests.configs import HEAD, loaded, problems, settings
from tests.programs import ROOT, own_places
from tests.test_config_load import _without_rights
from tests.tls_ends import authority, usual_pair
from tests.waiting import FACTOR

TUNNEL = "[tunnel:sessions]\nport = 6379\n"


@pytest.fixture
def files(tmp_path: pathlib.Path) -> t.Dict[str, str]:
    """Paths by what is in the files."""
    pair, locked = usual_pair(), authority().issue(password=b"secret")
    broken = pair.cert.replace(b"MII", b"***")
    content = {"ca": (authority().cert,), "pair": pair, "cert": (pair.cert,), "key": (pair.key,), "empty": (),
               "other key": (Authority().issue().key,), "locked key": (locked.key,), "locked cert": (locked.cert,),
               "broken": (broken,), "words": (b"hello\n",)}  # type: t.Dict[str, t.Sequence[bytes]]
    paths = {name: stored(tmp_path, name.replace(" ", "-"), *parts) for name, parts in content.items()}
    return dict(paths, missing=str(tmp_path / "missing"), directory=str(tmp_path))


def _lines(files: t.Mapping[str, str], **names: str) -> str:
    return "".join("%s = %s\n" % (key, files.get(name, name)) for key, name in names.items())


@pytest.mark.parametrize("own", [{"tls_cert": "pair"}, {"tls_cert": "cert", "tls_key": "key"}, {}])
def test_files_that_fit(files: t.Dict[str, str], own: t.Dict[str, str]) -> None:
    """A certificate with its key in one file or in two, or none of ours: no problem, for each leg."""
    for prefix, head in (("", TUNNEL + "tls = yes\n"), ("sentinel_", "sentinel_tls = yes\n")):
        lines = _lines(files, **{prefix + key: name for key, name in dict(own, tls_ca="ca").items()})
        assert not problems(HEAD + head + lines + (TUNNEL if prefix else ""))
    listening = _lines(files, **{"listen_" + key: name for key, name in own.items()})
    assert not problems(HEAD + TUNNEL + listening)


WRONG = [("pair", "missing", "missing: cannot be read: No such file or directory"),
         ("missing", "", "missing: cannot be read: No such file or directory"),
         ("directory", "", "cannot be read: Is a directory"),
         ("empty", "", "empty: has no certificate in PEM form"),
         ("words", "", "words: has no certificate in PEM form"),
         ("cert", "", "cert: has no private key in PEM form"),
         ("cert", "cert", "cert: has no private key in PEM form"),
         ("cert", "empty", "empty: has no private key in PEM form"),
         ("cert", "other key", "other-key: the key does not belong to the certificate in "),
         ("locked cert", "locked key", "locked-key: its key is encrypted: store it without a password"),
         ("broken", "key", "broken: cannot be used with its key: it is damaged")]


@pytest.mark.parametrize("cert, key, words", WRONG)
def test_a_certificate_of_no_use(files: t.Dict[str, str], cert: str, key: str, words: str) -> None:
    """One problem, with the setting, the file at fault and the reason, whichever leg it is for."""
    for before, prefix, where in (("[tunnel:sessions]\nport = 1\ntls = yes\n", "tls_", "tunnel sessions: tls"),
                                  (TUNNEL, "listen_tls_", "tunnel sessions: listen_tls_cert"),
                                  ("sentinel_tls = yes\n", "sentinel_tls_", "sentinel_tls")):
        names = dict({prefix + "cert": cert}, **({prefix + "key": key} if key else {}))
        told = problems(HEAD + before + _lines(files, **names) + (TUNNEL if "sentinel" in prefix else ""))
        assert len(told) == 1 and told[0].startswith(where + ": ") and words in told[0], told


@pytest.mark.parametrize("name, words", [
    ("missing", "missing: cannot be read: No such file or directory"), ("directory", "cannot be read: Is a directory"),
    ("empty", "empty: has no certificate in PEM form"), ("key", "key: has no certificate in PEM form"),
    ("broken", "broken: cannot be used as authorities: it is damaged")])
def test_authorities_of_no_use(files: t.Dict[str, str], name: str, words: str) -> None:
    """The same for the file of those to trust, also where nothing is checked by it."""
    for verify in ("yes", "ca", "no"):
        told = problems(HEAD + TUNNEL + "tls = yes\n" + _lines(files, tls_ca=name) + "tls_verify = %s\n" % verify)
        assert len(told) == 1 and words in told[0], told


def test_a_file_that_may_not_be_read(files: t.Dict[str, str]) -> None:
    """A missing permission has an exit code of its own, 77: the cause goes with the problem."""
    os.chmod(files["pair"], 0)
    with _without_rights(), pytest.raises(ConfigError, match="pair: cannot be read: Permission denied") as caught:
        loaded(HEAD + TUNNEL + _lines(files, listen_tls_cert="pair"))
    assert isinstance(caught.value.__cause__, PermissionError)


def test_settings_that_exclude_each_other(files: t.Dict[str, str]) -> None:
    """The client's TLS ends at one place, and a key belongs to a certificate."""
    both = problems(HEAD + TUNNEL + "tls = passthrough\n" + _lines(files, listen_tls_cert="pair"))
    assert len(both) == 1 and "exclude each other" in both[0]
    for before, name, after in ((TUNNEL, "listen_tls_", ""), (TUNNEL + "tls = yes\n", "tls_", ""),
                                ("sentinel_tls = yes\n", "sentinel_tls_", TUNNEL)):
        told = problems(HEAD + before + _lines(files, **{name + "key": "key"}) + after)
        assert len(told) == 1 and "%skey needs %scert" % (name, name) in told[0], told


def test_files_that_nobody_uses_are_a_warning(files: t.Dict[str, str]) -> None:
    """sentinel_tls is forgotten easily."""
    warnings = loaded(HEAD + _lines(files, sentinel_tls_ca="ca") + TUNNEL).warnings
    assert len(warnings) == 1 and warnings[0].startswith("sentinel_tls: is no")


def test_a_renewed_file_is_another_configuration(files: t.Dict[str, str]) -> None:
    """Under the same name: a reload must see it. The same content again is no change."""
    text = HEAD + TUNNEL + "tls = yes\n" + _lines(files, tls_ca="ca", listen_tls_cert="pair")
    before = settings(text)
    assert settings(text) == before and settings(HEAD + TUNNEL).certificates == ""
    for name, content in (("ca", (Authority().cert,)), ("pair", authority().issue())):
        pathlib.Path(files[name]).write_bytes(b"".join(t.cast(Pair, content)))
        after = settings(text)
        assert after.certificates != before.certificates
        assert after._replace(certificates="") == before._replace(certificates="")
        before = after


def _checked(tmp_path: pathlib.Path, lines: str) -> "subprocess.CompletedProcess[str]":
    path = stored(tmp_path, "st.ini", (HEAD + TUNNEL + lines).encode())
    environ = dict(os.environ, PYTHONPATH=ROOT, **own_places(str(tmp_path)))
    return subprocess.run([sys.executable, "-m", "st", "check", "-c", path], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=60 * FACTOR, env=environ)


@pytest.mark.parametrize("cert, key, words", WRONG)
def test_check_says_so(files: t.Dict[str, str], tmp_path: pathlib.Path, cert: str, key: str, words: str) -> None:
    """Exit 78 and words on every Python, no traceback and no question on the terminal."""
    names = dict(listen_tls_cert=cert, **({"listen_tls_key": key} if key else {}))
    done = _checked(tmp_path, _lines(files, **names))
    assert done.returncode == 78 and words in done.stderr and "Traceback" not in done.stderr, done.stderr
