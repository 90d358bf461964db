"""What a foreign client sees of the commands' replies, byte for byte. Their cases are in scripts/commands_*.talk."""
import json
import re

from harness.messages import NEEDS_LOGIN, ROOM_NOT_FOUND, auth_ok, name_ok, wire


def test_a_login_in_two_steps(connect, unique):
    name, player = unique(), connect()
    assert player.ask("CREATE_ROOM", name="x") == NEEDS_LOGIN
    assert player.ask("NAME", name=name) == name_ok(name, False)
    assert player.ask("AUTHENTICATE", password="secret") == auth_ok(name)
    assert player.ask("JOIN_ROOM", roomId="x") == ROOM_NOT_FOUND


def test_a_room_id_is_a_compact_random_uuid(join_server):
    for _ in range(20):
        reply = join_server().ask("CREATE_ROOM", name="FastTrack")
        match = re.fullmatch(rb'\{"command":"ROOM_CREATED","roomId":"([0-9a-f]{32})","name":"FastTrack"\}', reply)
        assert match, reply
        room_id = match.group(1).decode()
        assert room_id[12] == "4", "version"
        assert room_id[16] in "89ab", "variant"


def test_replies_hold_no_whitespace_between_tokens(join_server):
    """One client looks for the exact texts "command":"ROOM_LIST" and "rooms":[ in the raw line."""
    player = join_server()
    player.create_room("compact")
    for line in (player.ask("LIST_ROOMS"), player.ask("GET_ROOM_PLAYERS"), player.ask("PLAYER_INFO"),
                 player.ask("START_GAME"), player.line()):
        assert line == wire(json.loads(line)), line
