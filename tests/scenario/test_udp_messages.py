"""UPDATE and INPUT: what is relayed, to whom, and in which words."""
import json

import pytest

from harness.messages import flat_input, nested_input, wire
from harness.player import delivered, dropped, start_racing

ZERO = {"x": 0, "y": 0, "z": 0}
IDENTITY = {"x": 0, "y": 0, "z": 0, "w": 1}


def test_an_update_reaches_everybody_else_in_the_room(race):
    players = race("legacy", "plain", "legacy", "plain")
    for sender in players:
        delivered(sender, [p for p in players if p is not sender], sender.update(x=4.5))


def test_an_input_in_the_documents_nested_form(race):
    players = race("legacy", "legacy", "plain")
    delivered(players[0], players[1:], players[0].input())


def test_an_input_in_the_flat_form_of_one_client(race):
    players = race("legacy", "legacy", "plain")
    delivered(players[0], players[1:], flat_input(players[0].id))


def test_rooms_do_not_hear_each_other(race):
    first, second = race("legacy", "legacy"), race("legacy", "legacy")
    delivered(first[0], [first[1]], first[0].update(x=1))
    delivered(second[0], [second[1]], second[0].update(x=2))
    for player in first + second:
        assert player.udp.waiting() == []


def test_a_player_without_a_room_is_heard_by_nobody_but_registers(server, join_server, race):
    loner = join_server()
    loner.open_udp()
    before = server.accepted()
    loner.udp.send(loner.update())
    pair = race("legacy", "legacy")
    delivered(pair[0], [pair[1]], pair[0].update())
    assert pair[1].udp.waiting() == []
    assert server.accepted() - before == 4
    loner.join(pair[0].room_id)
    delivered(pair[0], [pair[1], loner], pair[0].update(x=6))


def test_a_player_without_an_endpoint_gets_nothing_until_it_sends(race):
    first, second, late = race("legacy", "legacy", "legacy", register=False)
    start_racing([first, second])
    delivered(first, [second], first.update(x=1))
    assert late.udp.waiting() == []
    hello = late.update()
    late.udp.send(hello)
    assert first.udp.receive() == hello
    assert second.udp.receive() == hello
    delivered(first, [second, late], first.update(x=2))


def test_an_input_registers_an_endpoint_too(race):
    first, second = race("legacy", "legacy", register=False)
    first.udp.send(flat_input(first.id))
    second.udp.send(second.input())
    first.udp.receive()
    delivered(first, [second], first.update())


def test_the_room_need_not_be_active_and_may_be(race):
    host, guest = race("legacy", "legacy")
    delivered(host, [guest], host.update(x=1))
    host.ask("START_GAME")
    delivered(host, [guest], host.update(x=2))
    delivered(guest, [host], guest.update(x=3))


def test_who_left_hears_nothing_more_and_is_not_heard(race):
    first, second, third = race("legacy", "legacy", "legacy")
    second.get("LEAVE_ROOM")
    delivered(first, [third], first.update(x=1))
    dropped(lambda: second.udp.send(second.update(x=2)), first, [third])
    assert second.udp.waiting() == []


def test_who_moved_to_another_room_is_heard_there(race):
    first, second = race("legacy", "legacy"), race("legacy", "legacy")
    first[1].join(second[0].room_id)
    delivered(first[1], second, first[1].update(x=1))
    delivered(second[0], [second[1], first[1]], second[0].update(x=2))
    assert first[0].udp.waiting() == []


# ---- the bytes

@pytest.mark.parametrize("template", [
    b'{"command":"UPDATE","sessionId":"SID","position":{"x":1,"y":2,"z":3},"rotation":{"x":0,"y":0,"z":0,"w":1}}',
    b'{"command": "UPDATE", "sessionId": "SID", "position": {"x": 1.50, "y": 2, "z": -0.0}, "rotation": '
    b'{"x": 0, "y": 0, "z": 0, "w": 1}}',
    b'{"rotation":{"w":1,"z":0,"y":0,"x":0},"position":{"z":3,"y":2,"x":1},"sessionId":"SID","command":"UPDATE"}',
    b'{"command":"UPDATE","sessionId":"SID","position":{"x":1e2,"y":2.5E-3,"z":123456789.123456789},'
    b'"rotation":{"x":0,"y":0,"z":0,"w":1},"timestamp":1719000000123,"seq":17}',
    '{"command":"UPDATE","sessionId":"SID","position":{"x":1,"y":2,"z":3,"t":9},"rotation":{"x":0,"y":0,"z":0,'
    '"w":1,"u":[]},"car":"Größe 🏎","a":{"b":[1,{"c":null}]},"esc":"\\u00e9\\n"}'.encode(),
    b'{"command":"update","sessionId":"SID","position":{"x":1,"y":2,"z":3},"rotation":{"x":0,"y":0,"z":0,"w":1}}',
    b'{"command":"INPUT","sessionId":"SID","roomId":"RID","input":{"steering":-1,"throttle":0.25,"brake":1,'
    b'"timestamp":123.456},"client_id":"SID","extra":true}',
    b'{"command":"INPUT","sessionId":"SID","steering":-1,"throttle":0.25,"brake":1,"timestamp":123.456,"gear":3}',
    b'{"command":"Input","sessionId":"SID","roomId":"RID","steering":0,"throttle":0,"brake":0,"timestamp":0}',
], ids=["compact", "spaced", "other order", "number spellings", "extras", "lower case", "nested input", "flat input",
        "flat input with its room"])
