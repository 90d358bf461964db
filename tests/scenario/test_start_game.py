"""START_GAME: both lines for the host, one for the others, and the starting grid."""
import json

from harness.messages import NEEDS_LOGIN, error, spawn_positions, wire


def started(room, host, players):
    return wire({"command": "GAME_STARTED", "roomId": room, "hostId": host.id,
                 "spawnPositions": spawn_positions([p.id for p in players])})


def started_for_host(room, players):
    return wire({"command": "GAME_STARTED", "roomId": room,
                 "spawnPositions": spawn_positions([p.id for p in players])})


def test_the_host_alone_gets_both_lines(join_server):
    host = join_server()
    room = host.create_room()
    assert host.ask("START_GAME") == (
        b'{"command":"GAME_STARTED","roomId":"%b","hostId":"%b","spawnPositions":'
        b'{"%b":{"x":66,"y":-2,"z":0.8}}}' % (room.encode(), host.id.encode(), host.id.encode()))
    assert host.line() == (
        b'{"command":"GAME_STARTED","roomId":"%b","spawnPositions":{"%b":{"x":66,"y":-2,"z":0.8}}}'
        % (room.encode(), host.id.encode()))
    host.nothing_else()


def test_the_host_gets_two_lines_and_everybody_else_one(join_server):
    players = [join_server() for _ in range(3)]
    room = players[0].create_room()
    for player in players[1:]:
        player.join(room)
    assert players[0].ask("START_GAME") == started(room, players[0], players)
    assert players[0].line() == started_for_host(room, players)
    for guest in players[1:]:
        assert guest.line() == started(room, players[0], players)
    for player in players:
        player.nothing_else()


def test_twenty_places_on_the_grid_in_join_order(join_server):
    players = [join_server() for _ in range(20)]
    room = players[0].create_room()
    for player in players[1:]:
        player.join(room)
    line = players[0].ask("START_GAME")
    assert line == started(room, players[0], players)
    assert players[19].line() == line
    assert b'"%b":{"x":-54,"y":-2,"z":0.8}' % players[19].id.encode() in line


def test_places_are_given_by_join_order_of_those_who_are_there(join_server):
    players = [join_server() for _ in range(4)]
    room = players[0].create_room()
    for player in players[1:]:
        player.join(room)
    players[1].get("LEAVE_ROOM")
    players[0].get("LEAVE_ROOM")
    players[0].join(room)
    now = [players[2], players[3], players[0]]
    assert players[2].ask("START_GAME") == started(room, players[2], now)
    assert players[0].line() == started(room, players[2], now)


def test_a_repeated_start_repeats_everything(join_server):
    host, guest = join_server(), join_server()
    room = host.create_room()
    guest.join(room)
    for _ in range(3):
        assert host.ask("START_GAME") == started(room, host, [host, guest])
        assert host.line() == started_for_host(room, [host, guest])
        assert guest.line() == started(room, host, [host, guest])
    assert host.rooms()[room]["isActive"] is True


def test_the_room_becomes_active(join_server):
    host = join_server()
    room = host.create_room()
    assert host.rooms()[room]["isActive"] is False
    host.ask("START_GAME")
    host.line()
    assert host.rooms()[room]["isActive"] is True


def test_strangers_hear_nothing(join_server):
    host, stranger, other_host = join_server(), join_server(), join_server()
    other_host.create_room()
    host.create_room()
    host.ask("START_GAME")
    host.line()
    stranger.nothing_else()
    other_host.nothing_else()


def test_who_may_not_start(connect, join_server):
    host, guest, loner = join_server(), join_server(), join_server()
    guest.join(host.create_room())
    assert connect().ask("START_GAME") == NEEDS_LOGIN
    assert loner.ask("START_GAME") == error("Cannot start game. No room joined.")
    assert guest.ask("START_GAME") == error("Cannot start game. Only the host can start the game.")
    assert host.rooms()[guest.room_id]["isActive"] is False
    guest.get("LEAVE_ROOM")
    assert guest.ask("START_GAME") == error("Cannot start game. No room joined.")


def test_a_guest_may_not_restart_a_running_game(join_server):
    host, guest = join_server(), join_server()
    guest.join(host.create_room())
    host.ask("START_GAME")
    host.line()
    guest.line()
    assert guest.ask("START_GAME") == error("Cannot start game. Only the host can start the game.")
    host.nothing_else()


def test_numbers_are_written_short(join_server):
    host = join_server()
    host.create_room()
    text = host.ask("START_GAME").decode()
    place = json.loads(text, parse_float=str, parse_int=str)["spawnPositions"][host.id]
    assert place == {"x": "66", "y": "-2", "z": "0.8"}


def test_the_second_line_can_be_left_out(new_server, join_server):
    host = join_server(new_server(racing__start_reply=False))
    room = host.create_room()
    assert host.ask("START_GAME") == started(room, host, [host])
    host.nothing_else()


def test_in_a_larger_room_the_places_repeat(new_server, join_server):
    server = new_server(racing__room_size=22)
    players = [join_server(server) for _ in range(22)]
    room = players[0].create_room()
    for player in players[1:]:
        player.join(room)
    places = players[0].get("START_GAME")["spawnPositions"]
    assert list(places) == [player.id for player in players]
    assert [places[player.id]["x"] for player in players[20:]] == [66, 60]
