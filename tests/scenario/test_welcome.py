"""The first thing a client hears: CONNECTED, a bar, its session id, a line feed."""
import re


def test_welcome_is_43_bytes_and_nothing_follows(connect):
    player = connect()
    assert len(player.welcome) + 1 == 43
    assert re.fullmatch(rb"CONNECTED\|[0-9a-f]{32}", player.welcome)
    player.nothing_else()


def test_session_id_is_a_compact_random_uuid(connect):
    ids = {connect().id for _ in range(40)}
    assert len(ids) == 40
    for session_id in ids:
        assert session_id[12] == "4", "version"
        assert session_id[16] in "89ab", "variant"
        assert set(session_id) & set("abcdf"), "some clients would read this id as a number"


def test_welcome_comes_before_the_client_says_anything_and_only_once(connect):
    player = connect()
    assert b"CONNECTED" not in player.ask("PING")
    assert b"CONNECTED" not in player.ask("PLAYER_INFO")


def test_a_new_session_is_anonymous_and_in_no_room(connect):
    player = connect()
    assert player.get("PLAYER_INFO") == {
        "command": "PLAYER_INFO",
        "playerInfo": {"id": player.id, "name": "Anonymous", "currentRoomId": None}}


def test_reconnecting_gives_a_new_id(join_server, unique):
    name = unique()
    first = join_server(name=name)
    first_id = first.id
    first.close()
    assert join_server(name=name).id != first_id