def test_complete_messages_are_relayed_byte_for_byte(race, template):
    sender, sealed, plain = race("legacy", "legacy", "plain")
    text = template.replace(b"SID", sender.id.encode()).replace(b"RID", sender.room_id.encode())
    delivered(sender, [sealed, plain], text)


def test_missing_parts_of_an_update_are_filled(race):
    first, second = race("legacy", "legacy")
    cases = [
        ({}, ZERO, IDENTITY),
        ({"position": {}}, ZERO, IDENTITY),
        ({"position": {"x": 5}}, {"x": 5, "y": 0, "z": 0}, IDENTITY),
        ({"position": {"y": 5, "z": 6}, "rotation": {"x": 0.5}}, {"x": 0, "y": 5, "z": 6},
         {"x": 0.5, "y": 0, "z": 0, "w": 1}),
        ({"rotation": {"w": 0.25}}, ZERO, {"x": 0, "y": 0, "z": 0, "w": 0.25}),
    ]
    for fields, position, rotation in cases:
        first.udp.send(wire({"command": "UPDATE", "sessionId": first.id, **fields}))
        assert second.udp.receive_json() == {
            "command": "UPDATE", "sessionId": first.id, "position": position, "rotation": rotation}


def test_filling_keeps_the_members_nobody_knows(race):
    first, second = race("legacy", "legacy")
    first.udp.send(wire({"command": "UPDATE", "sessionId": first.id, "seq": 7, "car": {"color": "réd"},
                         "position": {"x": 1.5, "lane": 2}}))
    got = second.udp.receive_json()
    assert got["seq"] == 7 and got["car"] == {"color": "réd"}
    assert got["position"].items() >= {"x": 1.5, "y": 0, "z": 0}.items()
    assert got["rotation"] == IDENTITY


# ---- rooms named in an INPUT

def test_an_input_for_another_room_is_dropped(race):
    first, second = race("legacy", "legacy")
    other = race("legacy", "legacy")
    for room in (other[0].room_id, "f" * 32, "", first.room_id.upper()):
        for text in (nested_input(first.id, room), flat_input(first.id, roomId=room)):
            dropped(lambda: first.udp.send(text), first, [second], text)
    for player in other:
        assert player.udp.waiting() == []


def test_an_input_after_moving_names_the_new_room(race):
    first, second = race("legacy", "legacy"), race("legacy", "legacy")
    mover, old = first[1], first[1].room_id
    mover.join(second[0].room_id)
    stale = nested_input(mover.id, old)
    dropped(lambda: mover.udp.send(stale), mover, second, stale)
    delivered(mover, second, mover.input())


# ---- ids

def test_another_players_id_under_ones_own_key_is_dropped(race):
    first, second, third = race("legacy", "legacy", "legacy")
    forged = second.update(x=666)
    dropped(lambda: first.udp.send(forged), first, [second, third])
    delivered(second, [first, third], second.update(x=1))


def test_another_players_id_in_plaintext_is_dropped(race):
    first, second, third = race("plain", "legacy", "legacy")
    dropped(lambda: first.udp.send(second.update(x=666)), first, [second, third])
    dropped(lambda: first.udp.send_raw(second.update(x=666)), first, [second, third])


def test_a_plain_player_cannot_speak_for_another_plain_player_from_its_own_port(race):
    """Ids are visible to everybody in a room, so an id alone must not be enough."""
    first, second, third = race("plain", "plain", "plain")
    dropped(lambda: first.udp.send(second.update(x=666)), first, [second, third])
    delivered(third, [first, second], third.update(x=1))


@pytest.mark.parametrize("change", [str.upper, lambda s: s[:-1], lambda s: s + "0", lambda s: "", lambda s: s + "\0"],
                         ids=["upper case", "short", "long", "empty", "NUL"])
def test_an_id_that_is_almost_right_is_dropped(race, change):
    first, second = race("legacy", "legacy")
    text = wire({**json.loads(first.update()), "sessionId": change(first.id)})
    dropped(lambda: first.udp.send(text), first, [second])


def test_the_last_of_two_ids_is_the_one_that_counts(race):
    """A reader that takes the first and one that takes the last must not disagree about who spoke."""
    first, second = race("legacy", "legacy")
    other = second.id.encode()
    text = first.update().replace(b'"sessionId"', b'"sessionId":"' + other + b'","sessionId"', 1)
    first.udp.send(text)
    mark = first.input(mark=1)
    first.udp.send(mark)
    while (got := second.udp.receive()) != mark:
        assert other not in got, "the other player's id is passed on"


