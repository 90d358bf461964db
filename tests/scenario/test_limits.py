"""Ceilings on what one address or one session may use, and that reaching them costs nobody else anything."""
import time

import pytest

from harness.messages import NAME_INVALID, NAME_TAKEN, PONG, RELAY_NO_TARGET, TOO_LONG, name_ok, update, wire
from harness.player import Closed, delivered
from harness.seal import Plain
from harness.waiting import until


# ---- connections

def test_connections_of_one_address(new_server, connect):
    server = new_server(limits__exempt="", racing__links_per_address=3)
    players = [connect(server) for _ in range(3)]
    with pytest.raises((OSError, Closed)):
        connect(server)
    assert connect(server, source="127.0.0.2").ask("PING") == PONG, "another address is another matter"
    for player in players:
        assert player.ask("PING") == PONG
    players[0].close()

    def comes_in():
        try:
            return connect(server)
        except (OSError, Closed):
            return None
    until(comes_in, "the place of one who left is free")


def test_loopback_is_exempt_by_default(new_server, connect):
    server = new_server(racing__links_per_address=2)
    for player in [connect(server) for _ in range(5)]:
        assert player.ask("PING") == PONG


def test_connections_in_all(new_server, connect):
    server = new_server(server__max_connections=16)
    players = [connect(server) for _ in range(16)]
    with pytest.raises((OSError, Closed)):
        connect(server)
    for player in players:
        assert player.ask("PING") == PONG
    assert server.http_status("/healthz") == 200


# ---- guessing

def test_guessing_is_slowed_down_by_address_and_never_locks_the_owner_out(new_server, connect, unique):
    server, name = new_server(limits__exempt=""), unique()
    connect(server).log_in(name, "mine")
    guesser = connect(server, source="127.0.0.2")
    end = time.monotonic() + 60
    while True:
        start = time.monotonic()
        assert guesser.ask("NAME", name=name, password="guess") == NAME_TAKEN
        if time.monotonic() - start > 0.5:
            break
        assert start < end, "guesses never become slower"
    start = time.monotonic()
    assert connect(server, source="127.0.0.3").ask("NAME", name=name, password="mine") == name_ok(name)
    assert time.monotonic() - start < 0.5, "from elsewhere the owner gets in at once"


# ---- lines

def test_lines_over_the_rate_are_read_later_and_none_is_refused(new_server, connect):
    server = new_server(racing__commands_per_s=50, racing__commands_burst=20)
    player, other = connect(server), connect(server)
    start = time.monotonic()
    player.send_raw(b"".join(wire({"command": f"N{i}"}) + b"\n" for i in range(95)))
    assert other.ask("PING") == PONG
    assert time.monotonic() - start < 0.5, "somebody else does not wait"
    for i in range(95):
        assert player.line() == wire({"command": "UNKNOWN_COMMAND", "originalCommand": f"N{i}"})
    assert time.monotonic() - start > 1, "75 lines at 50 a second"


def test_a_batch_does_not_get_around_the_rate(new_server, connect):
    server = new_server(racing__commands_per_s=50, racing__commands_burst=20)
    player = connect(server)
    start = time.monotonic()
    for _ in range(3):
        player.send("BATCH", messages=[{"command": "PING"}] * 32)
    assert [player.line() for _ in range(96)] == [PONG] * 96
    assert time.monotonic() - start > 1


def test_the_line_limit_is_a_key(new_server, connect):
    server = new_server(racing__line_max_bytes=1024)
    player = connect(server)
    empty = wire({"command": "PING", "pad": ""})
    assert player.ask("PING", pad="x" * (1024 - len(empty))) == PONG
    player.send("PING", pad="x" * (1025 - len(empty)))
    assert player.closing() == [TOO_LONG]


def test_the_name_limit_is_a_key(new_server, connect):
    server = new_server(racing__name_max_bytes=16)
    assert connect(server).ask("NAME", name="n" * 16) == name_ok("n" * 16, False)
    assert connect(server).ask("NAME", name="n" * 17) == NAME_INVALID


def test_relay_keys(new_server, join_server):
    server = new_server(racing__relay_max_bytes=100, racing__relay_scope="room")
    host, guest, stranger = (join_server(server) for _ in range(3))
    guest.join(host.create_room())
    assert host.get("RELAY_MESSAGE", targetId=guest.id, message="x" * 100)["command"] == "RELAY_OK"
    assert host.ask("RELAY_MESSAGE", targetId=guest.id, message="x" * 101) == TOO_LONG
    assert host.ask("RELAY_MESSAGE", targetId=stranger.id, message="x") == RELAY_NO_TARGET
    assert stranger.ask("RELAY_MESSAGE", targetId=host.id, message="x") == RELAY_NO_TARGET
    stranger.nothing_else()


# ---- datagrams

def burst(player, count):
    for i in range(count):
        player.udp.send(player.update(x=i))


def test_datagrams_of_one_session_over_its_rate_are_dropped(new_server, race):
    server = new_server(racing__datagrams_per_s=50, racing__datagrams_burst=50)
    loud, quiet, other = race("legacy", "legacy", "legacy", server=server)
    before = server.accepted()
    burst(loud, 400)
    delivered_text = quiet.input(mark=1)
    quiet.udp.send(delivered_text)
    while other.udp.receive() != delivered_text:
        pass
    accepted = server.accepted() - before - 1
    assert 40 <= accepted <= 120, accepted
    assert server.metric("slipgate_racing_datagrams_total", result="rate_limited") >= 280
    assert loud.ask("PING") == PONG, "dropped, not punished"


def test_the_documents_pace_is_far_below_the_default_rate(server, race):
    """One client sends an UPDATE and an INPUT per rendered frame: 120 a second, and twice that in a hurry."""
    first, second = race("legacy", "legacy")
    before = server.accepted()
    burst(first, 240)
    mark = second.update(mark=1)
    second.udp.send(mark)
    while first.udp.receive() != mark:
        pass
    assert server.accepted() - before == 241


def test_strangers_of_one_address_are_looked_at_rarely_and_players_there_are_heard(new_server, race):
    server = new_server(limits__exempt="", racing__strangers_per_s=20)
    first, second = race("legacy", "legacy", server=server)
    stranger = first.udp.another(seal=Plain())
    for _ in range(300):
        stranger.send(update("f" * 32))
        stranger.send_raw(b"\x90\0\0\0" + b"x" * 144)
    delivered(first, [second], first.update(x=1))
    limited = server.metric("slipgate_racing_datagrams_total", result="rate_limited")
    assert limited >= 500
    stranger.close()
