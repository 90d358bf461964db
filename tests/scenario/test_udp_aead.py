"""The negotiated seal: offered in a login, keys given inside TLS, replays and weaker forms refused."""
import json

import pytest

from harness.messages import auth_ok, flat_input, name_ok, wire
from harness.player import delivered, dropped, start_racing
from harness.seal import CBC_HMAC, GCM, Aead, Legacy, Plain, Zipped
from harness.server import Server

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


@pytest.mark.parametrize("alg", [GCM, CBC_HMAC])
def test_authenticate_carries_the_keys_after_the_usual_members(connect, unique, alg):
    name, player = unique(), connect()
    assert player.ask("NAME", name=name, udpAead=[alg]) == name_ok(name, False), "no keys without a login"
    line = player.ask("AUTHENTICATE", password="x", udpAead=[alg])
    grant = json.loads(line)["udpAead"]
    assert line == wire({"command": "AUTH_OK", "name": name, "udpAead": grant})
    assert grant["alg"] == alg
    Aead(grant)


def test_of_several_one_is_chosen(connect, unique):
    for offer in ([GCM, CBC_HMAC], [CBC_HMAC, GCM], ["rot13", GCM], ["rot13", CBC_HMAC, "x"], [5, None, GCM]):
        grant = connect().get("NAME", name=unique(), password="x", udpAead=offer)["udpAead"]
        assert grant["alg"] in offer
        Aead(grant)


@pytest.mark.parametrize("offer", [[], ["rot13"], ["AES-128-GCM"], None, "aes-256-gcm", {}, 5, [[GCM]]], ids=repr)
def test_an_offer_that_holds_nothing_known_changes_nothing(connect, unique, offer):
    name = unique()
    assert connect().ask("NAME", name=name, password="x", udpAead=offer) == name_ok(name)


def test_without_an_offer_nothing_is_added(connect, unique):
    name, player = unique(), connect()
    assert player.ask("NAME", name=name, password="x") == name_ok(name)
    assert player.ask("AUTHENTICATE", password="x") == auth_ok(name)


def test_a_failed_login_gives_no_keys(join_server, connect):
    owner = join_server()
    assert b"udpAead" not in connect().ask("NAME", name=owner.name, password="guess", udpAead=[GCM])


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


@pytest.mark.parametrize("mode", MODES)
def test_the_servers_sequence_grows(race, mode):
    first, second = race(mode, "legacy")
    numbers = []
    for i in range(5):
        text = second.update(x=i)
        second.udp.send(text)
        data = first.udp.receive_raw()
        assert first.udp.seal.open(data) == text
        numbers.append(int.from_bytes(data[12:20], "big"))
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("mode", MODES)
def test_gzip_inside(race, mode):
    first, second = race(mode, "legacy")
    text = first.update(x=4)
    first.udp.send_raw(Zipped(first.udp.seal).seal(text))
    assert second.udp.receive() == text


@pytest.mark.parametrize("mode", MODES)
def test_a_new_port_moves_the_endpoint(race, mode):
    first, second = race(mode, "legacy")
    old = first.udp
    first.udp = old.another()
    delivered(first, [second], first.update(x=1))
    delivered(second, [first], second.update(x=2))
    assert old.waiting() == []


# ---- replays

@pytest.mark.parametrize("mode", MODES)
def test_a_replay_is_dropped_wherever_it_comes_from(race, mode):
    first, second = race(mode, "legacy")
    text = first.update(x=1)
    recorded = first.udp.seal.seal(text)
    first.udp.send_raw(recorded)
    assert second.udp.receive() == text
    elsewhere = first.udp.another()
    for link in (first.udp, elsewhere):
        dropped(lambda: link.send_raw(recorded), first, [second])
    delivered(second, [first], second.update(x=2))
    assert elsewhere.waiting() == [], "a replay moves no endpoint"


