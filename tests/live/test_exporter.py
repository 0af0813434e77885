"""redis_exporter through a tunnel, and Prometheus's configuration for both, as docs/clients shows them."""
import os
import shutil
import subprocess
import typing as t
import urllib.error
import urllib.request

import pytest

from tests.live.bed import Bed
from tests.live.node import HOST, free_port
from tests.live.tunnel import Tunnel
from tests.programs import ROOT
from tests.prometheus import Samples, needs_promtool, promtool, values
from tests.waiting import FACTOR, wait_until

NAME = "sessions"
CLIENTS = os.path.join(ROOT, "docs", "clients")
EXPORTER = shutil.which("redis_exporter") or shutil.which("prometheus-redis-exporter")  # its own name, and Debian's


def shown(address: str) -> t.List[str]:
    """Return the options that the page gives the exporter, with another address of the tunnel."""
    with open(os.path.join(CLIENTS, "README.md"), encoding="utf-8") as file:
        line, = [line for line in file if line.startswith("redis_exporter ")]
    return line.partition("#")[0].replace("127.0.0.1:6379", address).split()[1:]


class Exporter:
    """A redis_exporter for one address; a context manager."""

    def __init__(self, address: str, password: str) -> None:
        self._url = "http://%s:%d" % (HOST, free_port())
        self._words = [EXPORTER or "", *shown(address), "-web.listen-address", self._url[7:]]
        self._environ = dict(os.environ, REDIS_PASSWORD=password)

    def __enter__(self) -> "Exporter":
        self._process = subprocess.Popen(self._words, env=self._environ, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._process.kill()
        self._process.wait()

    def scrape(self, path: str = "/metrics") -> Samples:
        """Return its samples; none while it is not there yet."""
        try:
            with urllib.request.urlopen(self._url + path, timeout=60 * FACTOR) as answer:
                return values(answer.read().decode("utf-8"))
        except (urllib.error.URLError, ConnectionError):
            return {}

    def master(self, path: str = "/metrics") -> t.Optional[str]:
        """Return the port of the node that it shows, if that says that it is master."""
        found = [dict(labels) for name, labels in self.scrape(path) if name == "redis_instance_info"]
        return found[0]["tcp_port"] if found and found[0]["role"] == "master" else None


@pytest.mark.skipif(EXPORTER is None, reason="no redis_exporter: it comes with Debian's prometheus-redis-exporter")
def test_the_exporter_shows_the_master(make_bed: t.Callable[..., Bed]) -> None:
    """Through the tunnel the present one, after a failover the next; asked for a Sentinel, that."""
    bed = make_bed(replicas=1, requirepass="secret", sentinel_requirepass="secret")  # it gives all the same one
    old, new = bed.nodes(NAME)
    environ = dict(os.environ, SENTINEL_TUNNEL_SENTINEL_PASSWORD="secret")
    with Tunnel(bed, environ=environ) as tunnel, Exporter(str(tunnel.addresses[NAME]), "secret") as exporter:
        wait_until(exporter.scrape, "the exporter does not answer")
        assert exporter.master() == str(old.port)
        sentinel = exporter.scrape("/scrape?target=redis://" + str(bed.sentinels[0].address))
        assert sentinel[("redis_sentinel_masters", ())] == 1
        assert bed.failover(NAME) is new
        wait_until(lambda: exporter.master() == str(new.port), "the exporter does not show the new master")


@needs_promtool
def test_promtool_reads_the_example() -> None:
    """The jobs are right, and one has the name that the alerts look for."""
    path = os.path.join(CLIENTS, "prometheus.yml")
    code, output = promtool("check", "config", path)
    assert code == 0, output
    with open(path, encoding="ascii") as file:
        assert "- job_name: sentinel-tunnel\n" in file.read()
