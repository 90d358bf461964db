"""Bans of addresses: at the door, of those who play, and over a restart. Those of accounts, and how operators and staff
make them, are in test_control.py and test_moderation.py."""
import pytest

from harness.messages import PONG
from harness.operator import Operator
from harness.player import Closed
from harness.waiting import until


def banned(connect, server, source):
    with pytest.raises((OSError, Closed)):
        connect(server, source=source)


def test_an_address_is_shut_out_at_once_and_over_a_restart(new_server, connect):
    server = new_server()
    operator = Operator(server)
    player, other = connect(server, source="127.0.0.2"), connect(server, source="127.0.0.3")
    ban = operator.ask("ban", "add", "--address", "127.0.0.2", "--force", "--reason", "bots")
    player.closing()
    assert other.ask("PING") == PONG
    banned(connect, server, "127.0.0.2")
    assert server.metric("slipgate_links_refused_total", reason="banned") == 1
    assert server.metric("slipgate_bans") == 1
    server.kill()
    server.restart()
    banned(connect, server, "127.0.0.2")
    assert connect(server, source="127.0.0.3").ask("PING") == PONG
    operator.ask("ban", "remove", ban["id"])
    assert connect(server, source="127.0.0.2").ask("PING") == PONG
    server.restart()
    assert connect(server, source="127.0.0.2").ask("PING") == PONG


def test_a_ban_of_a_network_ends_by_itself(new_server, connect):
    server = new_server()
    player = connect(server, source="127.0.7.1")
    Operator(server).ask("ban", "add", "127.0.7.0/24", "--force", "--for-s", "1")
    player.closing()
    banned(connect, server, "127.0.7.2")

    def comes_in():
        try:
            return connect(server, source="127.0.7.1")
        except (OSError, Closed):
            return None
    assert until(comes_in, "the ban is over").ask("PING") == PONG
    server.wait_log("ban.expired")


def test_another_games_ban_is_none_here(new_server, connect):
    server = new_server()
    Operator(server).ask("ban", "add", "127.0.0.2", "--force", "--game", "arena")
    assert connect(server, source="127.0.0.2").ask("PING") == PONG
    Operator(server).ask("ban", "add", "--address", "127.0.0.2", "--force", "--game", "racing")
    banned(connect, server, "127.0.0.2")
