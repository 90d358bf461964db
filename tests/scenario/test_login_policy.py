"""What happens when an account that is online logs in a second time, and other settings of logins."""
from harness.messages import (NAME_TAKEN, NEEDS_LOGIN, PASSWORD_SHORT, REPLACED, SIGNED_IN, auth_ok, name_ok)
from harness.waiting import until


def test_replace_closes_the_older_connection(join_server, connect):
    old = join_server(password="mine")
    new = connect()
    assert new.ask("NAME", name=old.name, password="mine") == name_ok(old.name)
    assert old.closing() == [REPLACED]
    new.create_room()


def test_replace_by_authenticate(join_server, connect):
    old = join_server(password="mine")
    new = connect()
    assert new.ask("NAME", name=old.name) == name_ok(old.name, False)
    old.nothing_else()
    assert new.ask("AUTHENTICATE", password="mine") == auth_ok(old.name)
    assert old.closing() == [REPLACED]


def test_a_wrong_password_replaces_nobody(join_server, connect):
    owner = join_server(password="mine")
    assert connect().ask("NAME", name=owner.name, password="guess") == NAME_TAKEN
    owner.nothing_else()


def test_the_replaced_player_leaves_their_room(join_server, connect):
    host, guest = join_server(password="mine"), join_server()
    room = host.create_room()
    guest.join(room)
    new = connect().log_in(host.name, "mine")
    assert host.closing() == [REPLACED]
    assert guest.players_in_room() == [(guest.id, guest.name)]
    assert guest.rooms()[room]["hostId"] == guest.id
    assert new.current_room() is None


def test_logging_in_again_on_the_same_connection_replaces_nobody(join_server):
    player = join_server(password="mine")
    assert player.ask("NAME", name=player.name, password="mine") == name_ok(player.name)
    assert player.ask("AUTHENTICATE", password="mine") == auth_ok(player.name)
    player.nothing_else()


def test_switching_to_an_account_that_is_online_replaces_its_connection(join_server):
    old, other = join_server(password="mine"), join_server()
    assert other.ask("NAME", name=old.name, password="mine") == name_ok(old.name)
    assert old.closing() == [REPLACED]


def test_an_account_that_was_left_by_switching_is_free(join_server, connect, unique):
    player = join_server(password="mine")
    first, second = player.name, unique()
    assert player.ask("NAME", name=second, password="x") == name_ok(second)
    assert connect().ask("NAME", name=first, password="mine") == name_ok(first)
    player.nothing_else()


def test_many_logins_of_one_account_at_once_leave_one(connect, unique):
    name = unique()
    connect().log_in(name, "mine").close()
    players = [connect() for _ in range(8)]
    for player in players:
        player.send("NAME", name=name, password="mine")
    for player in players:
        assert player.line() == name_ok(name)
    # Every one of them was answered; all but the last to be admitted are told and closed.
    alive = []
    for player in players:
        player.send("PING")
    for player in players:
        reply = player.line()
        if reply == REPLACED:
            assert player.closing() == []
        else:
            alive.append(player)
    assert len(alive) == 1


def test_allow_keeps_both(new_server, join_server, connect):
    server = new_server(racing__single_login="allow")
    first = join_server(server, password="mine")
    second = connect(server)
    assert second.ask("NAME", name=first.name, password="mine") == name_ok(first.name)
    first.nothing_else()
    second.join(first.create_room())
    assert first.players_in_room() == [(first.id, first.name), (second.id, first.name)]


def test_refuse_keeps_the_first(new_server, join_server, connect):
    server = new_server(racing__single_login="refuse")
    first = join_server(server, password="mine")
    second = connect(server)
    assert second.ask("NAME", name=first.name, password="guess") == NAME_TAKEN, "says nothing about who is here"
    assert second.ask("NAME", name=first.name, password="mine") == SIGNED_IN
    assert second.ask("NAME", name=first.name) == name_ok(first.name, False)
    assert second.ask("AUTHENTICATE", password="mine") == SIGNED_IN
    assert second.ask("LEAVE_ROOM") == NEEDS_LOGIN
    first.nothing_else()
    first.close()
    until(lambda: second.get("NAME", name=first.name, password="mine")["command"] == "NAME_OK",
          "the account is free again once its connection has ended")


def test_refuse_lets_the_same_connection_repeat_its_login(new_server, join_server):
    player = join_server(new_server(racing__single_login="refuse"), password="mine")
    assert player.ask("NAME", name=player.name, password="mine") == name_ok(player.name)
    assert player.ask("AUTHENTICATE", password="mine") == auth_ok(player.name)


def test_password_min_length(new_server, connect, unique):
    server = new_server(racing__password_min_length=6)
    name, player = unique(), connect(server)
    assert player.ask("NAME", name=name, password="12345") == PASSWORD_SHORT
    assert player.ask("LEAVE_ROOM") == NEEDS_LOGIN
    assert player.ask("NAME", name=name, password="123456") == name_ok(name)


def test_names_without_letter_case(new_server, connect, unique):
    server, name = new_server(racing__name_case="fold"), unique("Racer")
    assert connect(server).ask("NAME", name=name, password="mine") == name_ok(name)
    assert connect(server).ask("NAME", name=name.upper(), password="guess") == NAME_TAKEN
    again = connect(server).get("NAME", name=name.upper(), password="mine")
    assert again["command"] == "NAME_OK" and again["authenticated"] is True
