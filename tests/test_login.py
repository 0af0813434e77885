"""login = yes: the tunnel logs in to Redis for its clients, on their own leg."""
import socket
import typing as t

import pytest

from st.deadline import Deadline
from st.errors import PeerRefused, PeerSilent
from st.secret import Secret
from st.tunnel.upstream import Gauges, NotMaster, prepare
from tests.configs import HEAD, problems, settings
from tests.fakes import Error, FakeRedis, World, read_all
from tests.tunnels import OneTunnel, ask, running, target_of, tunnel_settings
from tests.waiting import wait_until

MakeRedis = t.Callable[..., FakeRedis]
PASSWORD = "hunter2"
LOGIN: t.Dict[str, t.Any] = {"login": True, "redis_password": Secret(PASSWORD)}
REPEATS = Error("ERR unknown command 'AUTH', with args beginning with: '%s' " % PASSWORD)


@pytest.fixture
def node(fake_redis: MakeRedis) -> FakeRedis:
    """Give a master with a password."""
    made = fake_redis()
    made.password = PASSWORD
    return made


def test_the_client_is_logged_in_before_its_first_byte(node: FakeRedis) -> None:
    """AUTH, ROLE, then what the client says, all on one connection: none apart."""
    with OneTunnel(node, **LOGIN) as tunnel, tunnel.connect() as client:
        assert ask(client, "SET", "k", "v") == b"+OK\r\n"
    assert node.commands == [[b"AUTH", PASSWORD.encode()], [b"ROLE"], [b"SET", b"k", b"v"]]
    assert node.accepted == 1


def test_the_user_is_named_where_there_is_one(node: FakeRedis) -> None:
    """An ACL user of Redis 6."""
    node.user = "app"
    with OneTunnel(node, redis_user="app", **LOGIN) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
    assert node.commands[0] == [b"AUTH", b"app", PASSWORD.encode()]


def test_without_login_the_client_logs_in_itself(node: FakeRedis) -> None:
    """The password is for the role check alone."""
    with OneTunnel(node, redis_password=Secret(PASSWORD)) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING").startswith(b"-NOAUTH")


def test_it_logs_in_without_a_role_check_too(node: FakeRedis) -> None:
    """role_check = no: the first thing that is said on the connection is AUTH."""
    with OneTunnel(node, role_check="no", **LOGIN) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
    assert node.commands == [[b"AUTH", PASSWORD.encode()], [b"PING"]]


def test_no_connection_apart_is_needed(node: FakeRedis) -> None:
    """A user that may not ask for the role may not do so elsewhere either."""
    for name in ("ROLE", "INFO", "HELLO"):
        node.replies[name] = Error("NOPERM this user has no permissions")
    with OneTunnel(node, **LOGIN) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
    assert node.accepted == 1


def test_a_replica_is_found_out_with_the_login(node: FakeRedis) -> None:
    """The role is asked as that user; strict is content with it."""
    node.role = "slave"
    with socket.socket() as sock, pytest.raises(NotMaster):
        prepare(sock, target_of(node), tunnel_settings(role_check="strict", **LOGIN), Deadline(20), Gauges())


@pytest.mark.parametrize("said, told", [
    (Error("WRONGPASS invalid username-password pair or user is disabled."), "WRONGPASS invalid username-password"),
    (REPEATS, "ERR unknown command 'AUTH'; check"), (Error("ERR I heard hunter2"), "words that hold the password"),
    ([b"OK"], "not OK")])
def test_a_refused_login_is_told_at_once(
        node: FakeRedis, caplog: pytest.LogCaptureFixture, said: t.Any, told: str) -> None:
    """To the client in an error of Redis's form, to the operator in the log; never with the password."""
    node.replies["AUTH"] = said
    with caplog.at_level("DEBUG", "st"), OneTunnel(node, hold=3600, redis_user="app", **LOGIN) as tunnel, \
            tunnel.connect() as client:
        line = read_all(client).decode("ascii")
        assert line.startswith("-ERR sentinel-tunnel: %s:%d refuses the login of user 'app': " % node.address)
        assert told in line and line.endswith("; check redis_user and redis_password of the tunnel\r\n")
        wait_until(lambda: tunnel.closed("connect_failed") == 1, "it is counted")
    texts = [record.getMessage() for record in caplog.records]
    assert len([text for text in texts if text.startswith("login_refused tunnel=mymaster why=")]) == 1
    assert PASSWORD not in line + "".join(texts)
    assert node.commands[1:] == []  # nothing was asked after that


