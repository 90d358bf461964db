"""What a foreign client sees of rooms: entering, leading, leaving. Their cases are in scripts/rooms*.talk."""
import pytest

from harness.messages import JOIN_REFUSED, wire
from harness.waiting import until


def test_one_room(join_server):
    host, guest = join_server(), join_server()
    room = host.create_room("Mine")
    assert host.rooms()[room] == {"id": room, "name": "Mine", "playerCount": 1, "isActive": False, "hostId": host.id}
    assert guest.ask("JOIN_ROOM", roomId=room) == wire({"command": "JOIN_OK", "roomId": room})
    assert guest.ask("JOIN_ROOM", roomId=room) == JOIN_REFUSED
    assert guest.players_in_room() == [(host.id, host.name), (guest.id, guest.name)]
    assert host.ask("LEAVE_ROOM") == wire({"command": "LEAVE_OK", "roomId": room})
    assert guest.rooms()[room]["hostId"] == guest.id
    guest.nothing_else()
    guest.get("LEAVE_ROOM")
    assert room not in host.rooms()


@pytest.mark.parametrize("how", ["close", "vanish"])
def test_a_player_whose_connection_ends_leaves_silently(join_server, how):
    host, guest, other = join_server(), join_server(), join_server()
    room = host.create_room()
    guest.join(room)
    getattr(host, how)()
    until(lambda: guest.players_in_room() == [(guest.id, guest.name)], "the host is no longer a player")
    assert guest.rooms()[room]["hostId"] == guest.id
    guest.nothing_else()
    getattr(guest, how)()
    until(lambda: room not in other.rooms(), "the empty room is gone")
