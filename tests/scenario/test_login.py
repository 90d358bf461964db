"""Who may be whom: names, passwords, and what a failed attempt leaves untouched."""
import json

import pytest

from harness.messages import (NAME_FIRST, NAME_INVALID, NAME_NEEDED, NAME_TAKEN, NEEDS_LOGIN, PASSWORD_NEEDED,
                              PONG, WRONG_PASSWORD, auth_ok, name_ok)


def assert_refused(line):
    """An answer that says no in a clear text; which of the two commands it uses is not documented."""
    reply = json.loads(line)
    assert reply["command"] in ("ERROR", "AUTH_FAILED") and reply["message"], reply
    assert "," not in reply["message"] and ":" not in reply["message"], "one client splits texts there"


def assert_not_logged_in(player):
    assert player.ask("GET_ROOM_PLAYERS") == NEEDS_LOGIN


def info(player):
    return player.get("PLAYER_INFO")["playerInfo"]


# ---- NAME with a password

def test_first_use_registers_and_later_uses_verify(connect, unique):
    name = unique()
    first = connect()
    assert first.ask("NAME", name=name, password="one") == name_ok(name)
    first.close()
    assert connect().ask("NAME", name=name, password="two") == NAME_TAKEN
    assert connect().ask("NAME", name=name, password="one") == name_ok(name)


def test_wrong_password_while_the_owner_is_online(join_server, connect):
    owner = join_server(password="mine")
    thief = connect()
    assert thief.ask("NAME", name=owner.name, password="guess") == NAME_TAKEN
    assert_not_logged_in(thief)
    assert info(thief)["name"] == "Anonymous"
    owner.nothing_else()


def test_wrong_password_while_the_owner_is_offline_changes_nothing(join_server, connect):
    owner = join_server(password="mine")
    owner.close()
    thief = connect()
    assert thief.ask("NAME", name=owner.name, password="guess") == NAME_TAKEN
    assert_not_logged_in(thief)
    thief.close()
    assert connect().ask("NAME", name=owner.name, password="guess") == NAME_TAKEN, "nothing was overwritten"
    assert connect().ask("NAME", name=owner.name, password="mine") == name_ok(owner.name)


@pytest.mark.parametrize("password", ["", None], ids=repr)
def test_empty_and_null_password_are_as_none(connect, unique, password):
    name, player = unique(), connect()
    assert player.ask("NAME", name=name, password=password) == name_ok(name, False)
    assert_not_logged_in(player)
    assert connect().ask("NAME", name=name, password="real") == name_ok(name), "nothing was claimed"


def test_no_password_claims_nothing(connect, unique):
    name = unique()
    squatter = connect()
    assert squatter.ask("NAME", name=name) == name_ok(name, False)
    assert info(squatter)["name"] == name
    assert connect().ask("NAME", name=name, password="mine") == name_ok(name)
    assert squatter.ask("AUTHENTICATE", password="other") == WRONG_PASSWORD
    assert_not_logged_in(squatter)


def test_no_password_for_a_taken_name_logs_nobody_in(join_server, connect):
    owner = join_server()
    stranger = connect()
    assert stranger.ask("NAME", name=owner.name) == name_ok(owner.name, False)
    assert_not_logged_in(stranger)
    owner.nothing_else()


@pytest.mark.parametrize("password", [5, True, ["x"], {"a": 1}], ids=repr)
def test_a_password_that_is_no_string_logs_nobody_in(connect, unique, password):
    player = connect()
    player.ask("NAME", name=unique(), password=password)
    assert_not_logged_in(player)


def test_names_are_compared_exactly(connect, unique):
    name = unique("Racer")
    assert connect().ask("NAME", name=name, password="a") == name_ok(name)
    other = name.lower()
    assert connect().ask("NAME", name=other, password="b") == name_ok(other)
    assert connect().ask("NAME", name=name, password="b") == NAME_TAKEN


