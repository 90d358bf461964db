"""Rooms: who may enter, who is host, and how a room ends."""
import json

import pytest

from harness.messages import JOIN_REFUSED, ROOM_NAME_INVALID, ROOM_NOT_FOUND, wire
from harness.waiting import until


def test_the_creator_is_host_and_first_player(join_server):
    player = join_server()
    room = player.create_room("Mine")
    assert player.rooms()[room] == {"id": room, "name": "Mine", "playerCount": 1, "isActive": False,
                                    "hostId": player.id}
    assert player.players_in_room() == [(player.id, player.name)]


def test_players_are_listed_in_join_order(join_server):
    host = join_server()
    room = host.create_room()
    others = [join_server().join(room) for _ in range(4)]
    assert [sid for sid, _ in others[2].players_in_room()] == [host.id] + [p.id for p in others]
    assert host.rooms()[room]["playerCount"] == 5


def test_joining_tells_nobody(join_server):
    host = join_server()
    guest = join_server().join(host.create_room())
    host.nothing_else()
    guest.nothing_else()


def test_leaving_tells_nobody(join_server):
    host = join_server()
    guest = join_server().join(host.create_room())
    assert guest.get("LEAVE_ROOM")["command"] == "LEAVE_OK"
    host.nothing_else()


def test_a_room_holds_20_and_not_21(join_server):
    host = join_server()
    room = host.create_room()
    for _ in range(19):
        join_server().join(room)
    late = join_server()
    assert late.ask("JOIN_ROOM", roomId=room) == JOIN_REFUSED
    assert late.current_room() is None
    assert host.rooms()[room]["playerCount"] == 20
    assert len(host.players_in_room()) == 20


def test_a_place_that_becomes_free_can_be_taken(new_server, join_server):
    server = new_server(racing__room_size=2)
    host, guest, late = (join_server(server) for _ in range(3))
    room = host.create_room()
    guest.join(room)
    assert late.ask("JOIN_ROOM", roomId=room) == JOIN_REFUSED
    guest.get("LEAVE_ROOM")
    late.join(room)
    assert guest.ask("JOIN_ROOM", roomId=room) == JOIN_REFUSED


def test_an_active_room_admits_nobody(join_server):
    host, late = join_server(), join_server()
    room = host.create_room()
    assert host.get("START_GAME")["command"] == "GAME_STARTED"
    host.line()
    assert late.ask("JOIN_ROOM", roomId=room) == JOIN_REFUSED
    assert late.rooms()[room]["isActive"] is True, "it is listed all the same"


def test_joining_the_room_one_is_in_is_refused_and_changes_nothing(join_server):
    host = join_server()
    room = host.create_room()
    guest = join_server().join(room)
    for player in (host, guest):
        assert player.ask("JOIN_ROOM", roomId=room) == JOIN_REFUSED
        assert player.current_room() == room
    assert [sid for sid, _ in host.players_in_room()] == [host.id, guest.id]


def test_joining_another_room_leaves_the_first_silently(join_server):
    first_host, second_host, player = join_server(), join_server(), join_server()
    first, second = first_host.create_room("first"), second_host.create_room("second")
    player.join(first)
    assert player.ask("JOIN_ROOM", roomId=second) == wire({"command": "JOIN_OK", "roomId": second})
    player.nothing_else()
    first_host.nothing_else()
    assert [sid for sid, _ in first_host.players_in_room()] == [first_host.id]
    assert [sid for sid, _ in second_host.players_in_room()] == [second_host.id, player.id]
    assert player.current_room() == second


def test_a_host_who_joins_another_room_hands_the_first_on(join_server):
    host, guest, other = join_server(), join_server(), join_server()
    first = host.create_room()
    guest.join(first)
    host.join(other.create_room())
    assert guest.rooms()[first]["hostId"] == guest.id


def test_the_last_player_who_joins_another_room_ends_the_first(join_server):
    player, other = join_server(), join_server()
    first = player.create_room()
    player.join(other.create_room())
    assert first not in player.rooms()


def test_a_refused_join_keeps_the_room_one_is_in(join_server):
    host, active_host = join_server(), join_server()
    room, active = host.create_room(), active_host.create_room()
    active_host.get("START_GAME")
    active_host.line()
    assert host.ask("JOIN_ROOM", roomId=active) == JOIN_REFUSED
    assert host.ask("JOIN_ROOM", roomId="f" * 32) == ROOM_NOT_FOUND
    assert host.current_room() == room
    assert host.rooms()[room]["hostId"] == host.id


def test_creating_a_room_leaves_the_old_one_silently(join_server):
    host, guest = join_server(), join_server()
    first = host.create_room("first")
    guest.join(first)
    reply = host.get("CREATE_ROOM", name="second")
    assert reply["command"] == "ROOM_CREATED" and reply["roomId"] != first
    host.nothing_else()
    guest.nothing_else()
    assert guest.players_in_room() == [(guest.id, guest.name)]
    assert guest.rooms()[first]["hostId"] == guest.id
    assert guest.rooms()[reply["roomId"]]["playerCount"] == 1


