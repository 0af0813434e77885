"""The whole program in one process, on fakes: starting, following, stopping, telling its state."""
import contextlib
import os
import socket
import threading
import typing as t

import pytest
import redis

from st.app import App
from st.deadline import Deadline
from st.errors import ListenError
from tests.fakes import FakeRedis, Monitored, World, read_all
from tests.tunnels import ROOM, Running, ask, command, running, until_ended, world_settings
from tests.waiting import FACTOR, wait_until

MakeRedis = t.Callable[..., FakeRedis]


def test_a_client_library_works_through_it(world: World, redis_client: t.Callable[..., redis.Redis]) -> None:
    """Ask the Sentinels, listen, connect: redis-py on the tunnel sets a value on the master."""
    with running(world) as app:
        client = redis_client(app.address())
        assert client.set("k", "v") and world.master.values == {b"k": b"v"}
        client.connection_pool.disconnect()


def test_a_failover_ends_old_connections_and_new_ones_reach_the_new_master(world: World) -> None:
    """The promise of the program, from the event to the next connection."""
    with running(world) as app, app.connect() as before:
        assert ask(before, "PING") == b"+PONG\r\n"
        old, new = world.master, world.replicas[0]
        world.switch(new)
        assert until_ended(before) == b""
        with app.connect() as after:
            assert ask(after, "SET", "k", "v") == b"+OK\r\n"
        assert new.values == {b"k": b"v"} and not old.values
        wait_until(lambda: app.tunnel().closed.get("switch") == 1, "it is counted")
        assert app.tunnel().switches == 1 and app.tunnel().epoch == 1


def test_only_the_switched_tunnel_is_touched(world: World, fake_redis: MakeRedis) -> None:
    """Two masters behind the same Sentinels: the clients of the other go on."""
    other = fake_redis()
    for sentinel in world.sentinels:
        sentinel.masters["other"] = Monitored(other.address, 5)
    with running(world, "mymaster", "other") as app, app.connect() as first, app.connect("other") as second:
        assert [ask(client, "PING") for client in (first, second)] == [b"+PONG\r\n"] * 2
        world.switch(world.replicas[0])
        assert until_ended(first) == b""
        assert ask(second, "PING") == b"+PONG\r\n"
        assert app.tunnel("other").switches == 0 and app.tunnel("other").clients == 1


def test_no_tunnel_leads_to_a_tunnel_of_this_process(world: World) -> None:
    """Sentinels that name our own address would make each connection open another, until nothing is left."""
    with running(world, "mymaster", poll=0.1) as app:
        before = app.tunnel().accepted
        for sentinel in world.sentinels:
            sentinel.masters["mymaster"] = Monitored(app.address(), 5)
        wait_until(lambda: "it would lead to itself" in app.tunnel().reason, "the reason is told")
        assert (app.tunnel().accepted, app.tunnel().switches) == (before, 0)
        with app.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"  # the last master is kept


def test_a_master_that_was_demoted_by_hand_is_left(world: World) -> None:
    """Its open connections end, and new clients are told why they wait in vain, while the Sentinels name it still."""
    with running(world, poll=0.1, hold=0.5) as app, app.connect() as before:
        assert ask(before, "PING") == b"+PONG\r\n"
        world.master.role = "slave"
        assert until_ended(before) == b""
        wait_until(lambda: app.tunnel().closed.get("switch") == 1, "it is counted")
        asked = world.master.accepted
        with app.connect() as after:
            assert b"says that it is a replica, not master" in read_all(after)
        assert world.master.accepted == asked  # it is known already: nobody dials it again
        world.master.role = "master"
        wait_until(lambda: app.tunnel().state == "up", "it is used again")


def test_a_dead_master_is_told_once(world: World) -> None:
    """The connection and the watcher meet the same refusal: the client's line names it one time."""
    with running(world, poll=0.1, hold=0.5) as app:
        dead = "%s:%d: Connection refused" % world.master.address
        world.master.close()
        wait_until(lambda: dead in app.tunnel().reason, "the watcher has noticed")
        with app.connect() as client:
            said = "-LOADING sentinel-tunnel: no master for 'mymaster' (3 of 3 sentinels answer, %s). Retry.\r\n" % dead
            assert read_all(client) == said.encode()


