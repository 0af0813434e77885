"""The arrows of the house: which part of st/ may import which. A wrong arrow fails here, not in a review."""
import ast
import pathlib
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

BASE = {"address", "config", "deadline", "errors", "event", "forks", "nat", "plain", "secret", "switch", "tally", "tls",
        "unix"}

# Who may import whom, beside itself and BASE; "sentinel.masters" is that one module.
ALLOWED = {
    "__main__": {"cli"},
    "__init__": {"embed"},
    "embed": {"app", "host", "ops", "sentinel", "tunnel"},
    "testing": set(),
    "cli": {"process", "app", "control", "doctor", "drill", "host", "log", "ops", "printed", "tunnel", "sentinel"},
    "process": {"app", "host", "log", "ops", "control", "web", "sentinel.roster"},
    "control": {"host", "ops"},
    "web": {"host", "log", "ops"},
    "drill": {"app", "log", "ops", "sentinel", "wire"},
    "app": {"host", "ops", "tunnel", "sentinel", "wire", "workers"},
    "doctor": {"host", "ops", "sentinel", "wire"},
    "ops": {"host", "log"},
    "log": {"host"},
    "host": set(),
    "printed": set(),
    "tunnel": {"sentinel.masters", "wire"},
    "sentinel": {"wire"},
    "wire": set(),
    "workers": {"host", "ops", "tunnel.convoy", "tunnel.relay", "tunnel.turns"},
}  # type: t.Dict[str, t.Set[str]]

# Packages from outside, and the only part or module of ours that imports each; asyncio has none.
OWNERS = {"click": "cli", "hiredis": "wire.resp", "pytest": "testing.plugin", "asyncio": ""}


class Import(t.NamedTuple):
    """One imported name, in full, and whether the import stands inside a function."""

    line: int
    name: str
    inside: bool


def imports_of(module: str, is_package: bool, source: str) -> t.List[Import]:
    """Return what `source`, the text of `module`, imports; relative imports resolved."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, is_package, node)
            names = ["%s.%s" % (origin, alias.name) for alias in node.names]
        else:
            continue
        found += [Import(node.lineno, name, id(node) in inside) for name in names]
    return found


def _origin(module: str, is_package: bool, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parents = module.split(".") + (["__init__"] if is_package else [])
    return ".".join(parents[: -node.level] + ([node.module] if node.module else []))


def problems(module: str, source: str, is_package: bool = False) -> t.List[str]:
    """Return what is wrong with the imports in `source`, the text of `module` (st.part.noun)."""
    part = (module.split(".") + ["__init__"])[1]
    if part not in BASE and part not in ALLOWED:
        return ["%s: st.%s has no place in the house yet: give it one in tests/test_imports.py" % (module, part)]
    found = []
    for item in imports_of(module, is_package, source):
        if item.inside:
            found.append("%s:%d: import of %s inside a function" % (module, item.line, item.name))
        if not _is_allowed(module, part, item.name):
            found.append("%s:%d: may not import %s" % (module, item.line, item.name))
    return found


def _is_allowed(module: str, part: str, name: str) -> bool:
    top, _, below = name.partition(".")
    if top in OWNERS:
        return _is_within(module, "st." + OWNERS[top])
    if top != "st" or below == "__version__":
        return True
    allowed = BASE | ALLOWED.get(part, set()) | {part}
    return any(_is_within(below, one) for one in allowed)


def _is_within(name: str, whole: str) -> bool:
    return (name + ".").startswith(whole + ".")


def _modules() -> t.List[t.Tuple[str, pathlib.Path]]:
    paths = sorted((ROOT / "st").rglob("*.py"))
    return [(".".join(path.relative_to(ROOT).with_suffix("").parts), path) for path in paths]


def test_no_arrow_turns_round() -> None:
    """Every import of every module of st/ goes down, and none stands inside a function."""
    found = []
    for module, path in _modules():
        name = module[: -len(".__init__")] if module.endswith(".__init__") else module
        found += problems(name, path.read_text(encoding="utf-8"), is_package=name != module)
    assert found == []


@pytest.mark.parametrize(
    "module, source",
    [
        ("st.sentinel.watcher", "from st.tunnel.server import Server"),
        ("st.sentinel.watcher", "from st.log.logs import configure"),
        ("st.sentinel.watcher", "from .. import tunnel"),
        ("st.tunnel.server", "from st.sentinel.client import ask"),
        ("st.tunnel.server", "from st.sentinel import client"),
        ("st.tunnel.server", "import st.sentinel.client"),
        ("st.tunnel.server", "from st.sentinel import mastersandmore"),
        ("st.tunnel.server", "from st.ops import status"),
        ("st.ops.status", "import st.app"),
        ("st.ops.status", "from st import sentinel"),
        ("st.ops.status", "from st.tunnel.server import Server"),
        ("st.ops.status", "from ..tunnel import server"),
        ("st.app", "from st.cli.main import main"),
        ("st.doctor.look", "from st import app"),
        ("st.app", "from st.embed import Tunnels"),
        ("st.app", "from st.testing import FakeDeployment"),
        ("st.testing.plugin", "from st.embed import Tunnels"),
        ("st.testing", "import pytest"),
        ("st.address", "from st.log.lines import text_line"),
        ("st.address", "from st.wire.dial import Endpoint"),
        ("st.config.table", "from st.app import App"),
        ("st.wire.dial", "from st.sentinel.client import ask"),
        ("st.ops.status", "from st import Tunnels"),
        ("st.app", "import click"),
        ("st.tunnel.relay", "import hiredis"),
        ("st.wire.dial", "from hiredis import Reader"),
        ("st.wire.respite", "import hiredis"),
        ("st.tunnel.relay", "import asyncio"),
        ("st.cli.main", "from asyncio import run"),
        ("st.app", "if True:\n    import st.cli.main"),
        ("st.app", "def f():\n    import os"),
        ("st.app", "class A:\n    def f(self):\n        if self:\n            from os import path"),
        ("st.app", "async def f():\n    import os"),
        ("st.helpers", "import os"),
    ],
)
def test_a_wrong_arrow_is_found(module: str, source: str) -> None:
    """Each import against the rules is one problem."""
    assert len(problems(module, source)) == 1, problems(module, source)


@pytest.mark.parametrize(
    "module, source",
    [
        ("st", "from st.embed import Tunnels"),
        ("st.__main__", "from st.cli.main import main"),
        ("st.cli.main", "import click\nfrom st import app, __version__"),
        ("st.app", "from st.sentinel.watcher import Watcher\nfrom st.ops import logs\nfrom .tunnel import server"),
        ("st.tunnel.server", "from st.sentinel import masters\nfrom st.sentinel.masters import Masters"),
        ("st.tunnel.server", "import st.sentinel.masters\nfrom .relay import carry\nfrom ..wire import role"),
        ("st.wire.resp", "import hiredis"),
        ("st.config.table", "from st.nat import NatMap\nfrom . import values"),
        ("st.log.logs", "import logging.handlers\nfrom st.event import Event"),
    ],
)
def test_a_right_arrow_passes(module: str, source: str) -> None:
    """Imports that go down are no problem."""
    assert problems(module, source) == []


def test_relative_imports_of_a_package_count_from_itself() -> None:
    """One dot in an __init__.py is the package, in a module the package round it."""
    assert imports_of("st.tunnel", True, "from .. import sentinel")[0].name == "st.sentinel"
    assert imports_of("st.tunnel.server", False, "from . import relay")[0].name == "st.tunnel.relay"
