"""Silence ends a session without a word; what is silence and what is not shows scripts/idle.talk."""
from harness.waiting import until

SETTINGS = {"racing.idle_timeout_s": 2}


def test_an_idle_player_leaves_the_room(join_server):
    idle, witness = join_server(), join_server()
    witness.join(idle.create_room())
    room = witness.room_id
    until(lambda: witness.players_in_room() == [(witness.id, witness.name)], "the witness is alone")
    assert witness.rooms()[room]["hostId"] == witness.id
    assert idle.closing() == [], "nothing is said to a session that has gone silent"
