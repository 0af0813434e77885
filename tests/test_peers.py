"""What is known to go wrong in other tunnels between Redis clients and Sentinel; none of it may happen here.

The rows R1-R14 are those of RedisLabs/sentinel_tunnel, whose configuration this program takes over, U1-U5 those of a
rewrite of it (USA-RedDragon); the rest is of other forks and of the redis-sentinel-proxy family. Each docstring says
what happened there; the test shows what happens here.
"""
import contextlib
import logging
import pathlib
import signal
import socket
import threading
import typing as t

import pytest

from st.secret import Secret
from tests.conftest import open_descriptors
from tests.fakes import Error, FakeRedis, FakeSentinel, Monitored, World, read_all, refused_address, silent_listener
from tests.live.node import free_port
from tests.programs import Program
from tests.tunnels import Running, ask, be_busy, command, running, silent_for, until_ended, world_settings
from tests.waiting import FACTOR, wait_until

MakeRedis = t.Callable[..., FakeRedis]
MakeSentinel = t.Callable[..., FakeSentinel]
LONG = 3600.0  # seconds: a gate, not a wait


def served(app: Running, name: str = "mymaster") -> bool:
    """Tell whether a new client of a tunnel gets a reply."""
    with app.connect(name) as client, contextlib.suppress(ConnectionError):
        return ask(client, "PING") == b"+PONG\r\n"
    return False


def second_master(world: World, node: FakeRedis) -> None:
    """Let the Sentinels of a world monitor another master as well, called `other`."""
    for sentinel in world.sentinels:
        sentinel.masters["other"] = Monitored(node.address, 0)


# RedisLabs/sentinel_tunnel


def test_r1_a_sentinel_connection_that_breaks_loses_no_answer(world: World, fake_redis: MakeRedis) -> None:
    """R1: there the waiting client hung for ever, and the next answer went to it: db1's client on db2's master."""
    other = fake_redis()
    second_master(world, other)
    with running(world, "mymaster", "other", poll=0.1) as app:
        app.wait_master(other, "other")
        for number in range(20):
            world.sentinels[number % 3].drop_all(reset=bool(number % 2))
            for name, node in (("mymaster", world.master), ("other", other)):
                with app.connect(name) as client:
                    assert ask(client, "SET", name, str(number)) == b"+OK\r\n"
                assert node.values == {name.encode(): b"%d" % number}


def test_r2_an_unknown_name_stops_no_other_tunnel(world: World) -> None:
    """R2: there a nil reply, then a failed reconnect, blocked every database until a restart."""
    with running(world, "mymaster", "unknown", poll=0.1, hold=0) as app:
        wait_until(lambda: "none of them monitors this name" in app.tunnel("unknown").reason, "the reason is told")
        for sentinel in world.sentinels[1:]:
            sentinel.stop()
        for _ in range(3):
            with app.connect("unknown") as client:
                assert read_all(client).startswith(b"-LOADING")
            assert served(app)
        for sentinel in world.sentinels:
            sentinel.start()
            sentinel.masters["unknown"] = Monitored(world.master.address, 0)
        wait_until(lambda: served(app, "unknown"), "a name that becomes known is served")


def test_r3_all_sentinels_gone_harm_nothing(world: World) -> None:
    """R3: there the next client after an outage of all Sentinels ended the process (nil pointer)."""
    with running(world, poll=0.1) as app, app.connect() as before:
        assert ask(before, "PING") == b"+PONG\r\n"
        for sentinel in world.sentinels:
            sentinel.stop()
        wait_until(lambda: not any(each.up for each in app.app.status().sentinels), "the outage is seen")
        assert ask(before, "PING") == b"+PONG\r\n" and served(app)  # the last known master, after its ROLE
        world.switch(world.replicas[0])
        for sentinel in world.sentinels:
            sentinel.start()
        app.wait_master(world.master)
        assert until_ended(before) == b"" and served(app)


