"""What happens when an account that is online logs in a second time; see scripts/login_replace.talk,
login_elsewhere.talk and login_min_length.talk too."""
from harness.messages import REPLACED, name_ok


def test_replace_closes_the_older_connection(join_server, connect):
    old = join_server(password="mine")
    new = connect()
    assert new.ask("NAME", name=old.name, password="mine") == name_ok(old.name)
    assert old.closing() == [REPLACED]
    new.create_room()


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
