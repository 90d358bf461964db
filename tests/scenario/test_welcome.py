"""The first thing a foreign client hears: CONNECTED, a bar, its session id, a line feed. More: scripts/welcome.talk."""
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
