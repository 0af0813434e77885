"""The systemd unit, for systemd 219 and up."""
import math
import re
import typing as t

STATE_DIRECTORY = 235  # the systemd that knows StateDirectory=
_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")
STOP_SLACK = 15.0  # seconds beyond `drain` until all threads have ended, at the most

# The systemd that knows a line; those before would log "Unknown lvalue" and go on.
_NEWER = (
    (227, "TasksMax=infinity"),
    (231, "RestrictRealtime=yes"),
    (232, "ProtectControlGroups=yes"),
    (232, "ProtectKernelModules=yes"),
    (232, "ProtectKernelTunables=yes"),
    (233, "RestrictNamespaces=yes"),
    (235, "LockPersonality=yes"),
    (242, "ProtectHostname=yes"),
    (242, "RestrictSUIDSGID=yes"),
    (244, "ProtectKernelLogs=yes"),
)

_TEMPLATE = """\
# systemd unit of sentinel-tunnel, made by `sentinel-tunnel print unit`. As root:
#   sentinel-tunnel print unit >/etc/systemd/system/sentinel-tunnel.service
%(steps)s#   systemctl daemon-reload
#   systemctl enable --now sentinel-tunnel
# The user must be able to read the configuration and the password files that it
# names%(log)s. What it logs to standard error is in `journalctl -u sentinel-tunnel`.

[Unit]
Description=sentinel-tunnel: local ports to the Redis masters that Sentinel names
Wants=network-online.target
After=network-online.target

[Service]
# Ready once the ports are listened on, whether or not there is a master yet.
Type=notify
ExecStart=%(command)s run -c %(config)s
ExecReload=%(reload)s
User=%(user)s
Restart=always
# Slower than the 5 starts in 10 seconds at which systemd would give up for good.
RestartSec=3
# Wrong usage, runs already, no permission, wrong configuration: another try is no use.
RestartPreventExitStatus=2 75 77 78
# The process shows every half of this time that its threads go round.
WatchdogSec=60
# Longer than `drain` in the configuration, which is what connections may take to end.
TimeoutStopSec=%(stop)d
# Two descriptors and a thread for each client.
LimitNOFILE=65536
# The control socket and the lock; kept, for there may be a second instance.
RuntimeDirectory=sentinel-tunnel
%(preserve)s# The history of switches.
%(state)s
%(unpacks)s# A command of on_failover runs with all of this, too.
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
ProtectSystem=full
ProtectHome=%(home)s
PrivateTmp=%(tmp)s
PrivateDevices=yes
%(newer)s
[Install]
WantedBy=multi-user.target
"""

_UNPACKS = """\
# The one file unpacks itself when it is started for the first time.
Environment=SHIV_ROOT=/var/lib/sentinel-tunnel

"""

_NO_STATE_DIRECTORY = """\
# This systemd cannot make the directory for it. Once, as root:
#   install -d -o %s -m 0750 /var/lib/sentinel-tunnel
"""


class Service(t.NamedTuple):
    """What the unit depends on; paths are absolute, `drain` is seconds."""

    command: t.Tuple[str, ...]
    config: str
    user: str
    has_user: bool
    systemd: int
    drain: float
    control: bool  # there is a control socket to reload by
    log_file: t.Optional[str]
    reads: t.Tuple[str, ...]  # further paths that it needs; no links
    writes: t.Tuple[str, ...]
    bundle: bool = False  # the command is one file, made by scripts/bundle


def unit(service: Service) -> str:
    """Return the unit of a service."""
    words = [systemd_word(word) for word in service.command]
    config, user = systemd_word(service.config), service.user
    known = [line for since, line in _NEWER if since <= service.systemd]
    keeps = service.systemd >= STATE_DIRECTORY
    return _TEMPLATE % {
        "steps": "" if service.has_user else "#   useradd --system --shell /usr/sbin/nologin %s\n" % user,
        "log": ", and write %s" % service.log_file if service.log_file else "",
        "command": " ".join(words), "config": config, "user": user,
        "reload": "%s reload -c %s" % (" ".join(words), config) if service.control else "/bin/kill -HUP $MAINPID",
        "stop": max(30, math.ceil(service.drain + STOP_SLACK)),
        "preserve": "RuntimeDirectoryPreserve=yes\n" if keeps else "",
        "state": "StateDirectory=sentinel-tunnel\n" if keeps else _NO_STATE_DIRECTORY % user,
        "unpacks": _UNPACKS if service.bundle else "",
        "home": _protect_home(service), "tmp": "no" if _any_below(_TEMPORARY, _all_paths(service)) else "yes",
        "newer": "".join(line + "\n" for line in known),
    }


def systemd_word(word: str) -> str:
    """Return a word as a command line in a unit wants it: quoted where need be, without specifiers or variables."""
    plain = word.replace("%", "%%").replace("$", "$$")
    if re.match(r"[A-Za-z0-9_@%$+=:,./-]+\Z", plain):
        return plain
    return '"%s"' % plain.replace("\\", "\\\\").replace('"', '\\"')


def _protect_home(service: Service) -> str:
    if _any_below(_HOMES, service.writes):
        return "no"
    return "read-only" if _any_below(_HOMES, _all_paths(service)) else "yes"


def _all_paths(service: Service) -> t.List[str]:
    return [*service.command, service.config, *service.reads, *service.writes]


def _any_below(directories: t.Sequence[str], paths: t.Iterable[str]) -> bool:
    return any(path.startswith(directory + "/") for path in paths for directory in directories)