@pytest.mark.parametrize("reply", [
    b"*0\r\n", b"*-2\r\n", b"*1\r\n$1\r\nx\r\n", b"*x\r\n", b"*99999999\r\n", b"$-7\r\n", b"*2\r\n:1\r\n:2\r\n",
    b"\x00\xff", b"*2\r\n$4\r\nhost\r\n$5\r\nport!\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_r4_u4_a_malformed_reply_counts_as_none(world: World, reply: bytes) -> None:
    """R4, U4: there an empty or negative array ended the process (index out of range)."""
    bad = world.sentinels[0]
    bad.replies["SENTINEL GET-MASTER-ADDR-BY-NAME"] = reply
    with running(world, poll=0.1) as app:
        asked = bad.count("SENTINEL GET-MASTER-ADDR-BY-NAME")
        wait_until(lambda: bad.count("SENTINEL GET-MASTER-ADDR-BY-NAME") > asked + 2, "it is asked again and again")
        world.switch(world.replicas[0])
        app.wait_master(world.master)
        assert served(app)


def test_r5_a_silent_sentinel_blocks_nobody(world: World, fake_redis: MakeRedis) -> None:
    """R5: there a Sentinel that takes connections and never answers blocked all new clients of all databases."""
    other = fake_redis()
    second_master(world, other)
    world.sentinels[0].fault = "silence"
    with running(world, "mymaster", "other") as app:
        app.wait_master(other, "other")
        assert served(app) and served(app, "other")
        world.switch(world.replicas[0])
        app.wait_master(world.master)
        assert served(app) and served(app, "other")


def test_r6_the_next_sentinel_is_asked_when_the_first_knows_nothing(world: World) -> None:
    """R6: there a nil reply of the first led back to the first, as long as it took connections."""
    for sentinel in world.sentinels[:2]:
        del sentinel.masters["mymaster"]
    with running(world) as app:
        assert served(app)


def test_r7_a_dead_host_does_not_hold_a_client_for_minutes(world: World) -> None:
    """R7: there the dial to Redis had no limit of its own: two minutes of the kernel's."""
    with silent_listener() as dead:
        for sentinel in world.sentinels:
            sentinel.masters["mymaster"] = Monitored(dead, 1)
        with Running(world_settings(world, connect_timeout=0.2, hold=0.5)) as app, app.connect() as client:
            assert read_all(client).startswith(b"-LOADING")


def test_r8_a_half_closed_client_gets_its_reply(world: World) -> None:
    """R8: there the first end of file closed both sides: `printf 'PING\\r\\n' | nc -N` printed nothing."""
    world.master.delays["PING"] = LONG
    with running(world) as app, app.connect() as client:
        client.sendall(b"PING\r\n")
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: world.master.count("PING"), "the master has it")
        assert silent_for(client, 0.1)
        world.master.delays.clear()
        assert read_all(client) == b"+PONG\r\n"


def test_r9_running_out_of_descriptors_is_no_end(world: World, tmp_path: pathlib.Path) -> None:
    """R9: there an error of accept() ended the process."""
    port = free_port()
    words = ["run", "mymaster=%d" % port, "-s", "%s:%d" % world.seeds[0]]
    few = ["/bin/sh", "-c", 'ulimit -n 70; exec "$@"', "sh"]
    with Program(tmp_path, *words, before=few) as program, contextlib.ExitStack() as stack:
        program.wait_ready()
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20 * FACTOR)) for _ in range(150)]
        for client in clients:
            client.close()

        def is_served() -> bool:
            with socket.create_connection(("127.0.0.1", port), 20 * FACTOR) as client:
                with contextlib.suppress(ConnectionError):
                    return ask(client, "PING") == b"+PONG\r\n"
            return False

        wait_until(is_served, "clients are served again")
        assert program.end() == 0


def test_r10_it_listens_on_loopback_alone(world: World) -> None:
    """R10: there every interface was listened on: whoever reached the host reached Redis."""
    with running(world) as app:
        assert app.tunnel().listen.startswith("127.0.0.1:")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", app.address()[1]), 20 * FACTOR)


