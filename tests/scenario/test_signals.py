"""SIGTERM drains, a second one ends at once, SIGHUP reloads."""
import signal
import time

import pytest

from harness.messages import PONG
from harness.player import Closed
from harness.waiting import until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_empty_server_ends_at_once(new_server, number):
    server = new_server(server__drain_timeout_s=30)
    start = time.monotonic()
    server.signal(number)
    assert server.wait_exit() == 0
    assert time.monotonic() - start < 5


def test_a_drain_ends_when_its_time_is_over(new_server, join_server):
    server = new_server(server__drain_timeout_s=2)
    player = join_server(server)
    player.create_room()
    start = time.monotonic()
    server.signal(signal.SIGTERM)
    player.closing()
    assert server.wait_exit() == 0
    assert time.monotonic() - start < 8


def test_a_drain_ends_when_the_last_player_has_left(new_server, join_server):
    server = new_server(server__drain_timeout_s=60)
    player = join_server(server)
    server.signal(signal.SIGTERM)
    until(lambda: server.http_status("/readyz") in (503, None), "no longer ready")
    player.close()
    assert server.wait_exit(20) == 0


def test_while_draining_nobody_new_is_let_in_and_readyz_says_so(new_server, join_server, connect):
    server = new_server(server__drain_timeout_s=60)
    player = join_server(server)
    server.signal(signal.SIGTERM)
    until(lambda: server.http_status("/readyz") in (503, None), "no longer ready")
    if server.process.poll() is None and server.http_status("/healthz") is not None:
        assert server.http_status("/healthz") == 200, "alive all the same"
    with pytest.raises((OSError, Closed, AssertionError)):
        late = connect(server)
        late.log_in("late-player")
    player.close()
    assert server.wait_exit(20) == 0


def test_a_second_signal_ends_it_at_once(new_server, join_server):
    server = new_server(server__drain_timeout_s=120)
    join_server(server).create_room()
    server.signal(signal.SIGTERM)
    until(lambda: server.http_status("/readyz") in (503, None), "draining")
    start = time.monotonic()
    if server.process.poll() is None:
        server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert time.monotonic() - start < 5


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
    assert player.ask("PING") == PONG


def test_many_signals_at_once_do_no_harm(new_server, join_server):
    server = new_server()
    player = join_server(server)
    for _ in range(20):
        server.signal(signal.SIGHUP)
    assert player.ask("PING") == PONG
    server.process.send_signal(signal.SIGPIPE)
    assert player.ask("PING") == PONG
