"""The ceiling on rooms, and one list that holds them all."""
import json

from harness.messages import TOO_MANY_ROOMS, wire


def test_rooms_up_to_the_limit_and_not_one_more(new_server, join_server):
    server = new_server(racing__max_rooms=3)
    players = [join_server(server) for _ in range(4)]
    for player in players[:3]:
        player.create_room()
    assert players[3].ask("CREATE_ROOM", name="one too many") == TOO_MANY_ROOMS
    assert players[3].current_room() is None
    assert len(players[3].rooms()) == 3
    # A player who is alone in a room may trade it for another: the old one ends.
    traded = players[0].get("CREATE_ROOM", name="traded")
    assert traded["command"] == "ROOM_CREATED", traded
    assert len(players[3].rooms()) == 3
    players[0].get("LEAVE_ROOM")
    players[3].create_room()


def test_a_refused_room_keeps_the_one_that_is_shared(new_server, join_server):
    server = new_server(racing__max_rooms=1)
    host, guest = join_server(server), join_server(server)
    room = host.create_room()
    guest.join(room)
    assert guest.ask("CREATE_ROOM", name="second") == TOO_MANY_ROOMS
    assert guest.current_room() == room
    assert len(host.players_in_room()) == 2


def test_one_list_holds_a_thousand_rooms(join_server, connect):
    """The longest names in their longest spelling: every quote takes two bytes on the wire."""
    name = '"' * 64
    expected = {}
    for _ in range(1000):
        host = join_server()
        expected[host.create_room(name)] = host.id
    reader = connect()
    line = reader.ask("LIST_ROOMS")
    rooms = json.loads(line)["rooms"]
    assert {room["id"]: room["hostId"] for room in rooms} == expected
    assert all(room == {"id": room["id"], "name": name, "playerCount": 1, "isActive": False,
                        "hostId": room["hostId"]} for room in rooms)
    reader.nothing_else()
    assert reader.ask("LIST_ROOMS") == line
    host = join_server()
    assert host.ask("CREATE_ROOM", name="number 1001") == TOO_MANY_ROOMS
    assert host.ask("LEAVE_ROOM") == wire({"command": "ERROR", "message": "Cannot leave room. No room joined."})


def test_several_long_lists_at_once_reach_a_client_that_reads(new_server, join_server, connect):
    """Asking for more than the output queue holds is not the same as not reading."""
    server = new_server()
    for _ in range(500):
        join_server(server).create_room("r" * 64)
    reader = connect(server)
    line = reader.ask("LIST_ROOMS")
    for _ in range(6):
        reader.send("LIST_ROOMS")
    assert [reader.line() == line for _ in range(6)] == [True] * 6