@pytest.mark.parametrize("mode", MODES)
def test_reordering_inside_the_window_is_accepted_once(race, mode):
    first, second = race(mode, "legacy")
    seal = first.udp.seal
    base = 1000
    texts = {n: first.input(n=n) for n in range(base - 63, base + 1)}
    order = [base, base - 63, base - 1, base - 62, base - 30, base - 31, base - 5]
    for n in order:
        first.udp.send_raw(seal.seal(texts[n], sequence=n))
        assert second.udp.receive() == texts[n], n
    seal.sequence = base
    for n in order:
        dropped(lambda: first.udp.send_raw(seal.seal(texts[n], sequence=n)), first, [second], texts[n])


@pytest.mark.parametrize("mode", MODES)
def test_far_behind_the_window_is_dropped(race, mode):
    first, second = race(mode, "legacy")
    seal = first.udp.seal
    seal.sequence = 100_000
    delivered(first, [second], first.update(x=1))
    for old in (1, 500, 50_000, 90_000):
        dropped(lambda: first.udp.send_raw(seal.seal(first.update(x=old), sequence=old)), first, [second])


def test_large_jumps(race):
    first, second = race("gcm", "legacy")
    seal = first.udp.seal
    for sequence in (2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 33, 2 ** 63 - 1):
        text = first.update(x=sequence % 97, n=str(sequence))
        first.udp.send_raw(seal.seal(text, sequence=sequence))
        assert second.udp.receive() == text, sequence


def test_sequence_zero_counts_once(race):
    first, second = race("gcm", "legacy", register=False)
    second.udp.send(second.update())
    text = first.update(x=1)
    data = first.udp.seal.seal(text, sequence=0)
    first.udp.send_raw(data)
    assert second.udp.receive() == text
    dropped(lambda: first.udp.send_raw(data), first, [second])


def test_a_forged_sequence_does_not_push_the_window(race):
    first, second = race("gcm", "legacy")
    seal = first.udp.seal
    ahead = bytearray(seal.seal(first.update(), sequence=2 ** 40))
    ahead[-1] ^= 1
    first.udp.send_raw(bytes(ahead))
    delivered(first, [second], first.update(x=1))


# ---- tampering

REGIONS = {"gcm": {"magic": 0, "connection": 7, "sequence": 19, "ciphertext": 30, "tag": -1, "tag start": -16},
           "cbc": {"magic": 0, "connection": 7, "sequence": 19, "iv": 25, "ciphertext": 40, "tag": -1, "tag start": -16}}


@pytest.mark.parametrize("mode,region", [(mode, region) for mode, regions in REGIONS.items() for region in regions])
def test_tampering_with_any_part_is_noticed(race, mode, region):
    first, second = race(mode, "legacy")
    data = bytearray(first.udp.seal.seal(first.update(x=1)))
    data[REGIONS[mode][region]] ^= 0x01
    dropped(lambda: first.udp.send_raw(bytes(data)), first, [second])


@pytest.mark.parametrize("mode", MODES)
def test_cut_and_extended_datagrams_are_dropped(race, mode):
    first, second = race(mode, "legacy")
    seal = first.udp.seal
    whole = seal.seal(first.update(x=1))
    for data in [whole[:n] for n in (4, 12, 19, 20, 35, 36, 52, len(whole) - 16, len(whole) - 1)] + [whole + b"\0"]:
        dropped(lambda: first.udp.send_raw(data), first, [second])


def test_another_sessions_connection_and_keys(race):
    """A valid seal of one session around a message in another's name, and one session's keys on another's id."""
    first, second, third = race("gcm", "gcm", "legacy")
    dropped(lambda: first.udp.send(second.update(x=666)), first, [second, third])
    crossed = Aead(first.grant)
    crossed.conn_id = second.udp.seal.conn_id
    dropped(lambda: first.udp.send_raw(crossed.seal(second.update(x=666), sequence=50)), first, [second, third])
    dropped(lambda: third.udp.send_raw(crossed.seal(third.update(x=666), sequence=51)), first, [second, third])


def test_the_servers_own_datagrams_cannot_be_sent_back(race):
    first, second = race("gcm", "legacy")
    second.udp.send(second.update())
    reflected = first.udp.receive_raw()
    dropped(lambda: first.udp.send_raw(reflected), first, [second])