def test_a_name_of_any_characters(world: World) -> None:
    """A master's name is asked for as it stands: no format, no words, no protocol is looked for in it."""
    name = "a b %s\u00fc $3 *1"
    for sentinel in world.sentinels:
        sentinel.masters[name] = Monitored(world.master.address, 0)
    with Running(world_settings(world, [name])) as app:
        app.wait_master(world.master, name)
        with app.connect(name) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
    asked = [words[2] for words in world.sentinels[0].commands if words[:2] == [b"SENTINEL", b"MASTER"]]
    assert set(asked) == {name.encode("utf-8")}


def test_the_status_tells_all_of_it(world: World) -> None:
    """Every field of the schema has its value from where it happens."""
    with running(world, max_connections=7) as app, app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        wait_until(lambda: app.app.status().state == "ok", "all is well")
        tunnel, status = app.tunnel(), app.app.status()
        assert tunnel.listen == "127.0.0.1:%d" % app.address()[1] and tunnel.master == "%s:%d" % world.master.address
        assert (tunnel.epoch, tunnel.verified, tunnel.sentinels_agreeing, tunnel.max_connections) == (0, True, 3, 7)
        assert (tunnel.clients, tunnel.held, tunnel.accepted, tunnel.switches, tunnel.reason) == (1, 0, 1, 0, "")
        wait_until(lambda: (app.tunnel().bytes_to_master, app.tunnel().bytes_to_client) == (len(command("PING")), 7),
                   "all bytes are counted")
        assert status.pid == os.getpid() and [each.address for each in status.sentinels] == [
            "%s:%d" % seed for seed in world.seeds]
        wait_until(lambda: all(each.events for each in app.app.status().sentinels), "events are heard of all")
        assert all(each.up and each.seed and each.latency for each in app.app.status().sentinels)


def test_a_held_client_is_seen_in_the_status(world: World) -> None:
    """While there is no master: clients that wait, the reason, and no master in the state."""
    for node in world.nodes:
        node.role = "slave"
    with Running(world_settings(world, hold=3600)) as app, app.connect():
        wait_until(lambda: app.tunnel().held == 1, "it waits")
        wait_until(lambda: app.tunnel().state == "no_master", "there is no master")
        assert "says that it is a replica, not master" in app.tunnel().reason


def test_a_busy_address_names_its_holder_and_leaves_nothing(world: World) -> None:
    """The first tunnel's listener, open already, is closed again; no thread has been started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        made = world_settings(world, ["mymaster", "other"])
        first, second = made.tunnels
        app = App(made._replace(tunnels=(first, second._replace(port=taken.getsockname()[1]))), ROOM)
        with pytest.raises(ListenError) as caught:
            app.start()
        said = str(caught.value)
        assert said.startswith("127.0.0.1:%d: cannot listen: Address already in use: held by " % taken.getsockname()[1])
        assert "pid %d" % os.getpid() in said


def test_stop_twice_and_from_any_thread(world: World) -> None:
    """The second does nothing, also while the first is at work."""
    with running(world) as app, app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        threads = [threading.Thread(target=app.app.stop, args=(0,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert until_ended(client) == b""
        for thread in threads:
            thread.join(20 * FACTOR)
        app.app.stop(0)


def test_the_status_can_be_asked_to_the_end(world: World) -> None:
    """While it drains and after it stopped: whoever watches must not fail over it."""
    with running(world) as app:
        before = app.tunnel().listen
        app.app.stop(0)
        assert app.tunnel().listen == before and app.app.status().tunnels[0].clients == 0


def test_stopping_blames_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A round of questions that the stop cuts short says nothing about those who had not answered yet."""
    for sentinel in world.sentinels:
        sentinel.delays["SENTINEL"] = 3600
    with Running(world_settings(world, sentinel_timeout=3600)) as app:
        wait_until(lambda: all(sentinel.commands for sentinel in world.sentinels),
                   "a round is under way")
        app.app.stop(0)
    assert not [record.getMessage() for record in caplog.records if record.levelname != "INFO"]


