"""The forms of a datagram: sealed, plain and compressed; what is not exactly one of them is dropped."""
import gzip
import hashlib
import struct

import pytest

from harness.messages import flat_input, update
from harness.player import delivered, dropped
from harness.seal import Legacy, Plain, Zipped

# The document's vector: what a datagram of this session looks like under the default secret.
VECTOR_ID = "0123456789abcdef0123456789abcdef"
VECTOR_HASH = "9861af085c9d622ffe6fb5da33e9efa0c35c1eb84786da7854eb3cf2aa6947ae"
VECTOR_TEXT = (b'{"command":"UPDATE","sessionId":"0123456789abcdef0123456789abcdef",'
               b'"position":{"x":1,"y":2,"z":3},"rotation":{"x":0,"y":0,"z":0,"w":1}}')
VECTOR_DATAGRAM = bytes.fromhex(
    "90000000"
    "5dcb4123c991d67b7f4d58f968e4c729b1efc45e968398aaae34726fe35687dc6bcec489dc4c46fb423ace5ada81350e"
    "f5fcf39a2ce840c68f81931ccbbf014e97cd93db61a3fab699575c7fb98913ee0f34f8f0464b53eaa58ec5d873a675cc"
    "b39bb448c3395f59b2ed60edad18b48562d350ee38fd99ee101a5fff33375d25fc08cf40f94afb598523b789dea8c670")


def test_this_client_seals_as_the_vector_says():
    seal = Legacy(VECTOR_ID)
    assert hashlib.sha256((VECTOR_ID + "RacingServerUDP2024!").encode()).hexdigest() == VECTOR_HASH
    assert update(VECTOR_ID) == VECTOR_TEXT
    assert seal.seal(VECTOR_TEXT) == VECTOR_DATAGRAM
    assert seal.open(VECTOR_DATAGRAM) == VECTOR_TEXT


def test_sealed_to_sealed(race):
    first, second = race("legacy", "legacy")
    delivered(first, [second], first.update(x=1.5))
    delivered(second, [first], second.update(x=-2.25))


def test_plain_to_plain_ends_with_one_lf(race):
    first, second = race("plain", "plain")
    text = first.update()
    first.udp.send(text)
    assert second.udp.receive_raw() == text + b"\n"


def test_sealed_to_plain_and_back(race):
    sealed, plain = race("legacy", "plain")
    delivered(sealed, [plain], sealed.update())
    delivered(plain, [sealed], plain.update())


def test_a_sealed_datagram_is_sealed_for_its_recipient(race):
    first, second, third = race("legacy", "legacy", "legacy")
    text = first.update()
    first.udp.send(text)
    datagrams = [player.udp.receive_raw() for player in (second, third)]
    assert datagrams == [Legacy(player.id).seal(text) for player in (second, third)], "and without a line feed inside"


def test_a_secret_of_the_servers_own(new_server, race):
    server = new_server(racing__udp_shared_secret="not the document's")
    first, second = race("legacy", "legacy", server=server)
    delivered(first, [second], first.update())
    dropped(lambda: first.udp.send_raw(Legacy(first.id).seal(first.update(x=9))), first, [second])


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n", b" \t\n"], ids=repr)
@pytest.mark.parametrize("mode", ["plain", "legacy"])
def test_whitespace_after_the_json_is_not_relayed(race, mode, end):
    sender, sealed = race(mode, "legacy")
    text = sender.update(end=len(end))
    sender.udp.send_raw(text + end if mode == "plain" else sender.udp.seal.seal(text + end))
    assert sealed.udp.receive().rstrip() == text


def test_gzip_inside_a_sealed_datagram(race):
    first, second = race("legacy", "legacy")
    text = first.update(x=7)
    first.udp.send_raw(Zipped(first.udp.seal).seal(text))
    assert second.udp.receive() == text, "relayed unpacked"


def test_gzip_bare(race):
    first, second, third = race("plain", "plain", "legacy")
    text = first.update(x=7)
    first.udp.send_raw(Zipped().seal(text))
    assert second.udp.receive() == text
    assert third.udp.receive() == text


def test_gzip_as_the_first_datagram_registers(race):
    first, second = race("plain", "legacy", register=False)
    second.udp.send(second.update())
    first.udp.send_raw(Zipped().seal(first.update()))
    second.udp.receive()
    delivered(second, [first], second.update(x=3))


def test_bare_gzip_counts_as_plaintext(race):
    """It proves nothing about its sender, so it is refused wherever plaintext is."""
    first, second = race("legacy", "legacy")
    dropped(lambda: first.udp.send_raw(Zipped().seal(first.update())), first, [second])