def test_passwords_are_compared_exactly(connect, unique):
    name = unique()
    assert connect().ask("NAME", name=name, password="Pass wörd ") == name_ok(name)
    for guess in ("pass wörd ", "Pass wörd", "Pass word ", " Pass wörd ", "Pass wörd  "):
        assert connect().ask("NAME", name=name, password=guess) == NAME_TAKEN, guess
    assert connect().ask("NAME", name=name, password="Pass wörd ") == name_ok(name)


def test_a_name_may_hold_an_at_sign(connect, unique):
    name = unique("someone@example.org")
    assert connect().ask("NAME", name=name, password="a") == name_ok(name)


def test_two_names_do_not_share_a_password(connect, unique):
    first, second = unique(), unique()
    connect().log_in(first, "alpha")
    connect().log_in(second, "beta")
    assert connect().ask("NAME", name=first, password="beta") == NAME_TAKEN
    assert connect().ask("NAME", name=second, password="alpha") == NAME_TAKEN


# ---- the name Anonymous

@pytest.mark.parametrize("password", [None, "x"])
def test_anonymous_is_nobodys_name(connect, password):
    player = connect()
    fields = {} if password is None else {"password": password}
    assert player.ask("NAME", name="Anonymous", **fields) == NAME_NEEDED
    assert player.ask("AUTHENTICATE", password="x") == NAME_FIRST


def test_other_spellings_of_anonymous_are_names(connect):
    name = "anonymous"
    assert connect().ask("NAME", name=name) == name_ok(name, False)


# ---- AUTHENTICATE

def test_authenticate_before_name(connect):
    player = connect()
    assert player.ask("AUTHENTICATE", password="x") == NAME_FIRST
    assert_not_logged_in(player)


@pytest.mark.parametrize("fields", [{}, {"password": None}], ids=repr)
def test_authenticate_needs_a_password(connect, unique, fields):
    name, player = unique(), connect()
    assert player.ask("NAME", name=name) == name_ok(name, False)
    assert player.ask("AUTHENTICATE", **fields) == PASSWORD_NEEDED
    assert_not_logged_in(player)


@pytest.mark.parametrize("password", [5, False, ["x"], {}], ids=repr)
def test_authenticate_with_a_password_that_is_no_text(connect, unique, password):
    name, player = unique(), connect()
    assert player.ask("NAME", name=name) == name_ok(name, False)
    assert_refused(player.ask("AUTHENTICATE", password=password))
    assert_not_logged_in(player)
    assert connect().ask("NAME", name=name, password="first") == name_ok(name), "nothing was stored"


def test_authenticate_with_an_empty_password(connect, unique):
    name, player = unique(), connect()
    assert player.ask("NAME", name=name) == name_ok(name, False)
    assert player.ask("AUTHENTICATE", password="") == WRONG_PASSWORD
    assert_not_logged_in(player)
    assert connect().ask("NAME", name=name, password="first") == name_ok(name), "nothing was stored"


def test_authenticate_registers_a_new_name(connect, unique):
    name, player = unique(), connect()
    assert player.ask("NAME", name=name) == name_ok(name, False)
    assert player.ask("AUTHENTICATE", password="first") == auth_ok(name)
    player.create_room()
    player.close()
    assert connect().ask("NAME", name=name, password="other") == NAME_TAKEN, "the password was stored"
    assert connect().ask("NAME", name=name, password="first") == name_ok(name)


def test_authenticate_as_the_owner(join_server, connect):
    owner = join_server(password="mine")
    owner.close()
    player = connect()
    assert player.ask("NAME", name=owner.name) == name_ok(owner.name, False)
    assert player.ask("AUTHENTICATE", password="wrong") == WRONG_PASSWORD
    assert_not_logged_in(player)
    assert player.ask("AUTHENTICATE", password="mine") == auth_ok(owner.name)
    player.create_room()


