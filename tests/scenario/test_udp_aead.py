"""The negotiated seal as a foreign client has it: fresh keys given inside TLS, both ways, several messages at once. What
is refused is in scripts/aead_*.talk and replay.talk."""
import json

import pytest

from harness.messages import flat_input, wire
from harness.player import delivered
from harness.seal import CBC_HMAC, GCM, Aead

MODES = ["gcm", "cbc"]


# ---- negotiation

@pytest.mark.parametrize("alg", [GCM, CBC_HMAC])
def test_name_carries_the_keys_after_the_usual_members(connect, unique, alg):
    name = unique()
    line = connect().ask("NAME", name=name, password="x", udpAead=[alg])
    grant = json.loads(line)["udpAead"]
    assert line == wire({"command": "NAME_OK", "name": name, "authenticated": True, "udpEncryption": True,
                         "udpAead": grant})
    assert list(grant) == ["alg", "connId", "c2s", "s2c"] and grant["alg"] == alg
    Aead(grant)


def test_keys_are_fresh_for_each_login_and_direction(join_server, unique):
    name = unique()
    grants = [join_server(aead="gcm").grant for _ in range(4)]
    grants += [join_server(name=name, aead="gcm").grant for _ in range(3)]
    for part in ("connId", "c2s", "s2c"):
        assert len({grant[part] for grant in grants}) == 7, part
    assert all(grant["c2s"] != grant["s2c"] for grant in grants)
    salts = {Aead(grant).c2s[32:] for grant in grants} | {Aead(grant).s2c[32:] for grant in grants}
    assert len(salts) > 7, "salts are random too"


# ---- traffic

@pytest.mark.parametrize("mode", MODES)
def test_both_ways(race, mode):
    first, second = race(mode, mode)
    for i in range(5):
        delivered(first, [second], first.update(x=i))
        delivered(second, [first], second.input(timestamp=i))
        delivered(second, [first], flat_input(second.id))


def test_everybody_in_a_mixed_room_gets_their_own_form(race):
    players = race("legacy", "plain", "gcm", "cbc")
    for sender in players:
        delivered(sender, [p for p in players if p is not sender], sender.update(x=2))
        delivered(sender, [p for p in players if p is not sender], sender.input())


# ---- several messages in one datagram

def packing(join_server, room, offer=GCM):
    """A player that takes packed datagrams."""
    player = join_server()
    player.log_in(player.name, udpAead=[offer], udpPack=True)
    assert player.grant["pack"] is True
    player.join(room)
    player.open_udp("aead")
    return player


@pytest.mark.parametrize("offer", [GCM, CBC_HMAC])
def test_a_client_that_asks_for_it_may_get_several_messages_at_once(race, join_server, offer):
    first, second, third = race("legacy", "legacy", "plain")
    player = packing(join_server, first.room_id, offer)
    player.udp.send(player.update())
    for other in (first, second, third):
        other.udp.receive()
    texts = [sender.update(x=x) for x in range(10) for sender in (first, second, third)]
    for sender, text in zip([first, second, third] * 10, texts):
        sender.udp.send(text)
    got = []
    while texts[-1] not in got:
        data = player.udp.receive_raw()
        assert len(data) <= 1200
        got += player.udp.seal.open(data).split(b"\n")
    assert set(got) <= set(texts) and len(got) == len(set(got))
    assert got[-1] == texts[-1] or texts.index(got[-1]) > 20


def test_a_client_that_does_not_ask_gets_one_message_a_datagram(race):
    players = race("gcm", "legacy", "legacy", "plain")
    assert "pack" not in players[0].grant
    for x in range(5):
        for sender in players[1:]:
            sender.udp.send(sender.update(x=x))
    for _ in range(3):
        assert b"\n" not in players[0].udp.receive()