def test_r11_a_port_in_use_is_told_before_anything_serves(world: World, tmp_path: pathlib.Path) -> None:
    """R11: there the process ended in the middle of its work, with a log line at most.

    Here it fails as well, for a tunnel that is silently missing would be found at night: but at the start, with a
    sentence that names the holder, exit code 1, and before any other tunnel has taken a client.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        busy, free = taken.getsockname()[1], free_port()
        words = ["run", "mymaster=%d" % free, "other=%d" % busy, "-s", "%s:%d" % world.seeds[0]]
        with Program(tmp_path, *words) as program:
            assert program.code() == 1
            assert "127.0.0.1:%d: cannot listen: Address already in use: held by" % busy in program.log
        assert not world.master.accepted


@pytest.mark.parametrize("doing", ["idle", "subscribed", "blocked"])
def test_r12_connections_to_the_old_master_are_closed(world: World, doing: str) -> None:
    """R12: there nothing was closed but what TCP broke by itself: clients stayed on a demoted or hung master."""
    old = world.master
    old.replies["BLPOP"] = lambda connection, words: None
    with running(world) as app, app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        words = {"idle": ["ECHO", "x"], "subscribed": ["SUBSCRIBE", "c"], "blocked": ["BLPOP", "k", "0"]}[doing]
        client.sendall(command(*words))
        wait_until(lambda: old.count(words[0]), "it is %s" % doing)
        old.fault = "silence"  # hung: it will never close anything itself
        world.switch(world.replicas[0])
        until_ended(client)
        wait_until(lambda: app.tunnel().closed.get("switch") == 1, "it is counted")


def test_r13_errors_go_to_the_log_and_not_to_standard_output(tmp_path: pathlib.Path) -> None:
    """R13: there some errors were printed on standard output, and some levels could not be reached at all."""
    log = tmp_path / "log"
    with refused_address() as nobody:
        words = ["run", "mymaster=%d" % free_port(), "-s", "%s:%d" % nobody, "--log-file", str(log), "-v"]
        with Program(tmp_path, *words) as program:
            program.wait_for("no master yet", lambda: program.out)
            program.wait_for(" DEBUG ", log.read_text)
            assert program.end() == 0
            assert " WARNING sentinel_down " in log.read_text() and " INFO start " in log.read_text()
            assert len(program.out.splitlines()) == 2 and program.log == ""


def test_r14_a_demoted_node_gets_no_client(world: World) -> None:
    """R14: there a client was connected to whatever the Sentinel said, demoted or not: READONLY, or lost writes."""
    old = world.master
    with running(world, hold=LONG) as app:
        old.role = "slave"  # Sentinel does not know it yet
        with app.connect() as client:
            client.sendall(command("SET", "k", "v"))
            wait_until(lambda: app.tunnel().held == 1, "the client is held")
            world.switch(world.replicas[0])
            assert client.recv(100) == b"+OK\r\n"
        assert world.master.values == {b"k": b"v"} and not old.values
        assert [b"SET", b"k", b"v"] not in old.commands


# USA-RedDragon


def test_u1_many_clients_at_once_never_see_each_others_answers(world: World, fake_redis: MakeRedis) -> None:
    """U1: there client threads shared one connection to the Sentinel: interleaved questions, swapped answers."""
    other = fake_redis()
    second_master(world, other)
    wrong: t.List[bytes] = []
    with running(world, "mymaster", "other", poll=0.1) as app:
        app.wait_master(other, "other")
        world.master.values[b"who"], other.values[b"who"] = b"mymaster", b"other"

        def come_and_go(name: str) -> None:
            for _ in range(30):
                with app.connect(name) as client:
                    reply = ask(client, "GET", "who")
                    if reply != b"$%d\r\n%s\r\n" % (len(name), name.encode()):
                        wrong.append(reply)

        threads = [threading.Thread(target=come_and_go, args=(name,)) for name in ("mymaster", "other") * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


@pytest.mark.parametrize("sentinels", ["need none", "want another"])
def test_u2_a_refused_auth_shifts_no_answer(world: World, sentinels: str) -> None:
    """U2: there AUTH went with every question; when it failed its error took the place of the answer for ever."""
    for sentinel in world.sentinels[:1] if sentinels == "want another" else []:
        sentinel.password = "another"
    made = world_settings(world, poll=0.1)
    with Running(made._replace(sentinel_password=Secret("ours"))) as app:
        app.wait_master(world.master)
        for _ in range(3):
            world.switch(world.replicas[0])
            app.wait_master(world.master)
        assert served(app)
    asker = world.sentinels[1].connections
    assert all([words[0] for words in each.commands].count(b"AUTH") <= 1 for each in asker)


def test_u3_asking_goes_on_when_all_are_down(world: World) -> None:
    """U3: there the question was asked again only if a reconnect had worked: all down meant no second try."""
    for sentinel in world.sentinels:
        sentinel.stop()
    with Running(world_settings(world, poll=0.1, hold=LONG)) as app, app.connect() as client:
        client.sendall(command("PING"))
        wait_until(lambda: "0 of 3 sentinels answer" in app.tunnel().reason, "nobody answers")
        world.sentinels[1].start()
        assert client.recv(100) == b"+PONG\r\n"


def test_u5_health_tells_the_truth(world: World) -> None:
    """U5: there /health was the constant OK; and an error of accept() ended a tunnel, and signals were not handled."""
    with running(world, poll=0.1) as app:
        wait_until(lambda: app.app.status().state == "ok", "all is well")
        for sentinel in world.sentinels:
            del sentinel.masters["mymaster"]
        world.master.stop()
        wait_until(lambda: app.app.status().state == "down", "the tunnel has no master")
        assert app.tunnel().state == "no_master" and app.tunnel().reason
        for sentinel in world.sentinels[1:]:
            sentinel.stop()
        wait_until(lambda: "2 of 3 Sentinels down" in "; ".join(app.app.status().troubles()), "they are told")


# The other forks of sentinel_tunnel


def test_ipv6_addresses_are_never_glued_together(world: World) -> None:
    """Geocodio, flant, drycc: host and port joined by a colon, so a master or Sentinel on IPv6 could not be dialled."""
    try:
        master = FakeRedis(host="::1")
    except OSError:
        pytest.skip("this host has no IPv6")
    for sentinel in world.sentinels:
        sentinel.masters["mymaster"] = Monitored(master.address, 1)
    try:
        with Running(world_settings(world)) as app:
            wait_until(lambda: app.tunnel().master == "[::1]:%d" % master.address[1], "it is found")
            assert served(app)
    finally:
        master.close()


def test_one_stale_sentinel_is_outvoted(world: World) -> None:
    """gtrxshock: "majority" was the order of a map; predixy, redishappy: the last one that spoke won.

    patrickdk77: one stale first Sentinel against the event made the master flip every 250 ms, and killed all clients.
    """
    old = world.master
    with running(world, poll=0.1) as app:
        world.switch(world.replicas[0])
        app.wait_master(world.master)
        world.sentinels[0].masters["mymaster"] = Monitored(old.address, 0)  # it missed the failover
        old.role = "master"  # and the old master is back
        with app.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            asked = world.sentinels[0].count("SENTINEL GET-MASTER-ADDR-BY-NAME")
            wait_until(lambda: world.sentinels[0].count("SENTINEL GET-MASTER-ADDR-BY-NAME") > asked + 5, "it was heard")
            world.sentinels[0].publish("+switch-master", "mymaster 1.1.1.1 1 %s %d" % old.address)
            wait_until(lambda: world.sentinels[0].count("SENTINEL GET-MASTER-ADDR-BY-NAME") > asked + 9, "it was heard")
            assert ask(client, "PING") == b"+PONG\r\n"
        assert app.tunnel().switches == 1


def test_a_master_that_is_down_at_the_start_stops_no_other(world: World, fake_redis: MakeRedis) -> None:
    """gtrxshock: the start failed if any database was down; klamas1: one dead node failed the whole update."""
    with refused_address() as nobody:
        for sentinel in world.sentinels:
            sentinel.masters["other"] = Monitored(nobody, 0)
        with running(world, "mymaster", "other", hold=LONG) as app, app.connect("other") as early:
            early.sendall(command("PING"))
            assert served(app)
            second_master(world, world.replicas[0])
            world.replicas[0].role = "master"
            assert early.recv(100) == b"+PONG\r\n"


def test_slow_resolution_delays_no_accept(world: World) -> None:
    """drycc, gtrxshock: the Sentinel was asked inside the accept loop, so one slow answer serialised all clients."""
    with running(world) as app, contextlib.ExitStack() as stack:
        for sentinel in world.sentinels:
            sentinel.delays["SENTINEL"] = LONG
        clients = [stack.enter_context(app.connect()) for _ in range(20)]
        assert {ask(client, "PING") for client in clients} == {b"+PONG\r\n"}


def test_after_stop_nothing_spins_or_listens(world: World) -> None:
    """Geocodio: after Stop the accept loop span; Terminaator burned a CPU in `for {}`."""
    with running(world) as app:
        address = app.address()
        app.app.stop(0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, 20 * FACTOR)
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("listen", "watcher"))]


# The redis-sentinel-proxy family


def test_an_outage_of_the_sentinels_drops_nobody(world: World) -> None:
    """atuchak: no reachable master counted as a change to none, so a mere Sentinel outage dropped all clients.

    flant, enriclluelles: the process ended when it could not ask. ParminCloud: no resynchronisation afterwards.
    """
    with running(world, poll=0.1) as app, app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        for sentinel in world.sentinels:
            sentinel.fault = "reset"
            sentinel.drop_all(reset=True)
        wait_until(lambda: not any(each.up for each in app.app.status().sentinels), "the outage is seen")
        assert ask(client, "PING") == b"+PONG\r\n" and app.tunnel().switches == 0
        for sentinel in world.sentinels:
            sentinel.fault = ""
        wait_until(lambda: all(each.up for each in app.app.status().sentinels), "they are back")
        assert ask(client, "PING") == b"+PONG\r\n"


def test_a_switch_that_nobody_announced_is_found(world: World) -> None:
    """ParminCloud, sovarto, twemproxy's agents: a missed message was missed for ever; camellia polls every 600 s."""
    with running(world, events=False, poll=0.1) as app, app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        world.switch(world.replicas[0])
        assert until_ended(client) == b"" and served(app)


