"""The control socket and the subcommands that use it."""
import contextlib
import json
import os
import signal
import socket
import stat

import pytest

from harness.operator import Operator, exchange
from harness.server import run
from harness.waiting import until

SETTINGS = {"log__level": "info"}


@pytest.fixture(scope="module")
def operator(server):
    return Operator(server)


def request(command, **arguments):
    return json.dumps({"command": command, "arguments": arguments}).encode() + b"\n"


def test_the_socket_is_the_servers_alone(operator):
    mode = os.stat(operator.path).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_another_user_is_sent_away_and_it_is_audited(operator, server):
    """The folder's mode keeps others out already; this is who got past it."""
    server.data_dir.chmod(0o711)
    server.folder.chmod(0o711)
    operator.path.chmod(0o666)
    script = f"""import socket, os
os.setgroups([]); os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX); s.connect({str(operator.path)!r})
print(s.recv(10))"""
    import subprocess
    parents = [p for p in operator.path.parents if not p.stat().st_mode & 0o001]
    before = [(p, p.stat().st_mode) for p in parents]
    try:
        for folder in parents:
            folder.chmod(folder.stat().st_mode | 0o001)
        done = subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, text=True, check=False)
    finally:
        for folder, mode in before:
            folder.chmod(mode & 0o7777)
        operator.path.chmod(0o600)
    assert done.stdout == "b''\n", done
    server.wait_log(r"control\.refused .*uid=65534")
    server.wait_log(r"audit\.security .*UnauthorizedAccess.*control socket")


@pytest.mark.parametrize("line,error", [
    (b"\n", "one JSON object a line"), (b"[]\n", "one JSON object"), (b"{}\n", "command"),
    (b'{"command":1}\n', "command"), (b'{"command":"status","more":1}\n', "command"),
    (b'{"command":"status","command":"status"}\n', "command"), (b'{"command":"fly"}\n', "no such command"),
    (b'{"command":"status "}\n', "no such command"), (b'{"command":"status","arguments":[]}\n', "command"),
    (b'{"command":"status","arguments":{"x":1}}\n', '"x"'), (b'{"command":"ban remove","arguments":{}}\n', "id"),
    (b'{"command":"ban remove","arguments":{"id":"7"}}\n', "id"),
    (b'{"command":"ban remove","arguments":{"id":7.5}}\n', "id"),
    (b'{"command":"account show","arguments":{"name":"a\\u0000b"}}\n', "name"),
    (b'{"command":"account show","arguments":{"name":"a","name":"b"}}\n', "name"),
    (b'{"command":"account show","arguments":{"name":"\xff"}}\n', "JSON"),
], ids=range(16))
def test_what_is_no_request_is_said_to_be(operator, line, error):
    with operator.connect() as link:
        answer = exchange(link, line)
        assert answer["ok"] is False and error in answer["error"], answer
        assert exchange(link, request("status"))["ok"] is True


def test_requests_are_answered_in_turn(operator):
    with operator.connect() as link:
        link.sendall(request("account list") + request("fly") + request("status"))
        lines = b""
        while lines.count(b"\n") < 3:
            lines += link.recv(65536)
        answers = [json.loads(line) for line in lines.splitlines()]
        assert [a["ok"] for a in answers] == [True, False, True] and "rows" in answers[0]["result"]
        assert "version" in answers[2]["result"]


def test_a_line_at_its_limit_and_one_past_it(operator):
    frame = len(request("command", line=""))
    with operator.connect() as link:
        answer = exchange(link, request("command", line="x" * (65536 - frame + 1)))
        assert answer["ok"] is False and "1024" in answer["error"]
        assert exchange(link, request("status"))["ok"] is True
    with operator.connect() as link:
        assert "too long" in exchange(link, request("command", line="x" * (65536 - frame + 2)))["error"]
        assert link.recv(10) == b""


def test_sixteen_connections_and_one_more(operator):
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(operator.connect()) for _ in range(16)]
        assert all(exchange(link, request("status"))["ok"] for link in links)
        with operator.connect() as extra:
            assert "too many" in exchange(extra, b"")["error"]
        assert "too many connections" in operator.run("status").stderr
        links.pop().close()

        def room():
            try:
                with operator.connect() as link:
                    return exchange(link, request("status"))["ok"]
            except (BrokenPipeError, ConnectionResetError):
                return False  # it was refused before it had asked
        until(room, "a place for another connection")
    until(lambda: operator.run("status").returncode == 0, "room again")


def test_status_says_who_is_there(operator, join_server, server):
    player = join_server()
    player.create_room()
    status = operator.ask("status")
    assert status["state"] == "running" and status["pid"] == server.pid and status["store"] is True
    assert status["services"][0]["name"] == "racing" and status["services"][0]["signed_in"] >= 1
    assert "version: " in operator.run("status").stdout


