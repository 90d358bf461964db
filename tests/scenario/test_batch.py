"""What a foreign client sees of BATCH: one line, several replies in order. Its cases are in scripts/batch*.talk."""
import json

from harness.messages import BATCH_IN_BATCH, PONG, name_ok, wire

PING = {"command": "PING"}


def test_elements_are_answered_in_order(connect, unique):
    player, name = connect(), unique()
    player.send("BATCH", messages=[PING, {"command": "FOO"}, {"command": "NAME", "name": name, "password": "x"},
                                   {"command": "BATCH", "messages": []}, {"command": "PLAYER_INFO"}, PING])
    assert player.line() == PONG
    assert player.line() == wire({"command": "UNKNOWN_COMMAND", "originalCommand": "FOO"})
    assert player.line() == name_ok(name)
    assert player.line() == BATCH_IN_BATCH
    assert json.loads(player.line())["playerInfo"] == {"id": player.id, "name": name, "currentRoomId": None}
    assert player.line() == PONG
    player.nothing_else()
