"""Every command's reply, byte for byte: members in their order, no spaces, texts as documented."""
import json
import re

import pytest

from harness.messages import (BYE_OK, INVALID_JSON, NAME_NEEDED, NEEDS_LOGIN, PASSWORD_NEEDED, PONG,
                              RELAY_INVALID, RELAY_NO_TARGET, ROOM_NAME_INVALID, ROOM_NAME_NEEDED, ROOM_NOT_FOUND, auth_ok,
                              error, name_ok, wire)

RESTRICTED = ["CREATE_ROOM", "JOIN_ROOM", "LEAVE_ROOM", "GET_ROOM_PLAYERS", "RELAY_MESSAGE", "START_GAME"]


def test_name_registers(connect, unique):
    name = unique()
    assert connect().ask("NAME", name=name, password="secret") == name_ok(name)


def test_name_without_password(connect, unique):
    name = unique()
    assert connect().ask("NAME", name=name) == name_ok(name, False)


def test_authenticate(connect, unique):
    name, player = unique(), connect()
    assert player.ask("NAME", name=name) == name_ok(name, False)
    assert player.ask("AUTHENTICATE", password="secret") == auth_ok(name)


def test_authenticate_without_password(connect):
    player = connect()
    assert player.ask("NAME", name="someone") == name_ok("someone", False)
    assert player.ask("AUTHENTICATE") == PASSWORD_NEEDED


@pytest.mark.parametrize("fields", [{}, {"name": ""}, {"name": None}, {"name": 7}, {"name": ["x"]},
                                    {"name": "Anonymous"}, {"password": "x"}], ids=repr)
def test_name_is_required(connect, fields):
    player = connect()
    assert player.ask("NAME", **fields) == NAME_NEEDED
    assert player.get("PLAYER_INFO")["playerInfo"]["name"] == "Anonymous"


def test_ping(connect, join_server):
    assert connect().ask("PING") == PONG
    assert join_server().ask("PING", extra={"a": [1]}) == PONG


def test_player_info(connect, join_server):
    player = connect()
    assert player.ask("PLAYER_INFO") == wire(
        {"command": "PLAYER_INFO",
         "playerInfo": {"id": player.id, "name": "Anonymous", "currentRoomId": None}})
    player = join_server()
    room = player.create_room()
    assert player.ask("PLAYER_INFO") == wire(
        {"command": "PLAYER_INFO",
         "playerInfo": {"id": player.id, "name": player.name, "currentRoomId": room}})


def test_create_room(join_server):
    reply = join_server().ask("CREATE_ROOM", name="FastTrack")
    match = re.fullmatch(rb'\{"command":"ROOM_CREATED","roomId":"([0-9a-f]{32})","name":"FastTrack"\}', reply)
    assert match, reply
    room_id = match.group(1).decode()
    assert room_id[12] == "4" and room_id[16] in "89ab"


def test_join_room(join_server):
    room = join_server().create_room()
    assert join_server().ask("JOIN_ROOM", roomId=room) == wire({"command": "JOIN_OK", "roomId": room})


@pytest.mark.parametrize("fields", [{}, {"roomId": None}, {"roomId": ""}, {"roomId": 5}, {"roomId": "x"},
                                    {"roomId": "0" * 32}, {"roomId": "f" * 4000}], ids=lambda f: repr(f)[:40])
def test_join_room_that_does_not_exist(join_server, fields):
    player = join_server()
    assert player.ask("JOIN_ROOM", **fields) == ROOM_NOT_FOUND
    player.nothing_else()


def test_leave_room(join_server):
    player = join_server()
    room = player.create_room()
    assert player.ask("LEAVE_ROOM") == wire({"command": "LEAVE_OK", "roomId": room})
    assert player.ask("LEAVE_ROOM") == error("Cannot leave room. No room joined.")


def test_list_rooms(join_server, connect):
    host = join_server()
    room = host.create_room("Listed")
    reply = connect().ask("LIST_ROOMS")
    assert reply.startswith(b'{"command":"ROOM_LIST","rooms":[{"id":"') and reply.endswith(b"}]}")
    entry = wire({"id": room, "name": "Listed", "playerCount": 1, "isActive": False, "hostId": host.id})
    assert entry in reply


def test_list_rooms_when_there_are_none(new_server, connect):
    assert connect(new_server()).ask("LIST_ROOMS") == b'{"command":"ROOM_LIST","rooms":[]}'


def test_get_room_players(join_server):
    host, guest = join_server(), join_server()
    room = host.create_room()
    guest.join(room)
    expected = wire({"command": "ROOM_PLAYERS", "roomId": room,
                     "players": [{"id": host.id, "name": host.name}, {"id": guest.id, "name": guest.name}]})
    assert host.ask("GET_ROOM_PLAYERS") == expected
    assert guest.ask("GET_ROOM_PLAYERS", roomId=room) == expected, "one client adds roomId"


def test_get_room_players_without_a_room(join_server):
    assert join_server().ask("GET_ROOM_PLAYERS") == error("Cannot get players. No room joined.")


def test_start_game_without_a_room(join_server):
    assert join_server().ask("START_GAME") == error("Cannot start game. No room joined.")


def test_start_game_by_a_guest(join_server):
    host, guest = join_server(), join_server()
    guest.join(host.create_room())
    assert guest.ask("START_GAME") == error("Cannot start game. Only the host can start the game.")
    host.nothing_else()


