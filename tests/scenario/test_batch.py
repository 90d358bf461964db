"""BATCH: several commands in one line, each answered as if it had come alone."""
import json

import pytest

from harness.messages import (BATCH_IN_BATCH, BATCH_TOO_LONG, BYE_OK, INVALID_JSON, NEEDS_LOGIN, PONG, name_ok,
                              wire)

PING = {"command": "PING"}


def test_elements_are_answered_in_order(connect):
    player = connect()
    player.send("BATCH", messages=[PING, {"command": "FOO"}, {"command": "PLAYER_INFO"}, PING])
    assert player.line() == PONG
    assert player.line() == wire({"command": "UNKNOWN_COMMAND", "originalCommand": "FOO"})
    assert json.loads(player.line())["playerInfo"]["id"] == player.id
    assert player.line() == PONG
    player.nothing_else()


def test_letter_case(connect):
    player = connect()
    assert player.ask("batch", messages=[{"command": "ping"}]) == PONG


def test_32_elements(connect):
    player = connect()
    player.send("BATCH", messages=[PING] * 32)
    assert [player.line() for _ in range(32)] == [PONG] * 32
    player.nothing_else()


def test_33_elements_are_refused_whole(connect):
    player = connect()
    assert player.ask("BATCH", messages=[PING] * 33) == BATCH_TOO_LONG
    player.nothing_else()


def test_no_elements_no_replies(connect):
    player = connect()
    player.send("BATCH", messages=[])
    player.nothing_else()


@pytest.mark.parametrize("fields", [{}, {"messages": None}, {"messages": {}}, {"messages": "x"}, {"messages": 3}], ids=repr)
def test_messages_must_be_an_array(connect, fields):
    player = connect()
    assert player.ask("BATCH", **fields) == INVALID_JSON
    player.nothing_else()


def test_elements_that_are_no_commands(connect):
    player = connect()
    player.send("BATCH", messages=[5, PING, [], "x", None, {"command": 5}, {}, {"command": None}, PING])
    expected = [INVALID_JSON, PONG, INVALID_JSON, INVALID_JSON, INVALID_JSON, INVALID_JSON, PONG]
    assert [player.line() for _ in expected] == expected
    player.nothing_else()


def test_a_batch_in_a_batch_is_refused_and_the_rest_goes_on(connect):
    player = connect()
    player.send("BATCH", messages=[PING, {"command": "BATCH", "messages": [PING, PING]}, PING])
    assert player.line() == PONG
    assert player.line() == BATCH_IN_BATCH
    assert player.line() == PONG
    player.nothing_else()


def test_the_batch_needs_no_login_but_its_elements_do(connect):
    player = connect()
    player.send("BATCH", messages=[{"command": "CREATE_ROOM", "name": "x"}, PING])
    assert [player.line(), player.line()] == [NEEDS_LOGIN, PONG]


def test_a_login_inside(connect, unique):
    player, name = connect(), unique()
    player.send("BATCH", messages=[PING, {"command": "NAME", "name": name, "password": "x"},
                                   {"command": "CREATE_ROOM", "name": "Oval"}, {"command": "LEAVE_ROOM"}, PING])
    player.send("PING")
    assert player.line() == PONG
    assert player.line() == name_ok(name)
    created = json.loads(player.line())
    assert created["command"] == "ROOM_CREATED"
    assert player.line() == wire({"command": "LEAVE_OK", "roomId": created["roomId"]})
    assert [player.line(), player.line()] == [PONG, PONG]


def test_two_logins_inside_and_a_batch_behind_them(connect, unique):
    player, first, second = connect(), unique(), unique()
    login = [{"command": "NAME", "name": n, "password": "x"} for n in (first, second)]
    player.send_raw(wire({"command": "BATCH", "messages": [login[0], PING, login[1], PING]}) + b"\n"
                    + wire({"command": "BATCH", "messages": [{"command": "PLAYER_INFO"}]}) + b"\n")
    assert [player.line() for _ in range(4)] == [name_ok(first), PONG, name_ok(second), PONG]
    assert json.loads(player.line())["playerInfo"]["name"] == second


def test_bye_inside_ends_it(connect):
    player = connect()
    player.send("BATCH", messages=[PING, {"command": "BYE"}, PING])
    assert player.closing() == [PONG, BYE_OK]


def test_a_game_is_started_from_a_batch(join_server):
    player = join_server()
    player.send("BATCH", messages=[{"command": "CREATE_ROOM", "name": "Oval"}, {"command": "START_GAME"}])
    commands = [json.loads(player.line())["command"] for _ in range(3)]
    assert commands == ["ROOM_CREATED", "GAME_STARTED", "GAME_STARTED"]


def test_duplicate_keys_and_case_inside_elements(connect):
    player = connect()
    player.send_line(b'{"command":"BATCH","messages":[5],"messages":[{"command":"BYE","command":"ping"}]}')
    assert player.line() == PONG
    player.nothing_else()


def test_many_batches_in_a_row_are_all_answered(connect):
    """More commands than may be handled at once: the rest is delayed, wherever a batch is when the rate is reached."""
    player = connect()
    for _ in range(5):
        player.send("BATCH", messages=[PING] * 32)
    assert [player.line() for _ in range(160)] == [PONG] * 160
    player.nothing_else()


@pytest.mark.parametrize("alone", [98, 99, 100, 101])
def test_a_batch_that_starts_when_the_rate_is_reached(connect, alone):
    player = connect()
    player.send_raw((wire(PING) + b"\n") * alone + wire({"command": "BATCH", "messages": [PING] * 3}) + b"\n")
    assert [player.line() for _ in range(alone + 3)] == [PONG] * (alone + 3)