def test_rooms_are_listed_and_closed(operator, join_server):
    player = join_server()
    room = player.create_room("Oval\x7e")
    [row] = [r for r in operator.ask("room", "list")["rows"] if r["room"] == room]
    assert row == {"room": room, "game": "racing", "name": "Oval~", "players": 1, "active": False, "host": player.id}
    assert "no such room" in operator.refused("room", "close", "0" * 32)
    operator.ask("room", "close", room)
    assert b"ROOM_CLOSED" in player.line()
    assert player.current_room() is None


def test_sessions_are_listed_and_ended(operator, join_server):
    player = join_server()
    [row] = operator.ask("session", "list", "--name", player.name)["rows"]
    assert row["session"] == player.id and row["game"] == "racing" and row["level"] == 1 and row["account"] > 0
    operator.ask("session", "kick", player.id, "--reason", "Out, please")
    assert player.closing() == [b'{"command":"BYE_ADMIN","message":"Out  please"}']
    assert "no such session" in operator.refused("session", "kick", player.id)
    assert "which session" in operator.refused("session", "kick-all")


def test_bans_end_sessions_and_keep_players_out(operator, join_server, connect):
    player = join_server()
    ban = operator.ask("ban", "add", player.name, "--reason", "bots", "--for-s", "3600")
    assert player.closing()[-1].startswith(b'{"command":"BYE_ADMIN"')
    [row] = [r for r in operator.ask("ban", "list")["rows"] if r["id"] == ban["id"]]
    assert row["reason"] == "bots" and row["expires_ms"] - row["created_ms"] == 3600_000
    assert connect().get("NAME", name=player.name, password="pw")["command"] != "NAME_OK"
    operator.ask("ban", "remove", ban["id"])
    assert "no such ban" in operator.refused("ban", "remove", ban["id"])
    until(lambda: connect().get("NAME", name=player.name, password="pw")["command"] == "NAME_OK", "let in again")
    assert "whom" in operator.refused("ban", "add")
    assert "network" in operator.refused("ban", "add", "--address", "1.2.3.4/99")


def test_bans_travel_as_lines(operator, tmp_path):
    operator.ask("ban", "add", "--address", "203.0.113.0/24", "--reason", 'quoted "so"')
    lines = operator.run("ban", "export").stdout
    assert '"network":"203.0.113.0/24"' in lines
    (tmp_path / "bans").write_text(lines + "nonsense\n")
    done = operator.run("ban", "import", tmp_path / "bans", "--json")
    assert done.returncode == 1 and "line" in done.stderr
    assert json.loads(done.stdout) == {"added": lines.count("\n"), "refused": 1}


def test_a_reload_says_what_is_wrong(new_server, tmp_path):
    server = new_server(config="[log]\nlevel = info\n")
    operator = Operator(server)
    assert operator.run("reload").returncode == 0
    (server.folder / "slipgate.ini").write_text("[log]\nlevel = loud\n")
    assert "log.level" in operator.refused("reload")


def test_a_drain_with_stop_ends_the_server(new_server):
    server = new_server()
    operator = Operator(server)
    assert operator.run("drain", "--stop").returncode == 0
    assert server.wait_exit() == 0
    assert not operator.path.exists()


def test_no_server_is_said(new_server):
    operator = Operator(new_server(start=False))
    for command in (["status"], ["room", "list"], ["ban", "list"], ["account", "why", "a", "kick"], ["drain"]):
        error = operator.refused(*command)
        assert error.startswith(f"no server is running in {operator.server.data_dir}") and "--set data.dir=" in error


def test_what_a_killed_server_left_is_replaced_and_a_live_one_stays(new_server):
    server = new_server()
    operator = Operator(server)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server._forget()
    server.checked = True
    assert operator.path.exists()
    assert "no server is running" in operator.refused("status")
    server.start()
    assert operator.ask("status")["pid"] == server.pid
    with socket.socket(socket.AF_UNIX) as other:
        with pytest.raises(OSError):
            other.bind(str(operator.path))


@pytest.mark.parametrize("arguments", [["account"], ["account", "fly"], ["account", "show"], ["account", "show", "a", "b"],
                                       ["ban"], ["ban", "remove", "x"], ["room", "shut"], ["session"], ["command"],
                                       ["status", "now"], ["account", "delete", "joe"], ["account", "set", "joe"]],
                         ids=" ".join)
def test_wrong_use(operator, arguments):
    operator.refused(*arguments, code=2)


def test_help_names_every_verb():
    for command in ("account", "ban", "session", "room", "command", "reload", "drain", "status"):
        done = run(command, "--help")
        assert done.returncode == 0 and command in done.stdout and "--json" in done.stdout
