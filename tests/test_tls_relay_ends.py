"""How a relay with TLS ends: each direction alone, told or not, at once, and without a cost."""
import os
import socket
import typing as t

import pytest

from st.tunnel.tls_relay import TlsFlow
from st.wire.dial import interrupt
from tests.test_relay import SMALL, in_thread
from tests.tls_ends import VERSIONS
from tests.tls_relays import carried, every_way, idle_for, push
from tests.tunnels import be_busy, reset
from tests.waiting import FACTOR, wait_until

MIB = 1 << 20


@every_way
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_has_said_all_gets_its_replies(way: str, version: str) -> None:
    """Half-closed towards the master, open for the reply: also for what is already inside, or larger than buffers."""
    reply = os.urandom(MIB)
    with carried(way, SMALL, version=version) as each:
        each.client.sendall(b"PING\r\n")
        assert each.master.read(6) == b"PING\r\n"
        replied = in_thread(each.master.sendall, reply)
        wait_until(lambda: each.relay.to_client.held, "the client is behind")
        each.client.end()
        assert each.master.recv() == b""  # the end
        assert each.client.read(len(reply)) == reply
        replied.join()
        each.master.sendall(b"+PONG\r\n")
        each.master.end()
        assert each.client.read_all() == b"+PONG\r\n"
        assert each.running.end() == "client"


@every_way
@pytest.mark.parametrize("version", VERSIONS)
def test_a_master_that_has_said_all_still_gets_requests(way: str, version: str) -> None:
    """The other half-close: the client sees the end, and what it had still to say arrives."""
    with carried(way, version=version) as each:
        each.master.end()
        assert each.client.recv() == b""
        each.client.sendall(b"QUIT\r\n")
        each.client.end()
        assert each.master.read_all() == b"QUIT\r\n"
        assert each.running.end() == "master"


@every_way
@pytest.mark.parametrize("told", [True, False])
def test_a_slow_reader_gets_the_last_reply_of_a_master_that_ended(way: str, told: bool) -> None:
    """The master closes behind a long reply, politely or not: the client may take longer to read than we wait."""
    with carried(way, after_master=0.1) as each:
        reply = os.urandom(8 * MIB)
        replied = in_thread(each.master.sendall, reply)
        wait_until(lambda: each.relay.to_client.held, "the client is behind")
        taken = each.client.read(len(reply) - 200000)
        replied.join()
        if told:
            each.master.end()
        each.master.sock.close()
        be_busy(0.5)  # longer than after_master
        assert taken + each.client.read_all() == reply


@pytest.mark.parametrize("way", ["client", "both"])
@pytest.mark.parametrize("half_closed", [False, True])
def test_a_slow_reader_gets_what_its_leg_held_back(way: str, half_closed: bool) -> None:
    """The rest of a reply is with the leg alone, encrypted, when the master ends: as if the kernel had it."""
    with carried(way, SMALL, after_master=0.1, after_client=20 * FACTOR) as each:
        if half_closed:
            each.client.end()
            assert each.master.recv() == b""
        sent = b""
        while not _held_for_good(each.relay.to_client):
            piece = os.urandom(3000)
            each.master.sendall(piece)
            sent += piece
            wait_until(lambda: each.relay.to_client.carried == len(sent), "all is with the leg")
        each.master.end()
        each.master.sock.close()
        be_busy(0.5)  # longer than after_master
        assert each.client.read_all() == sent


def _held_for_good(flow: TlsFlow) -> bool:
    """Tell whether the kernel takes no more for the sink, also when what is on its way has come."""
    if flow.held:
        be_busy(0.2)
    return flow.held


@every_way
@pytest.mark.parametrize("who", ["client", "master"])
def test_a_reset_ends_it(way: str, who: str) -> None:
    """The other side reads the end, and the relay says who it was."""
    with carried(way, after_client=0.2, after_master=0.2) as each:
        gone, other = (each.client, each.master) if who == "client" else (each.master, each.client)
        reset(gone.sock)
        assert other.read_all() == b""
        assert each.running.end() == who


@every_way
@pytest.mark.parametrize("who, other", [("client", "master"), ("master", "client")])
def test_silence_after_one_side_has_gone_ends_it(way: str, who: str, other: str) -> None:
    """A hung master must not keep a thread for ever for a client that has left, nor the other way round."""
    patience: t.Dict[str, t.Any] = {"after_" + who: 0.3, "after_" + other: 3600.0}
    with carried(way, **patience) as each:
        getattr(each, who).end()
        assert each.running.end() == who


@every_way
@pytest.mark.parametrize("how", ["end", "reset", "close"])
@pytest.mark.parametrize("who, other", [("client", "master"), ("master", "client")])
def test_a_side_that_has_gone_costs_no_cpu(way: str, who: str, other: str, how: str) -> None:
    """poll reports a hang-up again and again, wanted or not: the relay must not listen to it for ever."""
    with carried(way, SMALL, after_client=3600, after_master=3600) as each:
        gone = getattr(each, who)
        push(gone.sock, gone.coding.seal(os.urandom(8 * MIB)))  # the other does not read: the end cannot pass
        {"end": lambda: gone.sock.shutdown(socket.SHUT_WR), "reset": lambda: reset(gone.sock),
         "close": gone.sock.close}[how]()
        assert idle_for(1.0)
        reset(getattr(each, other).sock)


@every_way
def test_nothing_times_out_while_both_are_there(way: str) -> None:
    """BLPOP 0 and quiet subscribers last for ever, and cost no CPU."""
    with carried(way, after_client=0.05, after_master=0.05) as each:
        assert idle_for(1.0) and each.running.thread.is_alive()
        each.master.sendall(b"message")
        assert each.client.read(7) == b"message"


@every_way
def test_a_cut_ends_it_at_once(way: str) -> None:
    """Though both directions are full: what waits is not carried any more."""
    with carried(way, SMALL) as each:
        for end in (each.client, each.master):
            push(end.sock, end.coding.seal(os.urandom(4 * MIB)))
        before = each.relay.to_master.carried
        each.relay.cut()
        interrupt(each.legs[0])  # wakes it
        each.running.end()
        assert each.relay.to_master.carried == before