def test_a_session_that_has_not_logged_in_is_not_heard(race, connect, unique):
    first, second = race("legacy", "legacy")
    for named in (False, True):
        stranger = connect()
        if named:
            stranger.ask("NAME", name=unique())
        for mode in ("plain", "legacy"):
            stranger.open_udp(mode)
            dropped(lambda: stranger.udp.send(stranger.update()), first, [second])
            assert stranger.udp.waiting() == []
            stranger.udp.close()


def test_a_session_that_ended_is_not_heard(race):
    first, second, third = race("legacy", "legacy", "legacy")
    first.ask("BYE")
    first.closing()
    dropped(lambda: first.udp.send(first.update(x=1)), second, [third])


def test_authenticate_makes_the_key(race, connect, unique):
    first, second = race("legacy", "legacy")
    player, name = connect(), unique()
    player.ask("NAME", name=name)
    player.ask("AUTHENTICATE", password="x")
    player.join(first.room_id)
    player.open_udp("legacy")
    delivered(player, [first, second], player.update())
    delivered(first, [second, player], first.update())


# ---- what might mislead a reader

def test_an_input_whose_client_id_is_another_players_is_corrected(race):
    first, second, third = race("legacy", "legacy", "legacy")
    text = nested_input(first.id, first.room_id).replace(b'"client_id":"' + first.id.encode(),
                                                         b'"client_id":"' + second.id.encode())
    assert second.id.encode() in text
    first.udp.send(text)
    for other in (second, third):
        got = other.udp.receive_json()
        assert (got["sessionId"], got["client_id"]) == (first.id, first.id)
        assert got["input"] == {"steering": 0.5, "throttle": 1, "brake": 0, "timestamp": 12.25}


@pytest.mark.parametrize("key", ["session\\u0049d", "\\u0073essionId"])
def test_an_escaped_id_key_cannot_hide_another_id(race, key):
    first, second = race("legacy", "legacy")
    text = first.update()[:-1] + f',"{key}":"{second.id}"}}'.encode()
    first.udp.send(text)
    mark = first.input(mark=1)
    first.udp.send(mark)
    while (got := second.udp.receive()) != mark:
        assert second.id.encode() not in got
        assert json.loads(got)["sessionId"] == first.id


@pytest.mark.parametrize("fields", [
    {"position": {"x": None, "y": 2, "z": 3}}, {"rotation": None}, {"position": None}], ids=repr)
def test_null_is_as_missing(race, fields):
    first, second = race("legacy", "legacy")
    first.udp.send(wire({"command": "UPDATE", "sessionId": first.id, **fields}))
    got = second.udp.receive_json()
    assert got["rotation"] == IDENTITY
    assert got["position"] == {"x": 0, **({"y": 2, "z": 3} if fields.get("position") else {"y": 0, "z": 0})}


def test_missing_controls_are_filled(race):
    first, second = race("legacy", "legacy")
    first.udp.send(wire({"command": "INPUT", "sessionId": first.id, "steering": 0.5, "gear": 2}))
    got = second.udp.receive_json()
    assert got.pop("client_id", first.id) == first.id
    assert got == {"command": "INPUT", "sessionId": first.id, "steering": 0.5, "gear": 2, "throttle": 0, "brake": 0,
                   "timestamp": 0}


@pytest.mark.parametrize("number", ["1e39", "-1e39", "3.5e38"])
def test_numbers_that_no_float_holds_drop_the_message(race, number):
    first, second = race("legacy", "legacy")
    text = first.update(x="NUMBER").replace(b'"NUMBER"', number.encode())
    dropped(lambda: first.udp.send(text), first, [second])


@pytest.mark.parametrize("fields", [
    {"position": "here"}, {"position": [1, 2, 3]}, {"position": {"x": "1", "y": 0, "z": 0}}, {"rotation": 5},
    {"position": {"x": True, "y": 0, "z": 0}}], ids=repr)
def test_values_of_another_type_drop_the_message(race, fields):
    first, second = race("legacy", "legacy")
    dropped(lambda: first.udp.send(wire({"command": "UPDATE", "sessionId": first.id, **fields})), first, [second])


# ---- logins while racing

def test_switching_identity_keeps_the_endpoint(race, unique):
    first, second = race("legacy", "legacy")
    first.log_in(unique(), "another")
    delivered(first, [second], first.update(x=1))
    delivered(second, [first], second.update(x=2))


def test_giving_up_ones_name_ends_being_heard_and_hearing(race, unique):
    first, second, third = race("legacy", "legacy", "legacy")
    name = unique()
    first.ask("NAME", name=name)
    dropped(lambda: first.udp.send(first.update(x=1)), second, [third])
    assert first.udp.waiting() == []
    first.log_in(name, "mine")
    first.join(second.room_id)
    delivered(first, [second, third], first.update(x=2))
    delivered(second, [first, third], second.update(x=3))