def test_a_password_of_any_characters(world: World) -> None:
    """patrickdk77: AUTH was sent inline, so a password with a space or a quote failed."""
    password = "with space \"quote' \\ %s \r\n*1 \u00fc"
    for sentinel in world.sentinels:
        sentinel.password = password
    world.master.password = password
    made = world_settings(world, redis_password=Secret(password), role_check="strict")
    with Running(made._replace(sentinel_password=Secret(password))) as app:
        app.wait_master(world.master)
        with app.connect() as client:
            assert ask(client, "AUTH", password) == b"+OK\r\n"


def test_the_old_master_restarts_as_master(world: World) -> None:
    """HAProxy by role alone: two backends are up when the old master comes back and says master for 10-15 s."""
    old = world.master
    with running(world, poll=0.1) as app:
        old.stop()
        world.switch(world.replicas[0])
        app.wait_master(world.master)
        old.role = "master"
        old.start()
        for _ in range(10):
            with app.connect() as client:
                assert ask(client, "SET", "k", "v") == b"+OK\r\n"
        assert not old.values and app.tunnel().switches == 1


def test_no_command_of_ours_touches_the_data(world: World) -> None:
    """tombokombo: a DEL of a magic key on every connection to see whether it may write, and a panic when refused."""
    world.master.replies["ROLE"] = Error("NOAUTH Authentication required.")
    with running(world, poll=0.1) as app:
        assert served(app)
        world.switch(world.replicas[0])
        app.wait_master(world.master)
        assert served(app)
    names = {words[0].upper() for node in world.nodes for words in node.commands}
    assert names <= {b"ROLE", b"INFO", b"HELLO", b"AUTH", b"PING"}


