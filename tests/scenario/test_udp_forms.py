"""A foreign client's datagrams in the document's forms: sealed, plain and compressed. What is not exactly one of
them, and their sizes, are in scripts/datagram_*.talk."""
import hashlib

from harness.messages import update
from harness.player import delivered
from harness.seal import Legacy, Zipped

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


def test_gzip_bare(race):
    first, second, third = race("plain", "plain", "legacy")
    text = first.update(x=7)
    first.udp.send_raw(Zipped().seal(text))
    assert second.udp.receive() == text
    assert third.udp.receive() == text


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
