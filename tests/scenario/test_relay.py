"""What a foreign client sees of RELAY_MESSAGE. Its cases are in scripts/relay*.talk."""
import json

from harness.messages import RELAY_NO_TARGET, wire
from harness.waiting import until

TEXT = '"quotes", \\ backslash, line\nfeed, \x01, Füße 🏎'


def test_a_message_and_its_confirmation(join_server):
    sender, target = join_server(), join_server()
    expected = {"command": "RELAYED_MESSAGE", "senderId": sender.id, "senderName": sender.name, "message": TEXT}
    assert sender.ask("RELAY_MESSAGE", targetId=target.id, message=TEXT) == wire(
        {"command": "RELAY_OK", "targetId": target.id})
    line = target.line()
    assert list(json.loads(line).items()) == list(expected.items())
    assert line.startswith(b'{"command":"RELAYED_MESSAGE","senderId":"')
    target.vanish()
    until(lambda: sender.ask("RELAY_MESSAGE", targetId=target.id, message="x") == RELAY_NO_TARGET,
          "the target is gone")
