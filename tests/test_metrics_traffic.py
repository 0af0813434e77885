"""What Prometheus would see over time: traffic, refusals, failovers, Sentinels that come and go."""
import contextlib
import math
import typing as t

from tests.fakes import World
from tests.prometheus import Family, Samples, families
from tests.tunnels import Running, ask, command, running, until_ended, world_settings
from tests.waiting import wait_until
from tests.web import fetch, served, views_of

TUNNEL = ("tunnel", "mymaster")


class Scraper:
    """Scrapes an App as Prometheus does, and checks at each scrape what must always be true."""

    def __init__(self, app: Running, address: t.Tuple[str, int]) -> None:
        self.app = app
        self._address = address
        self._counters: Samples = {}

    def scrape(self) -> t.Dict[str, Family]:
        """Return all families; no counter has fallen or gone since the last scrape, histograms are sound."""
        reply = fetch(self._address, "/metrics")
        assert (reply.code, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        found = families(reply.body)
        counters = {key: value for family in found.values() if family.kind != "gauge"
                    for key, value in family.samples.items()}
        for key, before in self._counters.items():
            assert counters[key] >= before, key
        self._counters = counters
        for name, family in found.items():
            if family.kind == "histogram":
                check_histogram(name, family.samples)
        return found

    def now(self, name: str, **labels: str) -> float:
        """Return the value of one sample of the tunnel, or of the Sentinel in the labels."""
        full = "sentinel_tunnel_" + name
        pairs = tuple(sorted(labels.items())) if "sentinel" in labels else tuple(sorted([TUNNEL, *labels.items()]))
        family = self.scrape()
        return next(each.samples[full, pairs] for each in family.values() if (full, pairs) in each.samples)


def check_histogram(name: str, samples: Samples) -> None:
    """Check that buckets grow with their bounds, and that the last of them has all."""
    for sample, labels in samples:
        if sample == name + "_count":
            buckets = sorted((float(dict(pairs)["le"]), number) for (each, pairs), number in samples.items()
                             if each == name + "_bucket" and set(labels) < set(pairs))
            counts = [number for _, number in buckets]
            assert counts == sorted(counts) and buckets[-1] == (math.inf, samples[sample, labels])


@contextlib.contextmanager
def scraped(world: World, **changes: t.Any) -> t.Iterator[Scraper]:
    """Give a scraper of an App that has found its master."""
    with running(world, **changes) as app, served(views_of(app.app)) as server:
        yield Scraper(app, server.address)


def test_traffic_is_counted(world: World) -> None:
    """Connections, bytes of both directions, connecting and role checks; and the connection's end by its reason."""
    with scraped(world) as seen:
        first = seen.scrape()
        with seen.app.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            assert seen.now("client_connections") == 1 and seen.now("client_connections_held") == 0
            wait_until(lambda: seen.now("transferred_bytes_total", direction="to_client") == 7, "the reply is counted")
            assert seen.now("transferred_bytes_total", direction="to_master") == len(command("PING"))
            assert seen.now("role_checks_total", result="master") == 1
            assert seen.now("master_connect_seconds_count") == 1
        wait_until(lambda: seen.now("client_connections_closed_total", reason="client") == 1, "its end is counted")
        assert seen.now("client_connections_total") == 1 and seen.now("client_connections") == 0
        assert set(seen.scrape()) == set(first)


def test_a_failover_is_counted(world: World) -> None:
    """The switch with its gap, who was cut, and the new address; while clients come and go."""
    with scraped(world, poll=0.1) as seen:
        assert seen.now("failover_gap_seconds_count") == 0
        for number in (1, 2, 3):
            with seen.app.connect() as client:
                assert ask(client, "PING") == b"+PONG\r\n"
                world.switch(world.replicas[number % 2])
                assert until_ended(client) == b""
            seen.app.wait_master(world.master)
            assert seen.now("master_info", address="%s:%d" % world.master.address) == 1
            assert seen.now("switches_total") == seen.now("failover_gap_seconds_count") == number
            wait_until(lambda: seen.now("client_connections_closed_total", reason="switch") == number, "it is counted")
        assert seen.now("failover_gap_seconds_sum") > 0 and seen.now("master_up") == 1


def test_the_time_without_a_master_is_counted(world: World) -> None:
    """It grows while there is none, and no longer."""
    with scraped(world, poll=0.1, hold=0.2) as seen:
        world.master.role = "slave"
        wait_until(lambda: seen.now("master_up") == 0, "the loss is seen")
        before = seen.now("master_unavailable_seconds_total")
        wait_until(lambda: seen.now("master_unavailable_seconds_total") > before, "it grows")
        with seen.app.connect() as client:
            assert b"LOADING" in until_ended(client)
        wait_until(lambda: seen.now("client_connections_refused_total", reason="no_master") == 1, "it is counted")
        world.master.role = "master"
        wait_until(lambda: seen.now("master_up") == 1, "it is back")
        after = seen.now("master_unavailable_seconds_total")
        assert seen.now("master_unavailable_seconds_total") == after


def test_clients_over_the_limit_are_counted(world: World) -> None:
    """And readiness says so at the same time."""
    with scraped(world, max_connections=1) as seen, seen.app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n" and seen.now("client_connections_limit") == 1
        with seen.app.connect() as other:
            assert b"max number of clients" in until_ended(other)
        assert seen.now("client_connections_refused_total", reason="limit") == 1
        reply = fetch(seen._address, "/readiness")
        assert reply.code == 503 and "tunnel mymaster has no room: 1 of 1 clients" in reply.body


def test_room_of_the_whole_process(world: World) -> None:
    """Readiness counts the clients of other tunnels too: they share what the host allows."""
    for sentinel in world.sentinels:
        sentinel.masters["other"] = sentinel.masters["mymaster"]
    with Running(world_settings(world, ["mymaster", "other"]), room=2) as app, served(views_of(app.app)) as server:
        app.wait_master(world.master)
        app.wait_master(world.master, "other")
        with app.connect() as first:
            assert ask(first, "PING") == b"+PONG\r\n" and fetch(server.address, "/readiness").code == 200
            with app.connect("other") as second:
                assert ask(second, "PING") == b"+PONG\r\n"
                assert "whole process" in fetch(server.address, "/readiness?tunnel=mymaster").body
        wait_until(lambda: fetch(server.address, "/readiness").code == 200, "there is room again")


def test_a_sentinel_that_is_down(world: World) -> None:
    """It counts as configured, its questions go on to be counted, the others agree still."""
    lost = "%s:%d" % world.seeds[2]
    with scraped(world, poll=0.1) as seen:
        wait_until(lambda: seen.now("sentinel_queries_total", sentinel=lost, result="ok") > 1, "it is asked")
        world.sentinels[2].stop()
        wait_until(lambda: seen.now("sentinel_up", sentinel=lost) == 0, "it is down")
        wait_until(lambda: seen.now("sentinel_queries_total", sentinel=lost, result="timeout") > 1, "it is asked still")
        assert seen.now("sentinel_events_connected", sentinel=lost) == 0
        found = seen.scrape()["sentinel_tunnel_sentinels_configured"].samples
        assert list(found.values()) == [3]
        wait_until(lambda: seen.now("sentinels_agreeing") == 2, "two are left")
