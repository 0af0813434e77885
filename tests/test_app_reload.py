"""A reload changes what was changed, and nothing else: all or nothing."""
import socket
import threading
import typing as t

import pytest

from st.config import Settings
from st.deadline import Deadline
from st.errors import ListenError
from tests.fakes import Monitored, World, read_all
from tests.live.node import free_port
from tests.tunnels import Running, ask, command, running, until_ended, world_settings
from tests.waiting import FACTOR, wait_until


def two_names(world: World) -> World:
    """Let the Sentinels monitor a second name for the same nodes."""
    for sentinel in world.sentinels:
        sentinel.masters["other"] = Monitored(world.master.address, 0)
    return world


def on_ports(made: Settings, *ports: int) -> Settings:
    """Return settings with other ports."""
    return made._replace(tunnels=tuple(tunnel._replace(port=port) for tunnel, port in zip(made.tunnels, ports)))


def served(app: Running, name: str = "mymaster") -> bool:
    """Tell whether a new connection reaches the master."""
    with app.connect(name) as client:
        return ask(client, "PING") == b"+PONG\r\n"


def test_a_connection_lives_through_every_other_change(world: World) -> None:
    """Sentinels' settings, another tunnel added, changed and removed: the open connection goes on."""
    made = world_settings(two_names(world), ["mymaster"])
    with Running(made) as app, app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        both = world_settings(world, ["mymaster", "other"])
        steps = [made._replace(poll=0.5, sentinel_timeout=2.0, events=False), both,
                 both._replace(tunnels=(both.tunnels[0], both.tunnels[1]._replace(hold=1.0))), made]
        for step in steps:
            app.app.reload(step)
            assert ask(client, "PING") == b"+PONG\r\n"
            assert served(app)
        assert app.tunnel().accepted == 5 and app.tunnel().switches == 0


def test_an_added_tunnel_serves_and_a_removed_one_is_gone(world: World) -> None:
    """Its idle connections end with reason reload, and nobody listens there any more."""
    two_names(world)
    both, one = world_settings(world, ["mymaster", "other"]), world_settings(world)
    with Running(one) as app:
        assert app.app.reload(both).added == ("other",)
        app.wait_master(world.master, "other")
        address = app.address("other")
        with app.connect("other") as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            assert app.app.reload(one).removed == ("other",)
            assert until_ended(client) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        assert [tunnel.name for tunnel in app.app.status().tunnels] == ["mymaster"]


def test_a_reply_on_its_way_is_waited_for(world: World) -> None:
    """The connection of a tunnel that goes gets its reply first."""
    world.master.replies["GET"] = lambda connection, words: None
    both, one = world_settings(two_names(world), ["mymaster", "other"]), world_settings(world)
    with Running(both) as app, app.connect("other") as busy:
        busy.sendall(command("GET", "k"))
        wait_until(lambda: world.master.count("GET"), "the master works")
        reloading = threading.Thread(target=app.app.reload, args=(one,))
        reloading.start()
        for connection in world.master.open:
            if [b"GET", b"k"] in connection.commands:
                connection.send(b"$5\r\nreply\r\n")
        assert read_all(busy) == b"$5\r\nreply\r\n"
        reloading.join(20 * FACTOR)
        assert not reloading.is_alive()


def test_a_moved_tunnel_listens_there_and_not_here(world: World) -> None:
    """Another port: connections of the old one end."""
    first, second = free_port(), free_port()
    with Running(world_settings(world, port=first)) as app, app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        assert app.app.reload(world_settings(world, port=second)).replaced == ("mymaster",)
        assert until_ended(client) == b""
        assert app.address()[1] == second and served(app)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", first))


def test_two_tunnels_swap_their_ports(world: World) -> None:
    """The listeners that go make room for those that come."""
    first, second = free_port(), free_port()
    made = on_ports(world_settings(two_names(world), ["mymaster", "other"]), first, second)
    with Running(made) as app:
        app.app.reload(on_ports(made, second, first))
        assert (app.address()[1], app.address("other")[1]) == (second, first)
        assert served(app) and served(app, "other")


def test_the_same_port_on_another_address(world: World) -> None:
    """From one address to all of them: the old listener would keep the new one out."""
    port = free_port()
    with Running(world_settings(world, port=port)) as app:
        app.app.reload(world_settings(world, port=port, listen=("0.0.0.0",)))
        assert app.tunnel().listen == "0.0.0.0:%d" % port
        with socket.create_connection(("127.0.0.2", port), timeout=20 * FACTOR) as client:
            assert ask(client, "PING") == b"+PONG\r\n"


def test_a_busy_port_changes_nothing(world: World) -> None:
    """Neither the tunnel that could have been added, nor the one that would have gone, nor its connections."""
    two_names(world)
    mine, free = free_port(), free_port()
    one = world_settings(world, port=mine)
    both = world_settings(world, ["other", "mymaster"])
    with socket.socket() as taken, Running(one) as app, app.connect() as client:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        assert ask(client, "PING") == b"+PONG\r\n"
        for ports in ((free, taken.getsockname()[1]), (mine, taken.getsockname()[1])):
            with pytest.raises(ListenError, match="Address already in use: held by .*pid"):
                app.app.reload(on_ports(both, *ports))
            assert ask(client, "PING") == b"+PONG\r\n" and served(app)
            assert [tunnel.listen for tunnel in app.app.status().tunnels] == ["127.0.0.1:%d" % mine]
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", free))


