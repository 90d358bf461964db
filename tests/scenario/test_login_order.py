"""Password hashing that takes time, with many logins at once; the order of lines is in scripts/login_order.talk."""
import signal
import time

from harness.messages import BUSY, NAME_TAKEN, PONG, SHUTTING_DOWN, name_ok, wire
from harness.player import Closed

SETTINGS = {"accounts.password_cost": 10}


def lines(*messages):
    return b"".join(wire(message) + b"\n" for message in messages)


def test_lines_behind_a_login_are_answered_after_it(connect, unique):
    player, name = connect(), unique()
    player.send_raw(lines({"command": "NAME", "name": name, "password": "x"},
                          {"command": "PING"}, {"command": "LIST_ROOMS"}))
    assert player.line() == name_ok(name)
    assert player.line() == PONG
    assert player.line().startswith(b'{"command":"ROOM_LIST"')


def test_others_do_not_wait_for_a_login(connect, unique):
    """Loop and hashing are apart: pings go on while a queue of logins is being worked off."""
    other = connect()
    players = [connect() for _ in range(12)]
    for player in players:
        player.send("NAME", name=unique(), password="x")
    for _ in range(10):
        assert other.ask("PING") == PONG
    for player in players:
        assert b"NAME_OK" in player.line()


def test_a_player_who_leaves_while_logging_in_harms_nobody(connect, unique, settled):
    names = [unique() for _ in range(6)]
    for i, name in enumerate(names):
        player = connect()
        player.send("NAME", name=name, password="x")
        if i % 2:
            player.vanish()
        else:
            player.close()
    other = connect()
    settled(other)
    # Their registrations either happened or not, but nobody holds those names.
    for name in names:
        assert connect().get("NAME", name=name, password="x")["authenticated"] is True


def test_the_same_new_name_registered_by_many_at_once_has_one_password(connect, unique):
    name = unique()
    players = [connect() for _ in range(6)]
    for i, player in enumerate(players):
        player.send("NAME", name=name, password=f"password-{i}")
    replies = []
    for player in players:
        try:
            replies.append(player.line())
        except Closed:
            replies.append(None)
    winners = [i for i, reply in enumerate(replies) if reply == name_ok(name)]
    assert len(winners) == 1, replies
    assert all(reply == NAME_TAKEN for i, reply in enumerate(replies) if i != winners[0]), replies
    assert connect().ask("NAME", name=name, password=f"password-{winners[0]}") == name_ok(name)


def test_logins_beyond_the_queue_are_told_to_try_again(new_server, connect, unique):
    """At cost 12 a hash takes a fifth of a second; forty of them cannot be done by one worker within one."""
    server = new_server(accounts__password_cost=12, accounts__hash_workers=1, accounts__queue_max_s=1)
    players = [connect(server) for _ in range(40)]
    names = [unique() for _ in players]
    for player, name in zip(players, names):
        player.send("NAME", name=name, password="x")
    replies = [player.line(deadline_s=60) for player in players]
    refused = [i for i, reply in enumerate(replies) if reply == BUSY]
    assert refused, "some have to be turned away"
    assert len(refused) < len(players), "some have to be served"
    for i, reply in enumerate(replies):
        assert reply in (BUSY, name_ok(names[i]))
    # Being turned away is no verdict about the password: the same connection may try again.
    last = refused[-1]
    end = time.monotonic() + 60
    while (reply := players[last].ask("NAME", name=names[last], password="x")) == BUSY:
        assert time.monotonic() < end
    assert reply == name_ok(names[last])


def test_waiting_for_a_hash_is_not_silence(new_server, connect, unique):
    """The last of these waits longer for its turn than a silent session may last."""
    server = new_server(accounts__password_cost=13, accounts__hash_workers=1, accounts__queue_max_s=60,
                        racing__idle_timeout_s=1)
    players, names = [connect(server) for _ in range(8)], [unique() for _ in range(8)]
    for player, name in zip(players, names):
        player.send("NAME", name=name, password="x")
    for player, name in zip(players, names):
        assert player.line(deadline_s=60) == name_ok(name)


def test_a_drain_does_not_leave_a_login_unanswered(new_server, connect, unique):
    """Whoever is waiting for a hash when the server goes down hears one thing or the other, and then the end."""
    server = new_server(accounts__password_cost=12, accounts__hash_workers=1)
    players, names = [connect(server) for _ in range(4)], [unique() for _ in range(4)]
    for player, name in zip(players, names):
        player.send("NAME", name=name, password="x")
    server.signal(signal.SIGTERM)
    for player, name in zip(players, names):
        heard = player.closing(deadline_s=30)
        player.close()
        assert heard in ([SHUTTING_DOWN], [name_ok(name), SHUTTING_DOWN], [BUSY, SHUTTING_DOWN]), heard
    assert server.wait_exit() == 0