def test_watching_leaks_nothing_and_does_not_spin(world: World) -> None:
    """patrickdk77: a descriptor leaked with each poll; redundis: a busy INFO loop and probes that were never closed."""
    with running(world, poll=0.1) as app:
        wait_until(lambda: app.app.status().state == "ok", "all is well")
        wait_until(lambda: all(each.events for each in app.app.status().sentinels), "events are heard of all")
        before, asked = len(open_descriptors()), world.master.count("ROLE")
        be_busy(1.0)  # ten polls; a busy loop would ask thousands of times
        assert world.master.count("ROLE") - asked < 50
        assert len(open_descriptors()) == before


def test_a_stopped_listener_frees_waiting_clients(world: World) -> None:
    """redundis, klamas1: clients waited on a channel that nobody closed; here all of them end with the program."""
    for sentinel in world.sentinels:
        sentinel.stop()
    with Running(world_settings(world, hold=LONG)) as app, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(app.connect()) for _ in range(20)]
        wait_until(lambda: app.tunnel().held == 20, "they wait")
        app.app.stop(0)
        assert {until_ended(client) for client in clients} == {b""}


def test_an_error_reply_ends_its_line(world: World) -> None:
    """redundis: the error for the client lacked its CRLF, so client libraries waited for the rest of it."""
    for sentinel in world.sentinels:
        sentinel.stop()
    with Running(world_settings(world, hold=0)) as app, app.connect() as client:
        line = read_all(client)
        assert line.startswith(b"-") and line.endswith(b"\r\n") and line.count(b"\r\n") == 1


def test_the_process_ends_in_good_order_at_once_after_its_start(world: World, tmp_path: pathlib.Path) -> None:
    """USA-RedDragon and the original: no signal was handled; open connections were torn wherever they were."""
    with Program(tmp_path, "run", "mymaster=%d" % free_port(), "-s", "%s:%d" % world.seeds[0]) as program:
        program.wait_for(" start ")
        assert program.end(signal.SIGTERM) == 0 and " stopped" in program.log


def test_nothing_of_a_switch_is_an_error_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Logs that cry at every failover are not read: one WARNING tells it all."""
    with running(world) as app, caplog.at_level(logging.WARNING, "st"):
        world.switch(world.replicas[0])
        app.wait_master(world.master)
    switches = [record for record in caplog.records if record.getMessage().startswith("switch ")]
    assert [record.levelname for record in switches] == ["WARNING"]
