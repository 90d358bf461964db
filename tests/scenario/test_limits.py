"""Ceilings on connections, and the pace of lines by a real clock. What sessions may use otherwise, and that reaching it
costs nobody else anything: scripts/limits_*.talk, many_lines.talk, batch_rate.talk, datagram_rate.talk,
datagram_strangers.talk."""
import time

import pytest

from harness.messages import PONG, wire
from harness.player import Closed
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
