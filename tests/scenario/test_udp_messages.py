"""A foreign client's UPDATE and INPUT reach the others. To whom, and in which words, is in scripts/update_*.talk and
wrong_room.talk."""
import json

from harness.messages import flat_input, nested_input, wire
from harness.player import delivered, dropped


def test_an_update_reaches_everybody_else_in_the_room(race):
    players = race("legacy", "plain", "legacy", "plain")
    for sender in players:
        delivered(sender, [p for p in players if p is not sender], sender.update(x=4.5))


def test_an_input_in_the_documents_nested_form(race):
    players = race("legacy", "legacy", "plain")
    delivered(players[0], players[1:], players[0].input())


def test_an_input_in_the_flat_form_of_one_client(race):
    players = race("legacy", "legacy", "plain")
    delivered(players[0], players[1:], flat_input(players[0].id))


def test_ids_in_capitals_are_others(race):
    first, second = race("legacy", "legacy")
    texts = [wire({**json.loads(first.update()), "sessionId": first.id.upper()}),
             nested_input(first.id, first.room_id.upper()), flat_input(first.id, roomId=first.room_id.upper())]
    for text in texts:
        dropped(lambda: first.udp.send(text), first, [second], text)