def test_a_failed_authenticate_does_not_demote(join_server):
    player = join_server(password="mine")
    room = player.create_room()
    for password in ("wrong", ""):
        assert player.ask("AUTHENTICATE", password=password) == WRONG_PASSWORD
    assert player.players_in_room() == [(player.id, player.name)]
    assert player.current_room() == room
    assert player.ask("AUTHENTICATE", password="mine") == auth_ok(player.name)


# ---- NAME again

def test_name_again_with_the_same_password(join_server):
    player = join_server(password="mine")
    room = player.create_room()
    assert player.ask("NAME", name=player.name, password="mine") == name_ok(player.name)
    assert player.current_room() == room, "the same person stays where they are"


def test_name_again_switches_identity(join_server, unique):
    player, other = join_server(), unique()
    assert player.ask("NAME", name=other, password="x") == name_ok(other)
    assert info(player)["name"] == other
    player.create_room()


def test_switching_identity_in_a_room_shows_the_new_name(join_server, unique):
    host, player = join_server(), join_server()
    player.join(host.create_room())
    name = unique()
    assert player.ask("NAME", name=name, password="x") == name_ok(name)
    assert host.players_in_room() == [(host.id, host.name), (player.id, name)]


def test_a_failed_name_keeps_the_identity(join_server):
    owner, player = join_server(password="mine"), join_server()
    room = player.create_room()
    assert player.ask("NAME", name=owner.name, password="guess") == NAME_TAKEN
    assert info(player) == {"id": player.id, "name": player.name, "currentRoomId": room}
    assert player.players_in_room() == [(player.id, player.name)]


def test_a_failed_name_keeps_the_flag_of_an_unauthenticated_session(join_server, connect, unique):
    owner, player, name = join_server(), connect(), unique()
    assert player.ask("NAME", name=name) == name_ok(name, False)
    assert player.ask("NAME", name=owner.name, password="guess") == NAME_TAKEN
    assert info(player)["name"] == name
    assert_not_logged_in(player)
    assert player.ask("AUTHENTICATE", password="x") == auth_ok(name), "still speaks for its own name"


def test_name_again_without_password_keeps_the_login_of_the_same_name(join_server):
    player = join_server()
    room = player.create_room()
    assert player.ask("NAME", name=player.name) == name_ok(player.name)
    assert player.current_room() == room


def test_name_again_without_password_ends_the_login_of_another_name(join_server, unique):
    player, other = join_server(), unique()
    assert player.ask("NAME", name=other) == name_ok(other, False)
    assert_not_logged_in(player)


def test_nobody_wears_a_name_in_a_room_that_they_have_not_proven(join_server):
    victim, host, player = join_server(), join_server(), join_server()
    player.join(host.create_room())
    assert player.ask("NAME", name=victim.name) == name_ok(victim.name, False)
    assert victim.name not in [name for _, name in host.players_in_room()]


def test_invalid_names_keep_the_identity(join_server):
    player = join_server()
    for name, reply in (("", NAME_NEEDED), ("Anonymous", NAME_NEEDED), ("x" * 65, NAME_INVALID), ("a\tb", NAME_INVALID)):
        assert player.ask("NAME", name=name, password="x") == reply
    assert info(player)["name"] == player.name
    player.create_room()


# ---- limits

@pytest.mark.parametrize("filler", ["a", "é", "€", "🏎"])
def test_a_name_of_64_bytes(connect, unique, filler):
    stem = unique()
    room = 64 - len(stem)
    name = stem + filler * (room // len(filler.encode()))
    name += "z" * (64 - len(name.encode()))
    assert len(name.encode()) == 64
    player = connect()
    assert player.get("NAME", name=name, password="x") == {
        "command": "NAME_OK", "name": name, "authenticated": True, "udpEncryption": True}


@pytest.mark.parametrize("name", ["a" * 65, "é" * 33, "a" * 1000, "a" * 60000], ids=lambda n: f"{len(n.encode())} bytes")
def test_a_name_of_more_than_64_bytes(connect, name):
    player = connect()
    assert player.ask("NAME", name=name, password="x") == NAME_INVALID
    assert player.ask("NAME", name=name) == NAME_INVALID
    assert_not_logged_in(player)
    assert info(player)["name"] == "Anonymous"


def test_a_name_of_one_byte(connect):
    assert connect().ask("NAME", name="q", password="x") == name_ok("q")


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "a\rb", "\x1b[31m", "a\x7fb", "a\tb"], ids=repr)
def test_control_characters_in_a_name(connect, name):
    player = connect()
    assert player.ask("NAME", name=name, password="x") == NAME_INVALID
    assert_not_logged_in(player)


