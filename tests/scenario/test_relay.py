"""RELAY_MESSAGE: text from one player to another, whoever and wherever they are."""
import json

import pytest

from harness.messages import RELAY_NO_TARGET, TOO_LONG, wire
from harness.waiting import until


def relayed(sender, message):
    return wire({"command": "RELAYED_MESSAGE", "senderId": sender.id, "senderName": sender.name,
                 "message": message})


def relay_ok(target):
    return wire({"command": "RELAY_OK", "targetId": target.id})


def test_to_a_player_in_the_same_room(join_server):
    sender, target, other = join_server(), join_server(), join_server()
    room = sender.create_room()
    target.join(room)
    other.join(room)
    assert sender.ask("RELAY_MESSAGE", targetId=target.id, message="hi") == relay_ok(target)
    assert target.line() == relayed(sender, "hi")
    other.nothing_else()
    sender.nothing_else()


def test_to_a_player_in_another_room_or_in_none(join_server):
    sender, roomless, elsewhere = join_server(), join_server(), join_server()
    sender.create_room()
    elsewhere.create_room()
    for target in (roomless, elsewhere):
        assert sender.ask("RELAY_MESSAGE", targetId=target.id, message="hi") == relay_ok(target)
        assert target.line() == relayed(sender, "hi")


def test_to_a_session_that_has_not_logged_in(join_server, connect):
    sender, target = join_server(), connect()
    assert sender.ask("RELAY_MESSAGE", targetId=target.id, message="welcome") == relay_ok(target)
    assert target.line() == relayed(sender, "welcome")


def test_to_oneself_comes_before_the_confirmation(join_server):
    player = join_server()
    assert player.ask("RELAY_MESSAGE", targetId=player.id, message="note") == relayed(player, "note")
    assert player.line() == relay_ok(player)
    player.nothing_else()


def test_order_is_kept(join_server):
    sender, target = join_server(), join_server()
    for i in range(20):
        sender.send("RELAY_MESSAGE", targetId=target.id, message=f"number {i}")
    for i in range(20):
        assert sender.line() == relay_ok(target)
        assert target.line() == relayed(sender, f"number {i}")


@pytest.mark.parametrize("text", ['"quotes" and \\ backslash', "line\nfeed\tand tab", "\x01\x1f", "Füße 🏎 ☃",
                                  '{"command":"BYE_ADMIN"}', "a,b:c", "/help me", "x" * 4096],
                         ids=lambda t: ascii(t)[:24])
def test_texts_arrive_whole(join_server, text):
    sender, target = join_server(), join_server()
    assert sender.ask("RELAY_MESSAGE", targetId=target.id, message=text) == relay_ok(target)
    line = target.line()
    assert json.loads(line) == json.loads(relayed(sender, text))
    assert line.startswith(b'{"command":"RELAYED_MESSAGE","senderId":"')


def test_a_text_of_more_than_4096_bytes_is_refused(join_server):
    sender, target = join_server(), join_server()
    for text in ("x" * 4097, "é" * 2049):
        assert sender.ask("RELAY_MESSAGE", targetId=target.id, message=text) == TOO_LONG
    target.nothing_else()


def test_the_name_is_the_senders_name_now(join_server, unique):
    sender, target = join_server(), join_server()
    sender.log_in(unique())
    sender.ask("RELAY_MESSAGE", targetId=target.id, message="hi")
    assert target.line() == relayed(sender, "hi")


def test_a_sender_cannot_choose_who_it_says_it_is(join_server):
    sender, target = join_server(), join_server()
    sender.ask("RELAY_MESSAGE", targetId=target.id, message="hi", senderId=target.id, senderName="Admin")
    assert target.line() == relayed(sender, "hi")


def test_a_player_who_left_cannot_be_reached(join_server):
    sender, target = join_server(), join_server()
    target.close()
    until(lambda: sender.ask("RELAY_MESSAGE", targetId=target.id, message="x") == RELAY_NO_TARGET,
          "the target is gone")
