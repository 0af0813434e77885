"""The files of a whole deployment: Redis, Sentinel and systemd for each server, the tunnel for the applications."""
import ipaddress
import typing as t

from st.errors import SentinelTunnelError
from st.printed.redis_files import CRON, MASTER_ROLE, REDIS, REPLICA_ROLE, SENTINEL, TUNNEL, UNIT

NAME = "mymaster"
FEWEST = 3
APPLICATION = "application"  # the directory of what goes to the hosts of applications

Files = t.Dict[str, str]  # texts by their paths below one directory


class DeploymentError(SentinelTunnelError):
    """These hosts make no deployment, or its files cannot be written."""


def deployment_files(hosts: t.Sequence[str], password: str) -> Files:
    """Return the files for servers with these addresses, the first being the master; raise DeploymentError."""
    _check_hosts(hosts)
    files = {}
    for host in hosts:
        files.update({"%s/%s" % (host, name): text for name, text in _server_files(host, hosts, password).items()})
    sentinels = ", ".join("[%s]" % host if ":" in host else host for host in hosts)
    files.update({
        APPLICATION + "/sentinel-tunnel.ini": TUNNEL % {"sentinels": sentinels, "name": NAME},
        APPLICATION + "/sentinel-tunnel.pass": password + "\n",
        APPLICATION + "/crontab": CRON % {"name": NAME},
    })
    return files


def _server_files(host: str, hosts: t.Sequence[str], password: str) -> Files:
    master = hosts[0]
    fields = {"host": host, "password": password, "name": NAME, "master": master, "quorum": len(hosts) // 2 + 1,
              "replicaof": MASTER_ROLE if host == master else REPLICA_ROLE % master}
    return {
        "redis.conf": REDIS % fields,
        "sentinel.conf": SENTINEL % fields,
        "redis-server.service": UNIT % {
            "what": "Redis", "unit": "redis-server", "program": "redis-server /etc/redis/redis.conf", "stop": "600"},
        "redis-sentinel.service": UNIT % {
            "what": "Redis Sentinel", "unit": "redis-sentinel", "program": "redis-sentinel /etc/redis/sentinel.conf",
            "stop": "30"},
    }


def _check_hosts(hosts: t.Sequence[str]) -> None:
    for host in hosts:
        _check_host(host)
    twice = sorted({host for host in hosts if hosts.count(host) > 1})
    if twice:
        raise DeploymentError("%s is given twice: each server runs one Sentinel" % ", ".join(twice))
    if len(hosts) < FEWEST or len(hosts) % 2 == 0:
        raise DeploymentError(
            "%d addresses: a failover needs the votes of most Sentinels, and %s: give the addresses of three servers,"
            " or of five" % (len(hosts), "with two none may be missing" if len(hosts) < FEWEST else
                             "an even number stands the loss of no more than one less"))


def _check_host(host: str) -> None:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError as error:
        raise DeploymentError("%s is not an IP address: Redis and Sentinel before 6.2 take no names, and name each"
                              " other by address" % ascii(host)) from error
    if ip.is_unspecified or ip.is_multicast:
        raise DeploymentError("%s is no address of a server: give the one by which others reach it" % host)
