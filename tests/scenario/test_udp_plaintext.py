"""racing.udp_plaintext: whether datagrams in the clear are taken, and what their senders get back."""
import pytest

from harness.player import delivered, dropped, start_racing
from harness.seal import Legacy, Plain
from harness.server import Server


@pytest.fixture(scope="module")
def off(tmp_path_factory):
    yield from serve(tmp_path_factory, "off")


@pytest.fixture(scope="module")
def on(tmp_path_factory):
    yield from serve(tmp_path_factory, "on")


def serve(tmp_path_factory, policy):
    server = Server(tmp_path_factory.mktemp(policy), racing__udp_plaintext=policy).start()
    yield server
    server.stop()


# ---- until_encrypted, the default

def test_plaintext_is_taken_until_the_first_sealed_datagram(race):
    first, second = race("plain", "legacy")
    plain, sealed = first.udp.seal, Legacy(first.id)
    delivered(first, [second], first.update(x=1))
    delivered(first, [second], first.input())
    first.udp.seal = sealed
    delivered(first, [second], first.update(x=2))
    dropped(lambda: first.udp.send_raw(plain.seal(first.update(x=3))), first, [second])
    text = first.input(late=1)
    dropped(lambda: first.udp.send_raw(plain.seal(text)), first, [second], text)


def test_an_invalid_sealed_datagram_does_not_end_plaintext(race):
    first, second = race("plain", "legacy")
    wrong_key = Legacy("f" * 32)
    for data in (wrong_key.seal(first.update()), Legacy(first.id).seal(second.update()), Legacy.frame(b"x" * 64)):
        first.udp.send_raw(data)
    delivered(first, [second], first.update(x=1))


def test_the_choice_is_each_sessions_own(race):
    plain, sealed = race("plain", "legacy")
    for i in range(3):
        delivered(plain, [sealed], plain.update(x=i))
        delivered(sealed, [plain], sealed.update(x=i))


def test_plaintext_stays_refused_after_logging_in_again(race):
    first, second = race("legacy", "legacy")
    first.log_in(first.name)
    dropped(lambda: first.udp.send_raw(Plain().seal(first.update(x=3))), first, [second])


def test_what_a_player_gets_follows_what_it_sent(race):
    first, second = race("legacy", "plain")
    text = first.update(x=1)
    first.udp.send(text)
    assert second.udp.receive_raw() == text + b"\n"
    second.udp.seal = Legacy(second.id)
    delivered(second, [first], second.update(x=2))
    text = first.update(x=3)
    first.udp.send(text)
    assert second.udp.receive_raw() == second.udp.seal.seal(text)


def test_a_refused_plain_datagram_does_not_change_what_a_player_gets(race):
    first, second = race("legacy", "legacy")
    second.udp.send_raw(Plain().seal(second.update(x=2)))
    delivered(first, [second], first.update(x=3))


# ---- off

def test_off_takes_no_plaintext(off, race):
    first, second, plain = race("legacy", "legacy", "plain", server=off, register=False)
    start_racing([first, second])
    dropped(lambda: plain.udp.send(plain.update()), first, [second])
    text = plain.input()
    dropped(lambda: plain.udp.send(text), first, [second], text)
    assert plain.udp.waiting() == []
    plain.udp.seal = Legacy(plain.id)
    delivered(plain, [first, second], plain.update(x=1))


# ---- on

def test_on_takes_plaintext_after_sealed_datagrams(on, race):
    first, second = race("legacy", "legacy", server=on)
    sealed = first.udp.seal
    first.udp.seal = Plain()
    delivered(first, [second], first.update(x=1))
    first.udp.seal = sealed
    delivered(first, [second], first.update(x=2))


def test_on_answers_sealed_once_something_sealed_has_come(on, race):
    first, second = race("legacy", "plain", server=on)
    delivered(first, [second], first.update(x=1))
    sealed, plain = Legacy(second.id), second.udp.seal
    second.udp.seal = sealed
    delivered(second, [first], second.update(x=2))
    delivered(first, [second], first.update(x=3))
    second.udp.send_raw(plain.seal(second.update(x=4)))
    assert first.udp.receive() == second.update(x=4)
    delivered(first, [second], first.update(x=5))


def test_on_still_moves_no_endpoint_by_plaintext(on, race):
    first, second = race("legacy", "legacy", server=on)
    thief = second.udp.another(seal=Plain())
    thief.send(second.update(x=9))
    text = first.update(x=1)
    first.udp.send(text)
    data = second.udp.receive_raw()
    assert data in (text + b"\n", second.udp.seal.seal(text))
    assert thief.waiting() == []


def test_on_still_refuses_plaintext_from_another_address(on, race):
    first, second = race("legacy", "plain", server=on)
    elsewhere = second.udp.another(source="127.0.0.2")
    dropped(lambda: elsewhere.send(second.update(x=1)), second, [first])
