"""Accounts made, changed and deleted by operators, with the server running and stopped."""
import base64
import hashlib
import hmac
import json
import time

import pytest

from harness.operator import Operator


@pytest.fixture(scope="module")
def operator(server):
    return Operator(server)


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_the_first_administrator(new_server, connect, running):
    """There are no credentials to begin with: whoever owns the machine makes the first."""
    server = new_server(start=running)
    operator = Operator(server)
    made = operator.account("boss", "a long enough phrase", "--admin")
    assert made["level"] == 3
    if not running:
        server.start()
    assert connect(server).get("NAME", name="boss", password="a long enough phrase")["command"] == "NAME_OK"
    assert operator.ask("account", "show", "boss")["level"] == 3
    for change in (["suspend", "boss"], ["set", "boss", "--level", "1"], ["delete", "boss", "--yes"]):
        assert "no admin" in operator.refused("account", *change)


def test_passwords_are_never_arguments(operator):
    assert "--password" not in [w for w in operator.run("account", "--help").stdout.split()]


@pytest.mark.parametrize("password,options,good", [
    ("x" * 7, [], False), ("x" * 8, [], True), ("x" * 72, [], True), ("x" * 73, [], False),
    ("x" * 11, ["--level", "2"], False), ("x" * 12, ["--level", "2"], True), ("x" * 11, ["--admin"], False)])
def test_lengths_of_passwords(operator, unique, password, options, good):
    done = operator.run("account", "create", unique(), "--password-stdin", *options, stdin=password + "\n")
    assert done.returncode == (0 if good else 1) and ("password" in done.stderr) != good


def test_one_name_and_one_email(operator, unique):
    name, other = unique(), unique()
    operator.account(name, "long enough", "--email", f"{name}@example.org")
    assert "name already" in operator.refused("account", "create", name, "--password-stdin", stdin="long enough\n")
    assert "email" in operator.refused("account", "create", other, "--password-stdin", "--email",
                                       f"{name}@EXAMPLE.org", stdin="long enough\n")
    assert operator.ask("account", "show", f"{name}@example.org")["name"] == name
    assert "no email" in operator.refused("account", "set", name, "--email", "nobody")


def test_what_is_set_is_shown(operator, unique):
    name = unique()
    operator.account(name, "long enough")
    operator.ask("account", "set", name, "--display-name", "Ann \u00e9", "--notes", "likes\ncars")
    operator.ask("account", "mute", name)
    shown = operator.ask("account", "show", name)
    assert (shown["display_name"], shown["notes"], shown["muted"]) == ("Ann \u00e9", "likes\ncars", True)
    listed = operator.ask("account", "list", "--after", name[:-1], "--most", "500")["rows"]
    assert name in [row["name"] for row in listed]


def test_a_suspended_player_is_out(operator, join_server, connect):
    player = join_server()
    operator.ask("account", "suspend", player.name)
    assert player.closing() == [b'{"command":"BYE_ADMIN","message":"This account is suspended"}']
    assert connect().get("NAME", name=player.name, password="pw")["command"] != "NAME_OK"
    operator.ask("account", "unsuspend", player.name)
    assert connect().get("NAME", name=player.name, password="pw")["command"] == "NAME_OK"


def test_a_new_password_ends_sessions(operator, join_server, connect):
    player = join_server()
    operator.run("account", "password", player.name, "--password-stdin", stdin="another one\n")
    assert player.closing() == [b'{"command":"BYE_ADMIN","message":"Signed out"}']
    assert connect().get("NAME", name=player.name, password="pw")["command"] == "AUTH_FAILED"
    assert connect().get("NAME", name=player.name, password="another one")["command"] == "NAME_OK"


def test_a_muted_player_says_nothing_to_others(operator, join_server):
    player, other = join_server(), join_server()
    operator.ask("account", "mute", player.name)
    assert player.get("RELAY_MESSAGE", targetId=other.id, message="hi") == {"command": "ERROR",
                                                                           "message": "You are muted."}
    operator.ask("account", "unmute", player.name)
    assert player.get("RELAY_MESSAGE", targetId=other.id, message="hi")["command"] == "RELAY_OK"
    other.line()


def test_what_is_held_is_exported_and_then_gone(operator, join_server, connect):
    player = join_server()
    operator.ask("account", "set", player.name, "--email", f"{player.name}@example.org")
    held = json.loads(operator.run("account", "export", player.name).stdout)
    assert held["email"] == f"{player.name}@example.org" and held["audit_complete"] is True
    assert {"statistics", "addresses", "grants", "bans", "audit"} <= set(held)
    operator.ask("account", "delete", player.name, "--yes")
    assert player.closing()[-1] == b'{"command":"BYE_ADMIN","message":"Signed out"}'
    assert "no such account" in operator.refused("account", "show", player.name)
    assert connect().get("NAME", name=player.name, password="somebody new")["command"] == "NAME_OK"


def one_time_code(key):
    """RFC 6238 with what every authenticator app takes for granted."""
    step = int(time.time()) // 30
    mac = hmac.new(base64.b32decode(key), step.to_bytes(8, "big"), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7fffffff) % 1000000:06}"


def test_a_second_factor_is_enrolled_used_and_taken_away(operator, connect, unique):
    name, password = unique(), "a long enough phrase"
    operator.account(name, password, "--level", "2")
    made = operator.ask("account", "otp-enrol", name)
    assert made["uri"].startswith("otpauth://totp/") and made["key"] in made["uri"]
    assert len(set(made["recovery_codes"])) == 10
    assert operator.ask("account", "show", name)["second_factor"] is True
    assert connect().get("NAME", name=name, password=password)["command"] != "NAME_OK"
    code = one_time_code(made["key"])
    assert connect().get("NAME", name=name, password=password, otp=code)["command"] == "NAME_OK"
    recovery = made["recovery_codes"][3]
    assert connect().get("NAME", name=name, password=password, otp=recovery)["command"] == "NAME_OK"
    assert connect().get("NAME", name=name, password=password, otp=recovery)["command"] != "NAME_OK"
    operator.ask("account", "otp-disable", name)
    assert connect().get("NAME", name=name, password=password)["command"] == "NAME_OK"