def test_a_listener_that_made_room_in_vain_listens_again(world: World) -> None:
    """All addresses of a port that another program holds on one of them: the tunnel goes on where it was."""
    port = free_port()
    with socket.socket() as taken, Running(world_settings(world, port=port)) as app, app.connect() as client:
        taken.bind(("127.0.0.2", port))
        taken.listen(1)
        assert ask(client, "PING") == b"+PONG\r\n"
        with pytest.raises(ListenError, match="0.0.0.0:%d: cannot listen" % port):
            app.app.reload(world_settings(world, port=port, listen=("0.0.0.0",)))
        assert ask(client, "PING") == b"+PONG\r\n" and served(app)
        assert app.tunnel().listen == "127.0.0.1:%d" % port


def test_other_settings_apply_to_the_next_connection(world: World) -> None:
    """A limit of connections, for one."""
    made = world_settings(world, port=free_port())
    with Running(made) as app, app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        app.app.reload(made._replace(tunnels=(made.tunnels[0]._replace(max_connections=1),)))
        assert app.tunnel().max_connections == 1
        with app.connect() as second:
            assert until_ended(second).startswith(b"-ERR max number of clients reached")
        assert ask(client, "PING") == b"+PONG\r\n"


def test_other_sentinels_are_asked(world: World) -> None:
    """The old ones no more; a switch is followed, also by the connections that were there before."""
    made = world_settings(world, discover=False)
    with Running(made._replace(sentinels=made.sentinels[:1])) as app, app.connect() as client:
        app.wait_master(world.master)
        assert ask(client, "PING") == b"+PONG\r\n"
        app.app.reload(made._replace(sentinels=made.sentinels[1:]))
        assert [each.address for each in app.app.status().sentinels] == [str(each) for each in made.sentinels[1:]]
        assert all(each.up for each in app.app.status().sentinels)
        wait_until(lambda: not world.sentinels[0].open, "the old one is left alone")
        world.switch(world.nodes[1])
        assert until_ended(client) == b""
        app.wait_master(world.nodes[1])
        assert app.tunnel().switches == 1


def test_what_was_counted_stays(world: World) -> None:
    """A reload is no restart: switches, since when, accepted connections."""
    made = world_settings(world)
    with running(world) as app:
        world.switch(world.nodes[1])
        app.wait_master(world.nodes[1])
        assert served(app)
        before = app.tunnel()
        app.app.reload(made._replace(poll=0.7))
        after = app.tunnel()
        assert (after.switches, after.since, after.accepted) == (before.switches, before.since, before.accepted) != (
            0, None, 0)
        assert app.app.measures().tunnels["mymaster"].gap_seconds.observed == 1
        asked = app.app.measures().sentinels
        app.app.reload(made._replace(poll=0.8))
        assert all(each.queries["ok"] > asked[sentinel].queries["ok"] >= 2
                   for sentinel, each in app.app.measures().sentinels.items())


def test_nothing_changed_changes_nothing(world: World) -> None:
    """The watcher goes on: not even the Sentinels are connected to anew."""
    made = world_settings(world)
    with running(world) as app:
        wait_until(lambda: all(each.events for each in app.app.status().sentinels), "events are heard of all")
        before = [sentinel.accepted for sentinel in world.sentinels]
        assert app.app.reload(made).lines() == ["nothing has changed"]
        assert [sentinel.accepted for sentinel in world.sentinels] == before


def test_reloads_under_load_lose_no_connection(world: World) -> None:
    """Clients that come and go, and reloads one after the other: each client is served."""
    made = world_settings(world)
    with running(world) as app:
        failures: t.List[BaseException] = []
        enough = threading.Event()

        def work() -> None:
            try:
                while not enough.is_set():
                    assert served(app)
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        for worker in workers:
            worker.start()
        for poll in (0.5, 0.6, 0.7, 0.8, 0.9):
            app.app.reload(made._replace(poll=poll))
        enough.set()
        for worker in workers:
            worker.join(20 * FACTOR)
        assert not failures and app.app.wait_master(Deadline(0)) == []


def test_stop_while_a_reload_waits(world: World) -> None:
    """The stop wins, whatever the reload has made meanwhile."""
    world.master.replies["GET"] = lambda connection, words: None
    both, one = world_settings(two_names(world), ["mymaster", "other"]), world_settings(world)
    with Running(both) as app, app.connect("other") as busy:
        busy.sendall(command("GET", "k"))
        wait_until(lambda: world.master.count("GET"), "the master works")
        reloading = threading.Thread(target=app.app.reload, args=(one._replace(drain=3600.0),))
        reloading.start()
        app.app.stop(0)
        reloading.join(60 * FACTOR)
        assert not reloading.is_alive() and until_ended(busy) == b""
