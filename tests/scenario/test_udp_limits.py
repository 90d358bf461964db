"""Sizes of datagrams: the largest that is taken, one byte more, and how far gzip may inflate."""
import gzip

import pytest

from harness.messages import wire
from harness.player import delivered, dropped
from harness.seal import Legacy

DATAGRAM_LIMIT = 1472
INFLATED_LIMIT = 8192


def padded_update(player, size, filler="x"):
    """An UPDATE of exactly this many bytes."""
    empty = player.update(pad="")
    return player.update(pad=filler * (size - len(empty)))


def test_a_plain_datagram_of_1472_bytes(race):
    first, plain, sealed = race("plain", "plain", "legacy")
    text = padded_update(first, DATAGRAM_LIMIT - 1)
    assert len(first.udp.seal.seal(text)) == DATAGRAM_LIMIT
    delivered(first, [plain, sealed], text)


def test_a_plain_datagram_of_1473_bytes(race):
    first, second = race("plain", "legacy")
    text = padded_update(first, DATAGRAM_LIMIT)
    dropped(lambda: first.udp.send(text), first, [second])


def test_a_sealed_datagram_of_1460_bytes(race):
    """The largest one that is four bytes and whole blocks."""
    first, second, plain = race("legacy", "legacy", "plain")
    text = padded_update(first, 1455)
    assert len(first.udp.seal.seal(text)) == 1460
    delivered(first, [second, plain], text)


def test_a_sealed_datagram_of_1476_bytes(race):
    first, second = race("legacy", "legacy")
    text = padded_update(first, 1456)
    assert len(first.udp.seal.seal(text)) == 1476
    dropped(lambda: first.udp.send(text), first, [second])


@pytest.mark.parametrize("mode,overhead", [("gcm", 36), ("cbc", 52)])
def test_negotiated_datagrams_at_the_limit(race, mode, overhead):
    first, second = race(mode, "legacy")
    size = DATAGRAM_LIMIT - overhead if mode == "gcm" else (DATAGRAM_LIMIT - overhead) // 16 * 16 - 1
    text = padded_update(first, size)
    assert DATAGRAM_LIMIT - 16 < len(first.udp.seal.seal(text)) <= DATAGRAM_LIMIT
    delivered(first, [second], text)
    dropped(lambda: first.udp.send(padded_update(first, size + 16)), first, [second])


def test_a_datagram_of_65507_bytes_is_dropped(race):
    first, second = race("plain", "legacy")
    dropped(lambda: first.udp.send_raw(padded_update(first, 65507)), first, [second])


@pytest.mark.parametrize("mode", ["plain", "legacy"])
def test_gzip_inflates_to_8192_bytes_and_not_to_8193(server, race, mode):
    """What a packed message may hold; how much of it reaches the others depends on their own form."""
    first, second = race(mode, "legacy")

    def send(text):
        data = gzip.compress(text)
        first.udp.send_raw(data if mode == "plain" else first.udp.seal.seal(data))

    before = server.accepted()
    send(padded_update(first, INFLATED_LIMIT + 1))
    mark = first.input(mark="after the one that is too large")
    first.udp.send(mark)
    assert second.udp.receive() == mark
    assert server.accepted() - before == 1
    send(padded_update(first, INFLATED_LIMIT))
    mark = first.input(mark="after the one that fits")
    first.udp.send(mark)
    received = [second.udp.receive()]
    while received[-1] != mark:
        received.append(second.udp.receive())
    assert server.accepted() - before == 3


def test_a_gzip_bomb_is_dropped(race):
    first, second = race("legacy", "legacy")
    bomb = gzip.compress(b'{"command":"UPDATE","pad":"' + b"0" * 1_000_000)
    assert len(bomb) < DATAGRAM_LIMIT
    dropped(lambda: first.udp.send_raw(first.udp.seal.seal(bomb)), first, [second])


def test_the_smallest_messages(race):
    """A command and a session id are enough; the rest has defaults."""
    first, second = race("legacy", "legacy")
    first.udp.send(wire({"command": "UPDATE", "sessionId": first.id}))
    assert second.udp.receive_json()["position"] == {"x": 0, "y": 0, "z": 0}


def test_empty_and_tiny_datagrams(race):
    first, second = race("plain", "legacy")
    for size in range(0, 21):
        dropped(lambda: first.udp.send_raw(b"\0" * size), first, [second])
    dropped(lambda: first.udp.send_raw(Legacy.frame(b"")), first, [second])
