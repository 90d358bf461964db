"""SIGTERM drains, a second one ends at once, SIGHUP reloads."""
import json
import signal
import time

import pytest

from harness.messages import PONG, SHUTTING_DOWN, wire
from harness.player import Closed, delivered, start_racing
from harness.waiting import until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_empty_server_ends_at_once(new_server, number):
    server = new_server(server__drain_timeout_s=30)
    start = time.monotonic()
    server.signal(number)
    assert server.wait_exit() == 0
    assert time.monotonic() - start < 5


def race_of(join_server, server, count=2):
    """Players in a running race, all of whose lines are read."""
    players = [join_server(server) for _ in range(count)]
    room = players[0].create_room()
    for player in players[1:]:
        player.join(room)
    players[0].ask("START_GAME")
    for player in players:
        player.line()
    return players


def closing_notice(player):
    """The seconds that a SERVER_CLOSING line gives."""
    line = player.line()
    message = json.loads(line)
    assert line == wire({"command": "SERVER_CLOSING", "message": "Server is shutting down",
                         "seconds": message["seconds"]})
    return message["seconds"]


def test_players_outside_a_race_are_told_and_closed_at_once(new_server, join_server, connect):
    server = new_server(server__drain_timeout_s=60)
    stranger, loner, host = connect(server), join_server(server), join_server(server)
    host.create_room()
    start = time.monotonic()
    server.signal(signal.SIGTERM)
    for player in (stranger, loner, host):
        assert player.closing() == [SHUTTING_DOWN]
        player.close()
    assert server.wait_exit() == 0
    assert time.monotonic() - start < 5


def test_a_running_race_may_finish_within_the_drains_time(new_server, join_server):
    server = new_server(server__drain_timeout_s=60)
    players = race_of(join_server, server)
    for player in players:
        player.open_udp()
    start_racing(players)
    server.signal(signal.SIGTERM)
    for player in players:
        assert 50 <= closing_notice(player) <= 60
    delivered(players[0], [players[1]], players[0].update(x=1))
    assert players[0].ask("PING") == PONG
    for player in players:
        player.ask("BYE")
        player.closing()
        player.close()
    assert server.wait_exit(20) == 0


def test_a_race_that_does_not_finish_is_ended_when_the_time_is_over(new_server, join_server):
    server = new_server(server__drain_timeout_s=2)
    players = race_of(join_server, server)
    start = time.monotonic()
    server.signal(signal.SIGTERM)
    for player in players:
        assert closing_notice(player) <= 2
        assert player.closing() == [SHUTTING_DOWN]
    assert server.wait_exit() == 0
    assert 1 < time.monotonic() - start < 8


def test_while_draining_nobody_new_is_let_in_and_readyz_says_so(new_server, join_server, connect):
    server = new_server(server__drain_timeout_s=60)
    players = race_of(join_server, server)
    server.signal(signal.SIGTERM)
    until(lambda: server.http_status("/readyz") == 503, "no longer ready")
    assert server.http_status("/healthz") == 200, "alive all the same"
    with pytest.raises((OSError, Closed)):
        connect(server).log_in("late-player")
    for player in players:
        player.close()
    assert server.wait_exit(20) == 0


def test_a_second_signal_ends_it_at_once(new_server, join_server):
    server = new_server(server__drain_timeout_s=120)
    race_of(join_server, server)
    server.signal(signal.SIGTERM)
    until(lambda: server.http_status("/readyz") == 503, "draining")
    start = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert time.monotonic() - start < 5


def test_sigusr1_drains_without_an_end(new_server, join_server):
    server = new_server()
    player = join_server(server)
    server.signal(signal.SIGUSR1)
    assert player.closing() == [SHUTTING_DOWN]
    until(lambda: server.http_status("/readyz") == 503, "no longer ready")
    assert server.http_status("/healthz") == 200
    assert server.process.poll() is None


def test_what_was_answered_before_a_stop_is_kept(new_server, connect, unique):
    server, name = new_server(), unique()
    connect(server).log_in(name, "kept")
    server.restart()
    assert connect(server).get("NAME", name=name, password="other")["command"] == "AUTH_FAILED"


def test_sighup_keeps_everybody_connected_and_is_logged(new_server, join_server):
    server = new_server()
    player = join_server(server)
    room = player.create_room()
    lines = len(server.log_lines())
    server.signal(signal.SIGHUP)
    until(lambda: any("reload" in line.lower() for line in server.log_lines()[lines:]), "the outcome is logged")
    assert player.ask("PING") == PONG
    assert player.current_room() == room


def test_sighup_reads_the_file_again(new_server, join_server):
    """A bad file is reported and changes nothing."""
    server = new_server(start=False)
    server.config = "[log]\nlevel = info\n"
    server.start()
    player = join_server(server)
    path = server.folder / "slipgate.ini"
    path.write_text("[log]\nlevel = nonsense\n")
    lines = len(server.log_lines())
    server.signal(signal.SIGHUP)
    until(lambda: any("log.level" in line for line in server.log_lines()[lines:]), "the bad key is named")
    path.write_text("[log]\nlevel = debug\n")
    lines = len(server.log_lines())
    server.signal(signal.SIGHUP)
    until(lambda: any("reload" in line.lower() for line in server.log_lines()[lines:]), "the outcome is logged")
    lines = len(server.log_lines())
    assert player.ask("PING") == PONG
    player.open_udp()
    player.udp.send(player.update())
    until(lambda: any("debug" in line for line in server.log_lines()[lines:]), "the new level is in force")


def test_many_signals_at_once_do_no_harm(new_server, join_server):
    server = new_server()
    player = join_server(server)
    for _ in range(20):
        server.signal(signal.SIGHUP)
    assert player.ask("PING") == PONG
    server.process.send_signal(signal.SIGPIPE)
    assert player.ask("PING") == PONG
