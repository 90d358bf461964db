"""One server through a whole evening: everything a player does, some of what an attacker does, and a clean end.

Marked `valgrind`, because this is the run that a slow checker in front of the server can afford.
"""
import signal

import pytest

from harness import certificates
from harness.messages import (BYE_OK, INVALID_JSON, JOIN_REFUSED, NAME_TAKEN, NEEDS_LOGIN, PONG, REPLACED,
                              SHUTTING_DOWN, TOO_LONG, name_ok, spawn_positions, wire)
from harness.player import delivered, dropped, start_racing
from harness.seal import Aead, Legacy, Plain, Zipped
from harness.settings import PFX_PASSWORD
from harness.waiting import until

pytestmark = pytest.mark.valgrind


def bad_lines(player):
    for text in (b"", b"nonsense", b"[]", b'{"command":5}', b'{"command":"PING","x":"\xff"}', b"[" * 1000):
        assert player.ask_raw(text) == INVALID_JSON
    player.send_raw(b"\xef\xbb\xbf")
    player.send_line(b"{}")
    player.send("BATCH", messages=[{"command": "PING"}, {"command": "LIST_ROOMS"}, 5])
    assert player.line() == PONG
    assert player.line().startswith(b'{"command":"ROOM_LIST"')
    assert player.line() == INVALID_JSON


def test_an_evening(new_server, connect, join_server, race, unique):
    server = new_server(log__level="debug", log__format="json")

    # People come, in every way there is.
    visitor, name = connect(server), unique()
    bad_lines(visitor)
    assert visitor.ask("CREATE_ROOM", name="x") == NEEDS_LOGIN
    assert visitor.ask("NAME", name=name) == name_ok(name, False)
    assert visitor.get("AUTHENTICATE", password="mine")["command"] == "AUTH_OK"
    assert connect(server).ask("NAME", name=name, password="guess") == NAME_TAKEN
    again = connect(server).log_in(name, "mine")
    assert visitor.closing() == [REPLACED]
    connect(server).vanish()
    connect(server).close()

    # A race of every kind of client, with guests who come and go before it.
    players = race("legacy", "plain", "gcm", "cbc", "legacy", "plain", server=server)
    host = players[0]
    again.join(host.room_id)
    assert again.ask("RELAY_MESSAGE", targetId=host.id, message="good luck")
    assert host.line() == wire({"command": "RELAYED_MESSAGE", "senderId": again.id, "senderName": name,
                                "message": "good luck"})
    assert again.ask("LEAVE_ROOM") == wire({"command": "LEAVE_OK", "roomId": host.room_id})
    places = spawn_positions([player.id for player in players])
    assert host.get("START_GAME")["spawnPositions"] == places
    assert host.get("PING")["spawnPositions"] == places, "the second line"
    assert host.line() == PONG
    for player in players[1:]:
        player.line()
    assert again.ask("JOIN_ROOM", roomId=host.room_id) == JOIN_REFUSED
    for lap in range(10):
        for sender in players:
            others = [player for player in players if player is not sender]
            delivered(sender, others, sender.update(x=lap))
            delivered(sender, others, sender.input(timestamp=lap))

    # Attackers in between.
    others = players[1:]
    recorded = players[2].udp.seal.seal(players[2].update())
    players[2].udp.send_raw(recorded)
    for other in players[:2] + players[3:]:
        other.udp.receive()
    dropped(lambda: players[2].udp.send_raw(recorded), host, others)
    for seal in (Legacy(host.id), Plain(), Legacy("f" * 32), Zipped(), Zipped(Legacy(host.id))):
        dropped(lambda: host.udp.send_raw(seal.seal(players[2].update())), host, others)
    tampered = bytearray(players[3].udp.seal.seal(players[3].update()))
    tampered[-1] ^= 1
    dropped(lambda: players[3].udp.send_raw(bytes(tampered)), host, others)
    for size in (0, 1, 20, 1472, 1473, 9000):
        dropped(lambda: host.udp.send_raw(b"\x42" * size), host, others)

    # A new certificate while they drive, and a player who logs in anew.
    key, certificate = certificates.make()
    certificates.write_pfx(key, certificate, server.data_dir / "server.pfx", PFX_PASSWORD)
    server.signal(signal.SIGHUP)
    until(lambda: certificates.shown(server) == certificates.sha256(certificate), "the new certificate is shown")
    players[2].log_in(players[2].name, udpAead=["aes-256-gcm"])
    players[2].udp.seal = Aead(players[2].grant)
    delivered(players[2], players[:2] + players[3:], players[2].update(x=100))

    # People leave, in every way there is.
    rude = connect(server)
    rude.send_raw(b"x" * 70000)
    assert rude.closing() == [TOO_LONG]
    again.send("BYE")
    assert again.closing() == [BYE_OK]
    players[5].vanish()
    players[4].close()
    until(lambda: len(host.players_in_room()) == 4, "two have left")
    host.ask("LEAVE_ROOM")
    until(lambda: host.rooms()[host.room_id]["hostId"] == players[1].id, "the next one is host")
    idler = join_server(server)
    server.signal(signal.SIGTERM)
    for player in (host, idler):
        assert player.closing() == [SHUTTING_DOWN]
        player.close()
    for player in players[1:4]:
        assert player.get("PING")["command"] == "SERVER_CLOSING"
        assert player.line() == PONG
        player.close()
    assert server.wait_exit() == 0


def test_start_racing_helper_reads_what_it_causes(new_server, race):
    """The tests above rely on it: nothing is left over that a later assertion could mistake for its own."""
    players = race("legacy", "gcm", "plain", server=new_server(), register=False)
    start_racing(players)
    assert [player.udp.waiting() for player in players] == [[], [], []]
