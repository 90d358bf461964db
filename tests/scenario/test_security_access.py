"""Who gets in and who may do what, each with its trail in the audit log. The tests the security document asks for:

| it wants shown | here |
|---|---|
| the right name and password sign in and give a session | test_the_right_password_signs_in |
| a wrong password is refused, and the attempt kept | test_a_wrong_password_is_refused_and_kept |
| an account that is in use is refused a second login, with a word of why | test_a_second_login_is_refused_with_a_word_of_why |
| a player who tries a game master's command is denied, and the attempt kept | test_a_player_is_denied_what_is_a_game_masters |
| a game master uses players' and game masters' commands, and they are kept | test_a_game_master_does_both |

Its tests of cheating: test_security_cheating.py. Guessing, bans and commands one by one: test_login*.py, test_bans.py,
test_moderation.py.
"""
import json

import pytest

from harness.messages import NAME_TAKEN, NEEDS_LOGIN, PONG, name_ok, wire
from harness.operator import Operator
from harness.waiting import until

PASSWORD = "a long enough phrase"
IN_USE = wire({"command": "AUTH_FAILED", "message": "This player is already signed in."})
SETTINGS = {"racing__single_login": "refuse"}


@pytest.fixture(scope="module")
def operator(server):
    return Operator(server)


@pytest.fixture
def kept(operator):
    """Waits for the audit records of this subtype or type about an account, and returns them."""
    def find(n, account, *filters):
        def enough():
            done = operator.run("audit", "list", "--json", "--account", account, *filters)
            assert done.returncode == 0, done
            found = [json.loads(line) for line in done.stdout.splitlines()]
            return found if len(found) >= n else None
        return until(enough, f"{n} records of {account} {filters}")
    return find


def say(player, line):
    answer = player.get("RELAY_MESSAGE", targetId=player.id, message=line)
    assert player.get("PING")["command"] == "RELAY_OK"
    assert player.line() == PONG
    return answer["message"]


# ---- authentication

def test_the_right_password_signs_in(operator, connect, unique, kept):
    name = unique()
    operator.account(name, PASSWORD)
    player = connect()
    assert player.ask("CREATE_ROOM", name="Oval") == NEEDS_LOGIN
    assert player.ask("NAME", name=name, password=PASSWORD) == name_ok(name)
    player.create_room()
    assert [each for each in operator.ask("session", "list")["rows"] if each["name"] == name]
    [record] = kept(1, name, "--subtype", "AccountLogin")
    assert (record["details"], record["address"], record["game"]) == ("Success", "127.0.0.1", "racing")
    assert operator.ask("account", "show", name)["last_address"] == "127.0.0.1"


def test_a_wrong_password_is_refused_and_kept(operator, connect, unique, kept, server):
    name = unique()
    operator.account(name, PASSWORD)
    player = connect()
    assert player.ask("NAME", name=name, password="not " + PASSWORD) == NAME_TAKEN
    assert player.ask("CREATE_ROOM", name="Oval") == NEEDS_LOGIN
    [record] = kept(1, name, "--subtype", "AccountLogin")
    assert (record["details"], record["address"]) == ("Failed - Invalid password", "127.0.0.1")
    assert PASSWORD not in server.log() and PASSWORD not in json.dumps(record)


def test_a_second_login_is_refused_with_a_word_of_why(operator, connect, unique, kept):
    name = unique()
    operator.account(name, PASSWORD)
    first = connect().log_in(name, PASSWORD)
    room = first.create_room()
    second = connect()
    assert second.ask("NAME", name=name, password=PASSWORD) == IN_USE
    assert second.ask("CREATE_ROOM", name="Oval") == NEEDS_LOGIN
    assert first.current_room() == room, "the first is not disturbed"
    assert [each["details"] for each in kept(2, name, "--subtype", "AccountLogin")][0] == "Success"
    first.close()
    until(lambda: second.ask("NAME", name=name, password=PASSWORD) == name_ok(name), "the name is free")


# ---- authorization

def test_a_player_is_denied_what_is_a_game_masters(join_server, kept):
    player, victim = join_server(), join_server()
    lines = [f"/kick {victim.name}", f"/ban account {victim.name}", f"/mute {victim.name}", "/announce send hello",
             f"/plvl 3 {player.name}"]
    for line in lines:
        assert say(player, line) == f"No such command ({line[1:].split()[0]})"
    victim.nothing_else()
    records = kept(5, player.name, "--subtype", "UnauthorizedAccess")
    assert [each["details"].split()[0].lstrip("/") for each in records] == ["kick", "ban", "mute", "announce", "plvl"]
    assert {each["type"] for each in records} == {"Security"}


def test_a_game_master_does_both(operator, connect, join_server, unique, kept):
    name, victim = unique(), join_server()
    operator.account(name, PASSWORD, "--level", "2")
    master = connect().log_in(name, PASSWORD)
    room = master.create_room()
    assert master.current_room() == room
    assert master.ask("PING") == PONG
    assert say(master, f"/mute {victim.name}") == "Muted."
    assert say(master, f"/kick {victim.name}") == "Kicked."
    assert b"BYE_ADMIN" in victim.closing()[-1]
    assert say(master, f"/plvl 3 {name}") == "No such command (plvl)", "that is an administrator's"
    records = kept(2, name, "--type", "GMCommand")
    assert [each["details"] for each in records][:2] == [f"/mute {victim.name}", f"/kick {victim.name}"]
    assert kept(1, name, "--subtype", "UnauthorizedAccess")[0]["details"].lstrip("/").startswith("plvl")