def test_stopping_what_was_never_started(world: World) -> None:
    """Nothing to do."""
    App(world_settings(world), ROOM).stop(0)


def test_draining_waits_for_a_reply_but_not_for_the_idle(world: World) -> None:
    """An idle connection is cut at once; one that has asked gets its reply, then it is cut."""
    world.master.replies["GET"] = lambda connection, words: None
    with running(world) as app, app.connect() as idle, app.connect() as busy, app.connect() as other:
        assert [ask(client, "PING") for client in (idle, busy)] == [b"+PONG\r\n"] * 2
        busy.sendall(command("GET", "k"))
        wait_until(lambda: world.master.count("GET"), "the master works")
        stopping = threading.Thread(target=app.app.stop, args=(3600,))
        stopping.start()
        assert until_ended(idle) == b"" and until_ended(other) == b""
        assert stopping.is_alive() and len(world.master.open) >= 1
        for connection in world.master.open:
            if [b"GET", b"k"] in connection.commands:
                connection.send(b"$5\r\nreply\r\n")
        assert read_all(busy) == b"$5\r\nreply\r\n"
        stopping.join(20 * FACTOR)
        assert not stopping.is_alive()


def test_a_drain_ends_with_its_time(world: World) -> None:
    """The reply does not come: the connection is cut, and stopping returns."""
    world.master.replies["GET"] = lambda connection, words: None
    with running(world) as app, app.connect() as busy:
        busy.sendall(command("GET", "k"))
        wait_until(lambda: world.master.count("GET"), "the master works")
        app.app.stop(0.3)
        assert until_ended(busy) == b""


def test_waiting_for_masters(world: World) -> None:
    """Those that come late are named, with the reason."""
    for sentinel in world.sentinels:
        sentinel.masters["late"] = Monitored(("127.0.0.1", 1), 0)
    with Running(world_settings(world, ["mymaster", "late"], sentinel_timeout=5)) as app:
        app.wait_master(world.master)
        wait_until(lambda: app.tunnel("late").reason, "the reason is known")
        late = app.app.wait_master(Deadline(0.2))
        assert len(late) == 1 and late[0].startswith("late: 3 of 3 sentinels answer, 127.0.0.1:1: Connection refused")
        assert app.app.wait_master(Deadline(0)) == late


def test_clients_that_wait_are_served_when_the_master_appears(world: World) -> None:
    """Started before there is any Sentinel: a client that came first is carried as soon as it can be."""
    for sentinel in world.sentinels:
        sentinel.stop()
    with Running(world_settings(world, hold=3600, poll=0.1)) as app, app.connect() as client:
        client.sendall(command("PING"))
        wait_until(lambda: app.tunnel().held == 1, "it waits")
        for sentinel in world.sentinels:
            sentinel.start()
        assert client.recv(100) == b"+PONG\r\n"


def test_ten_failovers_in_a_row_with_sentinels_that_come_and_go(world: World) -> None:
    """Each is followed (what jedis#459 and sentinel_tunnel#7 did not)."""
    with running(world, poll=0.1) as app:
        for number in range(10):
            world.sentinels[number % 3].stop()
            world.switch(world.replicas[number % 2])
            app.wait_master(world.master)
            with app.connect() as client:
                assert ask(client, "SET", "n", str(number)) == b"+OK\r\n"
            assert world.master.values[b"n"] == b"%d" % number
            world.sentinels[number % 3].start()


def test_the_watcher_outlives_hundreds_of_clients_at_once(world: World) -> None:
    """All connections of a tunnel are cut by one switch, and all come back to the new master."""
    with running(world) as app, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(app.connect()) for _ in range(100)]
        assert {ask(client, "PING") for client in clients} == {b"+PONG\r\n"}
        world.switch(world.replicas[0])
        assert {until_ended(client) for client in clients} == {b""}
        again = [stack.enter_context(app.connect()) for _ in range(100)]
        assert {ask(client, "SET", "k", "v") for client in again} == {b"+OK\r\n"}
        assert all(sentinel.accepted <= 10 for sentinel in world.sentinels)  # they never see our clients
