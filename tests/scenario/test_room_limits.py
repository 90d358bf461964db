"""One list that holds all the rooms there may be. Limits of rooms by the dozen are in scripts/rooms_limits.talk."""
import json

from harness.messages import TOO_MANY_ROOMS, wire


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