def test_the_status_tells_of_a_refused_login(world: World) -> None:
    """It is no longer ok while every client is turned away, and is again after one that was let in."""
    world.master.password = PASSWORD
    with running(world, login=True, redis_password=Secret("wrong"), redis_user="app") as app:
        with app.connect() as client:
            assert read_all(client).startswith(b"-")
        status = app.app.status()
        assert status.state == "degraded" and PASSWORD not in status.as_text(0)
        assert "tunnel mymaster turns its clients away: 127.0.0.1:%d refuses the login" % world.master.address[1] in \
            status.troubles()[0]
        world.master.password, world.master.user = "wrong", "app"
        with app.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        assert app.app.status().state == "ok"


def test_a_full_node_is_quoted(node: FakeRedis) -> None:
    """It speaks before the login; the client knows these words."""
    node.greeting = b"-ERR max number of clients reached\r\n"
    gauges = Gauges()
    with socket.socket() as sock, pytest.raises(PeerRefused) as caught:
        prepare(sock, target_of(node), tunnel_settings(**LOGIN), Deadline(20), gauges)
    assert caught.value.line == b"ERR max number of clients reached"
    assert gauges.login_refused == ""  # the password may well be right


def test_a_login_that_hangs_is_waited_for_with_patience(node: FakeRedis) -> None:
    """As the role is: the node may be busy; and no longer."""
    node.delays["AUTH"] = 3600
    with socket.socket() as sock, pytest.raises(PeerSilent):
        prepare(sock, target_of(node), tunnel_settings(**LOGIN), Deadline(0.3), Gauges())


def test_a_client_is_logged_in_at_the_new_master_too(world: World) -> None:
    """After a switch each connection is a new one."""
    for each in [world.master, *world.replicas]:
        each.password = PASSWORD
    with running(world, poll=0.1, **LOGIN) as app:
        for _ in range(2):
            with app.connect() as client:
                assert ask(client, "SET", "k", "v") == b"+OK\r\n"
            world.switch(world.replicas[0])
            app.wait_master(world.master)


def told(*lines: str, names: t.Sequence[str] = ()) -> t.List[str]:
    """Return what is wrong with a tunnel that has these lines; the first is line 4 of the file."""
    return problems(HEAD + "[tunnel:a]\n" + "".join(line + "\n" for line in lines), names=names)


PASS = "redis_password = hunter2"


@pytest.mark.parametrize("lines", [
    ("port = 1", PASS), ("port = 1", "listen = ::1, localhost, 127.0.0.9", PASS), ("listen = /run/x.sock", PASS),
    ("port = 1", "listen = 0.0.0.0, /run/x.sock", "allow = 10.0.0.0/8", PASS)])
def test_where_login_may_be(lines: t.Sequence[str]) -> None:
    """On loopback and unix sockets, else with a list of who may connect."""
    assert told("login = yes", *lines) == []
    assert settings(HEAD + "login = yes\n[tunnel:a]\n" + "\n".join(lines)).tunnels[0].login


@pytest.mark.parametrize("lines, message", [
    (["port = 1"], "f:4: tunnel 'a': login = yes needs redis_password_file, redis_password_env or redis_password"),
    (["port = 1", "redis_password ="], "f:4: tunnel 'a': login = yes needs redis_password_file"),
    (["port = 1", PASS, "tls = passthrough"], "f:4: tunnel 'a': login = yes and tls = passthrough exclude each other"),
    (["port = 1", PASS, "listen = 127.0.0.1, 0.0.0.0"], "f:4: tunnel 'a': login = yes lets every host that reaches "
                                                        "0.0.0.0 use Redis without a password: name those that may"),
    (["port = 1", PASS, "listen = example.com"], "f:4: tunnel 'a': login = yes lets every host that reaches example"),
    (["port = 1", PASS, "listen = ::"], "f:4: tunnel 'a': login = yes lets every host that reaches :: "),
])
def test_where_login_may_not_be(lines: t.Sequence[str], message: str) -> None:
    """Told with file and line, before anything listens."""
    found = [text for text in told("login = yes", *lines) if "login" in text]
    assert len(found) == 1 and found[0].startswith(message)
    assert PASSWORD not in found[0]


def test_a_word_cannot_open_the_door() -> None:
    """The address of a word or an option counts as that of the file."""
    assert len(told("login = yes", "port = 1", PASS, names=["a=0.0.0.0:2"])) == 1
    assert len(problems(HEAD + "login = yes\n" + PASS + "\n", options={"listen": "0.0.0.0"})) == 1
