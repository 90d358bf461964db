"""A foreign client moves to another port, and comes over two families. The rest is in scripts/endpoints*.talk."""
import pytest

from harness.player import delivered, start_racing
from harness.server import Server


def test_a_sealed_datagram_from_another_port_moves_the_endpoint(race):
    first, second = race("legacy", "legacy")
    old = second.udp
    second.udp = old.another()
    delivered(second, [first], second.update(x=1))
    delivered(first, [second], first.update(x=2))
    assert old.waiting() == []


@pytest.mark.parametrize("tcp,udp", [("::1", "127.0.0.1"), ("127.0.0.1", "::1"), ("::1", "::1")])
def test_address_families_may_differ(dual_stack, race, join_server, tcp, udp):
    """A client that asks for "localhost" may reach TCP over one family and UDP over the other."""
    witness, = race("legacy", server=dual_stack, register=False)
    player = join_server(dual_stack, host=tcp).join(witness.room_id)
    player.open_udp(host=udp)
    start_racing([witness, player])
    delivered(player, [witness], player.update(x=1))
    delivered(witness, [player], witness.update(x=2))


@pytest.fixture(scope="module")
def dual_stack(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("dual"), racing__bind="::").start()
    yield server
    server.stop()