def test_relay_message(join_server):
    sender, target = join_server(), join_server()
    assert sender.ask("RELAY_MESSAGE", targetId=target.id, message="hello there") == wire(
        {"command": "RELAY_OK", "targetId": target.id})
    assert target.line() == wire({"command": "RELAYED_MESSAGE", "senderId": sender.id,
                                  "senderName": sender.name, "message": "hello there"})


@pytest.mark.parametrize("fields", [
    {}, {"targetId": "x"}, {"message": "x"}, {"targetId": "", "message": "x"}, {"targetId": "x", "message": ""},
    {"targetId": None, "message": "x"}, {"targetId": "x", "message": None}, {"targetId": 1, "message": "x"},
    {"targetId": "x", "message": {"a": 1}}, {"targetId": ["x"], "message": "x"}], ids=repr)
def test_relay_message_with_something_missing(join_server, fields):
    player = join_server()
    assert player.ask("RELAY_MESSAGE", **fields) == RELAY_INVALID
    player.nothing_else()


@pytest.mark.parametrize("target", ["x", "0" * 32, "é" * 16])
def test_relay_message_to_nobody(join_server, target):
    assert join_server().ask("RELAY_MESSAGE", targetId=target, message="x") == RELAY_NO_TARGET


def test_create_room_needs_a_name(join_server):
    player = join_server()
    assert player.ask("CREATE_ROOM") == ROOM_NAME_NEEDED
    assert player.ask("CREATE_ROOM", roomName="x") == ROOM_NAME_NEEDED
    assert player.current_room() is None


@pytest.mark.parametrize("name", [5, [], {}, True], ids=repr)
def test_create_room_with_a_name_that_is_no_text(join_server, name):
    player = join_server()
    assert player.ask("CREATE_ROOM", name=name) == ROOM_NAME_INVALID
    assert player.current_room() is None


def test_create_room_with_a_null_name(join_server):
    reply = join_server().get("CREATE_ROOM", name=None)
    assert (reply["command"], reply["name"]) == ("ROOM_CREATED", "Race Room")


def test_bye(connect, join_server):
    for player in (connect(), join_server()):
        player.send("BYE")
        assert player.closing() == [BYE_OK]


@pytest.mark.parametrize("logged_in", [False, True])
@pytest.mark.parametrize("given,shown", [("FOO", "FOO"), ("foo", "FOO"), ("Name_Ok", "NAME_OK"), (" PING", " PING"),
                                         ("PING ", "PING "), ("X" * 200, "X" * 200)])
def test_unknown_command(connect, join_server, logged_in, given, shown):
    player = join_server() if logged_in else connect()
    assert player.ask(given) == wire({"command": "UNKNOWN_COMMAND", "originalCommand": shown})


def test_unknown_command_with_characters_that_need_escapes(connect):
    player = connect()
    for name in ['A"B', "A\\B", "A\nB", "A\u0001B", "ÄÖ", "A/B", "🏁"]:
        assert player.get(name) == {"command": "UNKNOWN_COMMAND", "originalCommand": name.upper()}


def test_a_clients_pong_is_ignored(connect):
    """Clients of other servers answer pings that this one never sends."""
    player = connect()
    player.send("PONG")
    player.nothing_else()


@pytest.mark.parametrize("command", RESTRICTED)
@pytest.mark.parametrize("named", [False, True])
def test_commands_that_need_a_login(connect, unique, command, named):
    player = connect()
    if named:
        name = unique()
        assert player.ask("NAME", name=name) == name_ok(name, False)
    everything = {"name": "x", "roomId": "x", "targetId": player.id, "message": "x"}
    assert player.ask(command) == NEEDS_LOGIN
    assert player.ask(command.lower(), **everything) == NEEDS_LOGIN
    player.nothing_else()


def test_commands_that_need_none(connect, unique):
    player, name = connect(), unique()
    assert player.ask("PING") == PONG
    assert player.get("PLAYER_INFO")["command"] == "PLAYER_INFO"
    assert player.get("LIST_ROOMS")["command"] == "ROOM_LIST"
    assert player.ask("NAME", name=name) == name_ok(name, False)
    assert player.ask("AUTHENTICATE", password="x") == auth_ok(name)


def test_names_with_characters_that_need_escapes_come_back_whole(connect, unique):
    for special in ['"quoted"', "back\\slash", "a/b", "<&>'+", "Łódź 🏎"]:
        name = f"{special} {unique()}"
        player = connect()
        assert player.get("NAME", name=name, password="x")["name"] == name
        assert player.get("PLAYER_INFO")["playerInfo"]["name"] == name
        assert player.get("CREATE_ROOM", name=special)["name"] == special
        assert player.get("GET_ROOM_PLAYERS")["players"] == [{"id": player.id, "name": name}]
        assert special in [room["name"] for room in player.rooms().values()]


def test_replies_hold_no_whitespace_between_tokens(join_server):
    """One client looks for the exact texts "command":"ROOM_LIST" and "rooms":[ in the raw line."""
    player = join_server()
    player.create_room("compact")
    for line in (player.ask("LIST_ROOMS"), player.ask("GET_ROOM_PLAYERS"), player.ask("PLAYER_INFO"),
                 player.ask("START_GAME"), player.line()):
        assert line == wire(json.loads(line)), line


def test_invalid_json_does_not_end_the_conversation(join_server):
    player = join_server()
    room = player.create_room()
    assert player.ask_raw(b"nonsense") == INVALID_JSON
    assert player.current_room() == room
