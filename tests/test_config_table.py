"""The table of settings, the values and conf/ tell the same."""
import configparser
import os
import re

from st.config import Settings, TunnelSettings, load
from st.config.kinds import show
from st.config.table import PROCESS, SECRETS, SETTINGS, TUNNEL, default

CONF = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "conf")
FULL = os.path.join(CONF, "sentinel-tunnel.ini")


def _names(scope: str) -> set:  # type: ignore[type-arg]
    ways = [name + way for name in SECRETS for way in ("_file", "_env")]
    return {name for name, row in SETTINGS.items() if row.scope == scope and name not in ways}


def test_each_setting_has_its_value() -> None:
    """Every row of the table is a field of the settings, and the other way round."""
    assert _names(PROCESS) == set(Settings._fields) - {"tunnels", "certificates"}
    assert _names(TUNNEL) == set(TunnelSettings._fields) - {"name"}


def test_each_default_is_of_its_kind() -> None:
    """Defaults are texts that their own kind accepts and shows again."""
    for name, row in SETTINGS.items():
        if row.default is not None:
            assert show(default(name)) == row.default
    assert default("sentinels") is None


def test_each_help_is_one_short_line_of_ascii() -> None:
    """Help fits a terminal."""
    for row in SETTINGS.values():
        assert re.match(r"[ -~]{3,80}\Z", row.help), row.name


def test_the_full_file_shows_every_setting_with_its_default() -> None:
    """conf/sentinel-tunnel.ini has a line for each setting, commented out where it shows the default."""
    with open(FULL, encoding="ascii") as file:
        text = file.read()
    for name, row in SETTINGS.items():
        line = re.search(r"^(# )?%s =(.*)$" % name, text, re.MULTILINE)
        assert line, name
        if row.default and line.group(1):
            assert line.group(2).strip() == row.default


def test_the_full_file_loads_with_every_comment_taken_away() -> None:
    """Each commented line of conf/sentinel-tunnel.ini is a setting that may stand there."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    with open(FULL, encoding="ascii") as file:
        parser.read_string(re.sub(r"(?m)^# (\w+ =)", r"\1", file.read()))
    assert set(parser["sentinel-tunnel"]) | {"port", "master"} == set(SETTINGS)


def test_the_files_of_conf_are_right() -> None:
    """Every configuration in conf/ loads without a warning."""
    for name in [name for name in os.listdir(CONF) if name.endswith(".ini")] + ["original.json"]:
        loaded = load(os.path.join(CONF, name), {}, {})
        assert loaded.settings.tunnels and not loaded.warnings, name
