"""docs/doctor.md, made from the table of checks and the kinds of their findings."""
import re
import typing as t

from st.doctor import examine
from st.doctor.examine import CHECKS, Check
from st.doctor.finding import Kind

HEAD = """\
# Doctor

Made from the code by `python -m tests.made_files`; edit `st/doctor/`.

`sentinel-tunnel doctor [NAME]` looks at every Sentinel, at Redis and at this host, and tells what is
wrong: what was seen, what it means, how it is mended. It changes nothing. Without NAME it looks at the
masters of the configuration, or at all that the Sentinels monitor. What may be of the moment (a link
that is lost, Sentinels that disagree, or call a master down that answers) it looks at again 12 s later.
A host that does not answer costs 2 s, all of it 20 s at most. What it could not look at stands under
`not checked`, with the reason; much is seen without a Redis password, more with it (`redis_password_file`).

| option | does |
|---|---|
| `--json` | one line, see below |
| `--nagios` | one line with performance data; exit code 0 well, 1 warnings, 2 problems, 3 could not look |
| `--strict` | warnings too make the exit code 1 |
| `--write-test` | lets each Sentinel write its sentinel.conf (`SENTINEL FLUSHCONFIG`), for D10 |

The JSON has `version`, `exit_code`, `seconds`, `sentinels`, `names`, `problems`, `warnings`, `notes`, `findings`
(each with `id`, `severity`, `about`, `title`, `seen`, `means`, `fix`), `unchecked` (`id`, `about`, `why`), and `ok`
(ids).

Exit codes: 0 no problem, 1 problems, 2 wrong usage, 77 no permission, 78 configuration wrong. Notes never
count.

Nagios and NRPE give a plugin 10 s: with `--nagios` all takes 8 s at most, and the second look comes after 6 s
or less. Sentinels hear from Redis each 10 s, so a link that has just come up may be told as lost: let Nagios
check again before it calls anybody (`max_check_attempts 2` or more).
"""


def doctor_page() -> str:
    """Return the page: each check with its findings."""
    return HEAD + "".join(map(_section, CHECKS))


def kinds() -> t.List[Kind]:
    """Return every kind of finding that there is, as the modules define them."""
    modules = [module for module in vars(examine).values() if getattr(module, "__name__", "").startswith("st.doctor.f")]
    found = [value for module in modules for value in vars(module).values()]
    found += [value for each in list(found) if isinstance(each, dict) for value in each.values()]
    return list(dict.fromkeys(each for each in found if isinstance(each, Kind)))


def _section(check: Check) -> str:
    lines = ["", "## %s %s" % (check.id, check.title), "", "Needs: %s." % check.needs, ""]
    for kind in kinds():
        if kind.id == check.id:
            lines += ["**%s**: %s" % (kind.severity, _words(kind.title)), "- means: %s" % _words(kind.means),
                      "- fix: %s" % _words(kind.fix), ""]
    return "\n".join(lines[:-1]) + "\n"


def _words(text: str) -> str:
    """Return a text with its gaps named, and nothing in it that is taken for a tag."""
    return re.sub(r"<([^>]*)>", r"\\<\1>", re.sub(r"\{(\w+)\}", lambda match: match.group(1).upper(), text))
