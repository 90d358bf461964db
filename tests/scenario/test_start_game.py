"""What a foreign client sees of START_GAME, byte for byte. Its cases are in scripts/start_*.talk and full_grid.talk."""
import json


def test_the_host_gets_two_lines_and_everybody_else_one(join_server):
    host, guest = join_server(), join_server()
    room = host.create_room()
    guest.join(room)
    places = b'{"%b":{"x":66,"y":-2,"z":0.8},"%b":{"x":60,"y":-2,"z":0.8}}' % (host.id.encode(), guest.id.encode())
    line = b'{"command":"GAME_STARTED","roomId":"%b","hostId":"%b","spawnPositions":%b}' % (
        room.encode(), host.id.encode(), places)
    assert host.ask("START_GAME") == line
    assert host.line() == b'{"command":"GAME_STARTED","roomId":"%b","spawnPositions":%b}' % (room.encode(), places)
    assert guest.line() == line
    assert json.loads(line)["spawnPositions"][guest.id] == {"x": 60, "y": -2, "z": 0.8}
    host.nothing_else()
    guest.nothing_else()
