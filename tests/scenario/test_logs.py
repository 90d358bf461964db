"""Logs: one event a line, readable by machines on request, and never a secret."""
import json
import re
import signal

import pytest

from harness.player import delivered
from harness.waiting import until

PASSWORDS = ["correct horse battery", "wrong horse battery", "stapler!"]


def play(server, join_server, connect, race, unique):
    """A bit of everything, with secrets that are easy to find."""
    first = join_server(server, password=PASSWORDS[0])
    connect(server).ask("NAME", name=first.name, password=PASSWORDS[1])
    second, name = connect(server), unique()
    second.ask("NAME", name=name)
    second.ask("AUTHENTICATE", password=PASSWORDS[2])
    second.ask("AUTHENTICATE", password=PASSWORDS[1])
    first.send("BATCH", messages=[{"command": "NAME", "name": first.name, "password": PASSWORDS[0]}])
    first.line()
    room = first.create_room("Logged Room")
    second.join(room)
    second.ask("START_GAME")
    first.ask_raw(b"not json " + PASSWORDS[0].encode())
    first.ask_raw(b'{"command":"NAME","password":"' + PASSWORDS[0].encode() + b'"')
    first.ask("NOSUCH", password=PASSWORDS[0])
    players = race("legacy", "plain", "gcm", server=server)
    for sender in players:
        delivered(sender, [p for p in players if p is not sender], sender.update(x=1))
    players[0].udp.send_raw(b"nonsense")
    first.ask("BYE")
    return players


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_secret_is_ever_logged(new_server, join_server, connect, race, unique, format, level):
    server = new_server(log__format=format, log__level=level, racing__udp_shared_secret="SharedSecretOfThisTest",
                        tls__password="PfxPasswordOfThisTest")
    players = play(server, join_server, connect, race, unique)
    grant = players[2].grant
    for player in players:
        player.close()
    server.stop()
    log = server.log()
    secrets = [*PASSWORDS, "SharedSecretOfThisTest", "PfxPasswordOfThisTest", grant["c2s"], grant["s2c"]]
    assert [secret for secret in secrets if secret in log] == []
    assert "horse" not in log


@pytest.mark.parametrize("level", ["info", "debug"])
def test_json_logs_are_json_line_by_line(new_server, join_server, connect, race, unique, level):
    server = new_server(log__format="json", log__level=level)
    play(server, join_server, connect, race, unique)
    server.stop()
    lines = server.log_lines()
    assert len(lines) > 5
    for line in lines:
        record = json.loads(line)
        assert isinstance(record, dict), line
        assert any(key in record for key in ("time", "ts", "timestamp")), line
        assert "level" in record, line


def test_connections_and_commands_are_logged_at_info(new_server, connect, unique):
    server = new_server()
    lines = len(server.log_lines())
    player = connect(server)
    until(lambda: len(server.log_lines()) > lines, "the connection is logged")
    lines = len(server.log_lines())
    player.ask("NAME", name=unique(), password="x")
    until(lambda: any("NAME" in line for line in server.log_lines()[lines:]), "the command is logged")
    lines = len(server.log_lines())
    player.close()
    until(lambda: len(server.log_lines()) > lines, "the end of the connection is logged")


def test_datagrams_are_logged_at_debug_only(new_server, race):
    for level in ("info", "debug"):
        server = new_server(log__level=level)
        first, second = race("legacy", "legacy", server=server)
        for i in range(20):
            delivered(first, [second], first.update(x=i))

        def records():
            return sum("racing.datagram" in line for line in server.log_lines())

        if level == "debug":
            until(lambda: records() >= 20, "every datagram has its record")
        else:
            first.close()  # a later record shows that what came before it was written
            until(lambda: any("link.close" in line for line in server.log_lines()), "the end is logged")
            assert records() == 0


def test_quiet_levels(new_server, connect):
    server = new_server(log__level="error")
    connect(server).ask("PING")
    server.stop()
    assert len(server.log_lines()) <= 2, "nothing went wrong"


@pytest.mark.parametrize("format", ["text", "json"])
def test_what_players_write_cannot_forge_a_log_line(new_server, join_server, format):
    server = new_server(log__format=format, log__level="debug")
    evil = "x\r\n2031-01-01 FORGED line\u001b[31m\u2028\u0085 end"
    player = join_server(server)
    player.ask(evil)
    player.ask("CREATE_ROOM", name=evil)
    player.ask("NAME", name=evil, password="x")
    player.ask("RELAY_MESSAGE", targetId=player.id, message=evil)
    player.line()
    player.ask("JOIN_ROOM", roomId=evil)
    player.close()
    server.stop()
    raw = server.log_path.read_bytes()
    assert b"\x1b" not in raw
    for line in server.log_lines():
        assert not line.lstrip().startswith("2031-01-01 FORGED"), line
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", raw), "no control character reaches the terminal"


def test_a_default_secret_is_warned_about(server, new_server):
    server.wait_log("udp_shared_secret", "a warning of the default secret")
    assert "udp_shared_secret" not in new_server(racing__udp_shared_secret="mine").log()


def test_a_reload_that_fails_says_so_in_the_new_file(new_server, tmp_path):
    """What log rotation does: rename the file, then tell the server; here with a configuration that is wrong."""
    path, old = tmp_path / "slipgate.log", tmp_path / "slipgate.log.1"
    server = new_server(start=False, log__file=path)
    server.config = "[racing]\nroom_size = 2\n"
    server.start()
    path.rename(old)
    (server.folder / "slipgate.ini").write_text("[racing]\nroom_size = many\n")
    server.signal(signal.SIGHUP)
    until(path.exists, "a new file is made")
    until(lambda: "config.reload_failed" in path.read_text(), "and told what went wrong")
    assert "config.reload_failed" not in old.read_text()