def test_the_wrong_algorithm_under_the_right_keys(race):
    first, second = race("cbc", "legacy")
    mixed = Aead(first.grant)
    mixed.alg = GCM
    mixed.c2s = mixed.c2s[:36]
    dropped(lambda: first.udp.send_raw(mixed.seal(first.update(), sequence=9)), first, [second])


# ---- nothing weaker

@pytest.mark.parametrize("mode", MODES)
def test_after_negotiation_nothing_weaker_is_taken(race, mode):
    first, second = race(mode, "legacy")
    for seal in (Legacy(first.id), Plain(), Zipped(), Zipped(Legacy(first.id))):
        dropped(lambda: first.udp.send_raw(seal.seal(first.update(x=9))), first, [second])
        elsewhere = first.udp.another()
        dropped(lambda: elsewhere.send_raw(seal.seal(first.update(x=9))), first, [second])
        assert elsewhere.waiting() == []


@pytest.mark.parametrize("mode", MODES)
def test_nothing_weaker_even_before_the_first_datagram(race, mode):
    first, second = race(mode, "legacy", register=False)
    second.udp.send(second.update())
    for seal in (Legacy(first.id), Plain()):
        first.udp.send_raw(seal.seal(first.update(x=9)))
    delivered(first, [second], first.update(x=1))
    delivered(second, [first], second.update(x=2))


def test_logging_in_again_gives_new_keys_that_work(race):
    first, second = race("gcm", "legacy")
    old = first.udp.seal
    first.log_in(first.name, udpAead=[CBC_HMAC])
    first.udp.seal = Aead(first.grant)
    assert first.udp.seal.conn_id != old.conn_id
    delivered(first, [second], first.update(x=1))
    delivered(second, [first], second.update(x=2))
    dropped(lambda: first.udp.send_raw(Legacy(first.id).seal(first.update(x=9))), first, [second])


def test_logging_in_again_without_an_offer_does_not_weaken(race):
    first, second, third = race("gcm", "legacy", "legacy")
    first.log_in(first.name)
    for seal in (Legacy(first.id), Plain()):
        first.udp.send_raw(seal.seal(first.update(x=9)))
    mark = second.update(mark=1)
    second.udp.send(mark)
    # Whatever becomes of the keys that it had before, the forms above stay refused.
    assert third.udp.receive() == mark
    assert second.udp.waiting() == []


def test_logging_in_again_without_an_offer_keeps_the_keys(race):
    first, second = race("gcm", "legacy")
    first.log_in(first.name)
    delivered(first, [second], first.update(x=1))
    delivered(second, [first], second.update(x=2))


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


def test_pack_without_the_cipher_means_nothing(connect, unique):
    name = unique()
    assert connect().ask("NAME", name=name, password="x", udpPack=True) == name_ok(name)


# ---- required

@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("strict"), racing__udp_require_aead=True).start()
    yield server
    server.stop()


def test_required_means_that_nothing_else_is_heard(strict, connect, unique, race):
    first, second = race("gcm", "cbc", server=strict)
    for mode, seal in (("legacy", Legacy), ("plain", lambda _: Plain())):
        weak = connect(strict)
        reply = weak.get("NAME", name=unique(), password="x")
        if not reply.get("authenticated"):
            continue  # turning the login away is as good
        weak.join(first.room_id)
        weak.open_udp(mode)
        dropped(lambda: weak.udp.send(weak.update()), first, [second])
        assert weak.udp.waiting() == []
        weak.get("LEAVE_ROOM")


def test_required_and_negotiated_works(strict, race):
    players = race("gcm", "cbc", "gcm", server=strict)
    for sender in players:
        delivered(sender, [p for p in players if p is not sender], sender.update(x=3))


def test_start_racing_needs_every_form(race):
    """Twenty players of four kinds in one room, each heard by all."""
    players = race(*["legacy", "plain", "gcm", "cbc"] * 5, register=False)
    start_racing(players)
    for sender in players[:4]:
        delivered(sender, [p for p in players if p is not sender], sender.update(x=1))
