"""What an unpleasant client does, for more than one test."""
import time

from .messages import RELAY_NO_TARGET, wire

TEXT = "x" * 4000


def flood(senders, target, deadline_s=60):
    """Relays to the target until the server says that there is no such player. Returns the texts relayed."""
    relayed, end = 0, time.monotonic() + deadline_s
    while time.monotonic() < end:
        for sender in senders:
            for _ in range(8):
                sender.send("RELAY_MESSAGE", targetId=target.id, message=TEXT)
            replies = [sender.line() for _ in range(8)]
            relayed += replies.count(wire({"command": "RELAY_OK", "targetId": target.id}))
            if RELAY_NO_TARGET in replies:
                return relayed
    raise AssertionError(f"still there after {relayed} messages of {len(TEXT)} bytes")