def test_a_lone_surrogate_in_a_name(connect):
    player = connect()
    assert_refused(player.ask_raw(b'{"command":"NAME","name":"a\\ud800b","password":"x"}'))
    assert_not_logged_in(player)


@pytest.mark.parametrize("size", [1, 71, 72])
def test_passwords_up_to_72_bytes(connect, unique, size):
    name, password = unique(), "p" * size
    assert connect().ask("NAME", name=name, password=password) == name_ok(name)
    assert connect().ask("NAME", name=name, password=password) == name_ok(name)
    assert connect().ask("NAME", name=name, password="p" * (size - 1) + "q") == NAME_TAKEN, "every byte counts"


def test_nobody_in_a_room_is_unproven(join_server, unique):
    """A name without a password takes its wearer out of the room, silently."""
    host, player = join_server(), join_server()
    player.join(host.create_room())
    assert player.ask("NAME", name=unique())
    assert info(player)["currentRoomId"] is None
    assert host.players_in_room() == [(host.id, host.name)]
    host.nothing_else()


def test_a_host_who_gives_up_their_name_hands_the_room_on(join_server, unique):
    host, guest = join_server(), join_server()
    room = host.create_room()
    guest.join(room)
    assert host.ask("NAME", name=unique())
    assert guest.rooms()[room] == {"id": room, "name": "Oval", "playerCount": 1, "isActive": False,
                                   "hostId": guest.id}


@pytest.mark.parametrize("password", ["p" * 73, "é" * 37, "p" * 5000], ids=lambda p: f"{len(p.encode())} bytes")
def test_passwords_over_72_bytes_are_refused_not_cut(connect, unique, password):
    name, player = unique(), connect()
    assert_refused(player.ask("NAME", name=name, password=password))
    assert_not_logged_in(player)
    player.nothing_else()
    assert connect().ask("NAME", name=name, password=password[:30]) == name_ok(name), "nothing was stored"


def test_a_longer_password_never_opens_an_account_by_its_first_72_bytes(connect, unique):
    name = unique()
    connect().log_in(name, "p" * 72)
    player = connect()
    assert_refused(player.ask("NAME", name=name, password="p" * 73))
    assert_not_logged_in(player)
    assert player.ask("NAME", name=name) == name_ok(name, False)
    assert_refused(player.ask("AUTHENTICATE", password="p" * 73))
    assert_not_logged_in(player)


@pytest.mark.parametrize("password", ["\x00", "abc\x00", "abc\x00def"], ids=repr)
def test_nul_in_a_password_is_refused_not_cut(connect, unique, password):
    name, player = unique(), connect()
    assert_refused(player.ask("NAME", name=name, password=password))
    assert_not_logged_in(player)
    connect().log_in(name, "abc")
    again = connect()
    assert_refused(again.ask("NAME", name=name, password=password))
    assert_not_logged_in(again)


def test_refusals_leave_the_connection_usable(connect, unique):
    player, name = connect(), unique()
    for fields in ({"name": "x" * 65}, {"name": name, "password": "p" * 73}, {"name": 5}, {}):
        player.ask("NAME", **fields)
    assert player.ask("PING") == PONG
    assert player.ask("NAME", name=name, password="fine") == name_ok(name)