def test_creating_rooms_one_after_the_other_leaves_no_empty_ones(join_server):
    player = join_server()
    rooms = [player.create_room(f"number {i}") for i in range(5)]
    assert len(set(rooms)) == 5
    listed = player.rooms()
    assert [room for room in rooms if room in listed] == rooms[-1:]


def test_the_host_passes_to_the_oldest_player(join_server):
    players = [join_server() for _ in range(4)]
    room = players[0].create_room()
    for player in players[1:]:
        player.join(room)
    # The second leaves and comes back, and is the youngest from then on.
    players[1].get("LEAVE_ROOM")
    players[1].join(room)
    order = [players[2], players[3], players[1]]
    leaver = players[0]
    for heir in order:
        leaver.get("LEAVE_ROOM")
        assert heir.rooms()[room]["hostId"] == heir.id
        heir.nothing_else()
        leaver = heir


def test_the_new_host_may_start_the_game(join_server):
    host, guest = join_server(), join_server()
    guest.join(host.create_room())
    host.get("LEAVE_ROOM")
    assert guest.get("START_GAME")["hostId"] == guest.id


def test_an_empty_room_is_gone(join_server):
    player, other = join_server(), join_server()
    room = player.create_room()
    player.get("LEAVE_ROOM")
    assert room not in other.rooms()
    assert other.ask("JOIN_ROOM", roomId=room) == ROOM_NOT_FOUND


def test_an_empty_active_room_is_gone(join_server):
    host, guest = join_server(), join_server()
    room = host.create_room()
    guest.join(room)
    host.get("START_GAME")
    host.line()
    guest.line()
    host.get("LEAVE_ROOM")
    assert guest.rooms()[room]["isActive"] is True, "a game goes on until everybody has left"
    guest.get("LEAVE_ROOM")
    assert room not in guest.rooms()


@pytest.mark.parametrize("how", ["bye", "close", "vanish"])
def test_a_player_who_disconnects_leaves_silently(join_server, how):
    host, guest = join_server(), join_server()
    room = host.create_room()
    guest.join(room)
    if how == "bye":
        host.ask("BYE")
    else:
        getattr(host, how)()
    until(lambda: guest.players_in_room() == [(guest.id, guest.name)], "the host is no longer a player")
    assert guest.rooms()[room]["hostId"] == guest.id
    guest.nothing_else()
    if how == "bye":
        guest.ask("BYE")
    else:
        getattr(guest, how)()
    other = join_server()
    until(lambda: room not in other.rooms(), "the empty room is gone")


def test_two_rooms_may_share_a_name(join_server):
    first, second = join_server(), join_server()
    rooms = {first.create_room("Same"), second.create_room("Same")}
    assert len(rooms) == 2 and rooms <= set(first.rooms())


def test_a_room_name_of_64_bytes(join_server):
    player = join_server()
    for name in ("r" * 64, "é" * 32, "🏁" * 16):
        assert player.get("CREATE_ROOM", name=name)["name"] == name


@pytest.mark.parametrize("name", ["r" * 65, "é" * 33, "a\nb", "a\x00b", "\x1b[2J", "a\x7f", "r" * 5000],
                         ids=lambda n: repr(n)[:20])
def test_room_names_that_are_refused(join_server, name):
    player = join_server()
    assert player.ask("CREATE_ROOM", name=name) == ROOM_NAME_INVALID
    assert player.current_room() is None


def test_a_refused_room_name_keeps_the_old_room(join_server):
    player = join_server()
    room = player.create_room()
    assert player.ask("CREATE_ROOM", name="r" * 65) == ROOM_NAME_INVALID
    assert player.current_room() == room


def test_rooms_survive_their_creators_other_business(join_server):
    """Every command of a player in a room leaves the membership alone."""
    player = join_server()
    room = player.create_room()
    for command in ("PING", "PLAYER_INFO", "LIST_ROOMS", "GET_ROOM_PLAYERS", "FOO"):
        player.ask(command)
    player.ask_raw(b"{}nonsense")
    assert player.players_in_room() == [(player.id, player.name)]
    assert json.loads(player.ask("LEAVE_ROOM"))["roomId"] == room


def test_room_events_when_configured(new_server, join_server):
    """Off by default, because the document's clients do not expect them."""
    server = new_server(racing__room_events=True)
    host, guest, other = (join_server(server) for _ in range(3))
    room = host.create_room()

    def event(command, player):
        return wire({"command": command, "sessionId": player.id, "name": player.name, "roomId": room})

    guest.join(room)
    assert host.line() == event("PLAYER_JOINED", guest)
    other.join(room)
    for player in (host, guest):
        assert player.line() == event("PLAYER_JOINED", other)
    guest.get("LEAVE_ROOM")
    for player in (host, other):
        assert player.line() == event("PLAYER_LEFT", guest)
    host.close()
    assert other.line() == event("PLAYER_LEFT", host)
    for player in (guest, other):
        player.nothing_else()
