"""Accounts made, changed and deleted by operators, with the server running and stopped."""
import hashlib
import json
import subprocess
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


def one_time_code(key, later=0):
    """What an authenticator app shows, so many steps of 30 s from now."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + 30 * later))
    return subprocess.run(["oathtool", "--totp", "--base32", "--now", now, key], capture_output=True, text=True,
                          check=True).stdout.strip()


WRONG = {"command": "AUTH_FAILED", "message": "Invalid one-time code."}


def test_a_second_factor_is_enrolled_used_and_taken_away(operator, connect, unique):
    name, password = unique(), "a long enough phrase"

    def enter(said=password, **extra):
        return connect().get("NAME", name=name, password=said, **extra)
    operator.account(name, password, "--level", "2")
    token = enter(resume="")["resumeToken"]
    made = operator.ask("account", "otp-enrol", name)
    assert made["uri"].startswith("otpauth://totp/") and made["key"] in made["uri"]
    assert len(set(made["recovery_codes"])) == 10
    assert operator.ask("account", "show", name)["second_factor"] is True
    assert connect().get("NAME", name=name, resume=token)["message"] == "Invalid resume token.", "made without a code"
    assert enter() == {"command": "AUTH_FAILED", "message": "A one-time code is required."}
    code = one_time_code(made["key"])
    assert enter(otp=f"{(int(code) + 1) % 1000000:06}") == WRONG
    assert enter("a wrong phrase indeed", otp=code)["command"] == "AUTH_FAILED"
    assert enter(otp=code)["command"] == "NAME_OK"
    assert enter(otp=code) == WRONG, "good once"
    later = one_time_code(made["key"], 1)
    token = enter(f"{password} {later}", resume="")["resumeToken"]
    assert enter(f"{password} {later}") == WRONG
    recovery = made["recovery_codes"][3]
    assert enter(otp=recovery)["command"] == "NAME_OK"
    assert enter(otp=recovery) == WRONG
    assert enter(f"{password} {made['recovery_codes'][4].upper()}")["command"] == "NAME_OK"
    again = operator.ask("account", "otp-enrol", name)
    assert again["key"] != made["key"]
    assert enter(otp=made["recovery_codes"][5]) == WRONG, "the old ones went"
    assert connect().get("NAME", name=name, resume=token)["message"] == "Invalid resume token."
    token = enter(otp=one_time_code(again["key"]), resume="")["resumeToken"]
    operator.ask("account", "otp-disable", name)
    assert connect().get("NAME", name=name, resume=token)["message"] == "Invalid resume token."
    assert enter()["command"] == "NAME_OK"
    assert operator.ask("account", "show", name)["second_factor"] is False


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_staff_without_a_second_factor_where_it_is_required(new_server, connect, running):
    server = new_server(accounts__staff_second_factor="required")
    operator, password = Operator(server), "a long enough phrase"
    operator.account("boss", password, "--admin")
    assert connect(server).get("NAME", name="boss", password=password) == {
        "command": "AUTH_FAILED",
        "message": "This account has to set up a second factor first. Ask the operator of the server."}
    assert connect(server).get("NAME", name="player", password="pw")["command"] == "NAME_OK", "players need none"
    if not running:
        server.stop()
    shown = operator.run("account", "otp-enrol", "boss").stdout
    assert "uri: otpauth://totp/" in shown and shown.count("-") >= 30
    key = next(line.removeprefix("key: ") for line in shown.splitlines() if line.startswith("key: "))
    if not running:
        server.restart()
    assert connect(server).get("NAME", name="boss", password=password, otp=one_time_code(key))["command"] == "NAME_OK"


def test_secrets_are_shown_once(operator, unique, server):
    name = unique()
    operator.account(name, "a long enough phrase")
    made = operator.ask("account", "otp-enrol", name)
    held = operator.run("account", "export", name).stdout + operator.run("account", "show", name).stdout
    for secret in (made["key"], *made["recovery_codes"]):
        assert secret not in held and secret not in server.log()


def test_an_export_holds_everything(operator, join_server, connect, unique):
    """Sessions, tokens, addresses, grants, and what others did to the account; no secret, and no staff's address."""
    player, boss = join_server(), unique()
    operator.account(boss, "a long enough phrase", "--admin")
    admin = connect().log_in(boss, "a long enough phrase")
    made = connect().get("NAME", name=player.name, password="pw", resume="")
    operator.ask("account", "grant", player.name, "team")
    answer = admin.get("RELAY_MESSAGE", targetId=admin.id, message=f"/mute {player.name} allchars")
    assert answer["message"] == "Muted in every game."
    text = operator.run("account", "export", player.name).stdout
    held = json.loads(text)
    assert [t["game"] for t in held["tokens"]] == ["racing"]
    assert held["tokens"][0]["expires_ms"] > held["tokens"][0]["created_ms"]
    assert set(held["tokens"][0]) == {"game", "created_ms", "expires_ms"} and held["sessions"] == []
    assert len(held["addresses"]) == 1 and [g["command"] for g in held["grants"]] == ["team"]
    about = [r for r in held["audit"] if r["role"] == "target"]
    assert {"PermissionGranted"} <= {r["subtype"] for r in about} and any("/mute" in r["details"] for r in about)
    assert all("address" not in r and "player" not in r for r in about)
    assert any(r["role"] == "actor" and r["address"] == "127.0.0.1" for r in held["audit"]), held["audit"]
    assert made["resumeToken"] not in text
    assert hashlib.sha256(made["resumeToken"].encode()).hexdigest() not in text
