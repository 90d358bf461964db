"""A foreign client registers a name and proves it later. The rest of logins is in scripts/login*.talk."""
from harness.messages import NAME_TAKEN, NEEDS_LOGIN, WRONG_PASSWORD, auth_ok, name_ok


def test_first_use_registers_and_later_uses_verify(connect, unique):
    name = unique()
    first = connect()
    assert first.ask("NAME", name=name, password="one") == name_ok(name)
    first.close()
    assert connect().ask("NAME", name=name, password="two") == NAME_TAKEN
    assert connect().ask("NAME", name=name, password="one") == name_ok(name)


def test_authenticate_as_the_owner(join_server, connect):
    owner = join_server(password="mine")
    owner.close()
    player = connect()
    assert player.ask("NAME", name=owner.name) == name_ok(owner.name, False)
    assert player.ask("AUTHENTICATE", password="wrong") == WRONG_PASSWORD
    assert player.ask("GET_ROOM_PLAYERS") == NEEDS_LOGIN
    assert player.ask("AUTHENTICATE", password="mine") == auth_ok(owner.name)
    player.create_room()
