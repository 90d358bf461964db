"""Where a player's datagrams come from and go to: registering, moving, and attempts to take over."""
import pytest

from harness.messages import flat_input
from harness.player import delivered, dropped, start_racing
from harness.seal import Legacy, Plain, Zipped
from harness.server import Server


def test_a_sealed_datagram_from_another_port_moves_the_endpoint(race):
    first, second = race("legacy", "legacy")
    old = second.udp
    second.udp = old.another()
    delivered(second, [first], second.update(x=1))
    delivered(first, [second], first.update(x=2))
    assert old.waiting() == []


def test_an_input_moves_the_endpoint_too(race):
    first, second = race("legacy", "legacy")
    second.udp = second.udp.another()
    delivered(second, [first], flat_input(second.id))
    delivered(first, [second], first.update(x=2))


def test_moving_back_and_forth(race):
    first, second = race("legacy", "legacy")
    sockets = [second.udp, second.udp.another()]
    for i in range(6):
        second.udp = sockets[i % 2]
        delivered(second, [first], second.update(x=i))
        delivered(first, [second], first.update(x=i))
        assert sockets[(i + 1) % 2].waiting() == []


def test_a_plain_datagram_registers_a_first_endpoint(race):
    first, second = race("plain", "plain", register=False)
    first.udp.send(first.update())
    second.udp.send(second.update())
    first.udp.receive()
    delivered(first, [second], first.update(x=3))


def test_a_plain_datagram_does_not_move_an_endpoint(race):
    first, second = race("plain", "plain")
    thief = second.udp.another()
    thief.send(second.update(x=1))
    thief.send(second.input())
    text = first.update(x=2)
    first.udp.send(text)
    while second.udp.receive() != text:
        pass
    assert thief.waiting() == []


def test_a_sealed_datagram_moves_an_endpoint_that_was_registered_in_the_clear(race):
    first, second = race("legacy", "plain")
    old = second.udp
    second.udp = old.another(seal=Legacy(second.id))
    delivered(second, [first], second.update(x=1))
    delivered(first, [second], first.update(x=2))
    assert old.waiting() == []


def test_a_plain_datagram_from_another_address_is_dropped(race):
    first, second = race("legacy", "plain", register=False)
    first.udp.send(first.update())
    elsewhere = second.udp.another(source="127.0.0.2")
    dropped(lambda: elsewhere.send(second.update()), first, [])
    delivered(second, [first], second.update(x=1))
    assert elsewhere.waiting() == []


def test_bare_gzip_from_another_address_is_dropped(race):
    first, second = race("legacy", "plain", register=False)
    first.udp.send(first.update())
    elsewhere = second.udp.another(source="127.0.0.2")
    elsewhere.send_raw(Zipped().seal(second.update()))
    delivered(second, [first], second.update(x=1))


def test_a_sealed_datagram_from_another_address_is_dropped(race):
    first, second = race("legacy", "legacy")
    elsewhere = second.udp.another(source="127.0.0.2")
    dropped(lambda: elsewhere.send(second.update(x=1)), second, [first])
    delivered(first, [second], first.update(x=2))
    assert elsewhere.waiting() == []


def test_any_address_when_configured(new_server, race):
    server = new_server(racing__udp_any_address=True)
    first, second = race("legacy", "legacy", server=server)
    old = second.udp
    second.udp = old.another(source="127.0.0.2")
    delivered(second, [first], second.update(x=1))
    delivered(first, [second], first.update(x=2))
    assert old.waiting() == []
    dropped(lambda: second.udp.another(Plain(), "127.0.0.3").send(second.update(x=3)), second, [first])
    delivered(first, [second], first.update(x=4))


def test_any_address_is_not_for_plaintext(new_server, race):
    server = new_server(racing__udp_any_address=True)
    first, second = race("legacy", "plain", server=server, register=False)
    first.udp.send(first.update())
    elsewhere = second.udp.another(source="127.0.0.2")
    elsewhere.send(second.update())
    delivered(second, [first], second.update(x=1))
    assert elsewhere.waiting() == []


def test_who_knows_an_id_but_not_the_secret_takes_nothing_over(new_server, race):
    server = new_server(racing__udp_shared_secret="only the players know")
    victim, witness, thief = race("legacy", "legacy", "legacy", server=server)
    with_default_secret = thief.udp.another(seal=Legacy(victim.id))
    in_the_clear = thief.udp.another(seal=Plain())
    for link in (with_default_secret, in_the_clear, thief.udp):
        dropped(lambda: link.send(victim.update(x=666)), thief, [victim, witness])
        text = victim.input()
        dropped(lambda: link.send(text), thief, [victim, witness], text)
    delivered(witness, [victim, thief], witness.update(x=1))
    assert with_default_secret.waiting() == in_the_clear.waiting() == []


def test_two_players_may_share_a_port(race, join_server):
    """Behind one socket two sessions are told apart by what they prove, not by where it comes from."""
    first, second = race("legacy", "legacy")
    third = join_server().join(first.room_id)
    third.udp = first.udp.another(seal=Legacy(third.id))
    third.udp.socket.close()
    third.udp.socket = first.udp.socket.dup()
    text = third.update(x=5)
    third.udp.send(text)
    assert second.udp.receive() == text
    text = first.update(x=6)
    first.udp.send(text)
    assert second.udp.receive() == text


def test_a_port_that_was_another_players_serves_a_new_one(race, join_server):
    first, second = race("legacy", "legacy")
    reused = second.udp.socket.dup()
    second.ask("BYE")
    second.closing()
    third = join_server().join(first.room_id)
    third.open_udp()
    third.udp.socket.close()
    third.udp.socket = reused
    delivered(third, [first], third.update(x=1))
    delivered(first, [third], first.update(x=2))


def test_an_endpoint_ends_with_its_session(race, join_server):
    first, second = race("legacy", "legacy")
    second.ask("BYE")
    second.closing()
    third = join_server().join(first.room_id)
    third.open_udp()
    delivered(third, [first], third.update())
    delivered(first, [third], first.update())
    assert second.udp.waiting() == []


@pytest.mark.parametrize("tcp,udp", [("::1", "127.0.0.1"), ("127.0.0.1", "::1"), ("::1", "::1")])
@pytest.mark.parametrize("mode", ["legacy", "plain", "gcm"])
def test_address_families_may_differ(dual_stack, race, join_server, tcp, udp, mode):
    """A client that asks for "localhost" may reach TCP over one family and UDP over the other."""
    witness, = race("legacy", server=dual_stack, register=False)
    player = join_server(dual_stack, host=tcp, aead=mode if mode == "gcm" else None).join(witness.room_id)
    player.open_udp(mode, host=udp)
    start_racing([witness, player])
    delivered(player, [witness], player.update(x=1))
    delivered(witness, [player], witness.update(x=2))


@pytest.fixture(scope="module")
def dual_stack(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("dual"), racing__bind="::").start()
    yield server
    server.stop()
