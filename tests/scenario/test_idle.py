"""Silence ends a session; TCP lines and authenticated UDP count as life, everything else does not."""
import time

import pytest

from harness.messages import name_ok
from harness.player import Closed, Player, fresh_name
from harness.seal import Legacy

TIMEOUT_S = 2
SETTINGS = {"racing.idle_timeout_s": TIMEOUT_S}
# Idle sessions are looked for every few seconds.
SWEEP_S = 5


@pytest.fixture(scope="module")
def ends(server):
    """Plays several kinds of silence at once; gives the moment at which each connection ended, or None."""
    kinds = ["silent", "silent with a name", "half a line", "pings", "ignored objects", "invalid lines",
             "sealed datagrams", "plain datagrams", "datagrams without a login", "forged datagrams"]
    players = {kind: Player(server) for kind in kinds}
    for kind in ("silent with a name", "sealed datagrams", "plain datagrams", "forged datagrams"):
        players[kind].log_in(fresh_name())
    name = fresh_name()
    assert players["datagrams without a login"].ask("NAME", name=name) == name_ok(name, False)
    for kind in ("sealed datagrams", "forged datagrams"):
        players[kind].open_udp("legacy")
    for kind in ("plain datagrams", "datagrams without a login"):
        players[kind].open_udp("plain")
    players["forged datagrams"].udp.seal = Legacy(players["silent"].id)
    start = time.monotonic()
    ended = dict.fromkeys(kinds)
    while (now := time.monotonic() - start) < TIMEOUT_S + SWEEP_S + 1:
        for kind, player in players.items():
            if ended[kind] is not None:
                continue
            try:
                if kind == "pings":
                    player.send("PING")
                elif kind == "ignored objects":
                    player.send_line(b"{}")
                elif kind == "invalid lines":
                    player.send_line(b"?")
                elif kind == "half a line" and now < TIMEOUT_S:
                    player.send_raw(b" ")
                elif player.udp:
                    player.udp.send(player.update())
                player.line(deadline_s=0.005)
            except AssertionError:
                pass  # nothing arrived: still open
            except (Closed, OSError):
                ended[kind] = now
        time.sleep(0.2)
    for player in players.values():
        player.close()
    return ended


@pytest.mark.parametrize("kind", ["silent", "silent with a name"])
def test_a_silent_session_is_closed_after_the_timeout_and_not_before(ends, kind):
    assert ends[kind] is not None
    assert ends[kind] >= TIMEOUT_S - 0.5


@pytest.mark.parametrize("kind", ["pings", "ignored objects", "invalid lines", "sealed datagrams", "plain datagrams"])
def test_a_session_that_shows_life_stays(ends, kind):
    assert ends[kind] is None


@pytest.mark.parametrize("kind", ["half a line", "datagrams without a login", "forged datagrams"])
def test_what_is_no_sign_of_life(ends, kind):
    assert ends[kind] is not None


def test_an_idle_player_leaves_the_room(join_server):
    idle, witness = join_server(), join_server()
    witness.join(idle.create_room())
    room = witness.room_id
    end = time.monotonic() + TIMEOUT_S + SWEEP_S + 5
    while witness.players_in_room() != [(witness.id, witness.name)]:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert witness.rooms()[room]["hostId"] == witness.id
    assert idle.closing() == [], "nothing is said to a session that has gone silent"