@pytest.mark.parametrize("wrap", [lambda t: gzip.compress(gzip.compress(t)), lambda t: gzip.compress(t)[:-6],
                                  lambda t: gzip.compress(t)[:12], lambda t: b"\x1f\x8b",
                                  lambda t: b"\x1f\x8b\x08\x00" + b"\xff" * 60,
                                  lambda t: gzip.compress(t)[:-8] + b"\0" * 8],
                         ids=["twice", "cut", "header only", "magic only", "garbage", "wrong checksum"])
@pytest.mark.parametrize("mode", ["plain", "legacy"])
def test_broken_gzip_is_dropped(race, mode, wrap):
    first, second = race(mode, "legacy")
    data = wrap(first.update(x=8))
    dropped(lambda: first.udp.send_raw(data if mode == "plain" else first.udp.seal.seal(data)), first, [second])


def test_a_wrong_length_in_the_header_is_dropped(race):
    first, second = race("legacy", "legacy")
    good = first.udp.seal.seal(first.update(x=8))
    for length in (len(good) - 3, len(good) - 5, len(good), len(good) - 20, 0, -1, -(2 ** 31), 2 ** 31 - 1, 16):
        dropped(lambda: first.udp.send_raw(struct.pack("<i", length) + good[4:]), first, [second])
    big_endian = struct.pack(">i", len(good) - 4) + good[4:]
    dropped(lambda: first.udp.send_raw(big_endian), first, [second])


def test_truncated_and_extended_datagrams_are_dropped(race):
    first, second = race("legacy", "legacy")
    good = first.udp.seal.seal(first.update(x=8))
    for cut in (0, 1, 3, 4, 5, 19, 20, len(good) - 16, len(good) - 1):
        dropped(lambda: first.udp.send_raw(good[:cut]), first, [second])
    dropped(lambda: first.udp.send_raw(good + b"\0"), first, [second])
    whole_blocks_only = good[4:-16]
    dropped(lambda: first.udp.send_raw(Legacy.frame(whole_blocks_only)), first, [second])
    dropped(lambda: first.udp.send_raw(Legacy.frame(good[4:-1])), first, [second])
    delivered(first, [second], first.update(x=9))


def test_flipped_bits_do_not_crash_and_never_speak_for_another(race):
    """Without a MAC some damage goes unnoticed; whatever is relayed still names its true sender."""
    first, second = race("legacy", "legacy")
    good = first.udp.seal.seal(first.update(x=8))
    for place in range(0, len(good), 7):
        damaged = bytearray(good)
        damaged[place] ^= 0x41
        first.udp.send_raw(bytes(damaged))
    text = first.input(last=True)
    first.udp.send(text)
    while (got := second.udp.receive()) != text:
        assert f'"sessionId":"{first.id}"'.encode() in got


@pytest.mark.parametrize("text", [
    b"", b"{}", b"[]", b"5", b"null", b'"x"', b"hello", b"{", b'{"command":"UPDATE"',
    b'{"command":5,"sessionId":"SID"}', b'{"sessionId":"SID"}', b'{"command":"UPDATE"}',
    b'{"command":"UPDATE","sessionId":5}', b'{"command":"UPDATE","sessionId":null}',
    b'{"command":"PING","sessionId":"SID"}', b'{"command":"FOO","sessionId":"SID"}',
    b'{"command":"UPDATE","sessionId":"SID","position":{"x":1e999,"y":0,"z":0}}',
    b'{"command":"UPDATE","sessionId":"SID","position":{"x":NaN,"y":0,"z":0}}',
    b'{"command":"UPDATE","sessionId":"SID"}x', b'{"command":"UPDATE","sessionId":"SID","s":"\xff"}',
    b'{"command":"UPDATE","sessionId":"SID","d":' + b"[" * 64 + b"]" * 64 + b"}",
    b'x{"command":"UPDATE","sessionId":"SID"}', b'[{"command":"UPDATE","sessionId":"SID"}]',
], ids=lambda t: repr(t)[:50])
@pytest.mark.parametrize("mode", ["plain", "legacy"])
def test_what_is_not_a_message_is_dropped(race, mode, text):
    first, second = race(mode, "legacy")
    dropped(lambda: first.udp.send(text.replace(b"SID", first.id.encode())), first, [second])


def test_nobody_answers_what_is_dropped(race):
    """No reply to strangers: the server cannot be used to flood a third party."""
    first, second = race("legacy", "legacy")
    stranger = first.udp.another(seal=Plain())
    for data in (b"hello", b"{}", b"MPG1" + b"\0" * 40, b"\x1f\x8b", update("f" * 32), flat_input("f" * 32)):
        stranger.send_raw(data)
    delivered(first, [second], first.update())
    assert stranger.waiting() == []
    stranger.close()
