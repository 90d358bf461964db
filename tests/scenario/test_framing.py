"""What a foreign client sees of the framing: one JSON object a line. Its cases are in scripts/framing*.talk."""
import pytest

from harness.messages import BYE_OK, INVALID_JSON, PONG
from harness.player import Closed

BOM = b"\xef\xbb\xbf"
PING = b'{"command":"PING"}'


def test_byte_order_mark_line_ends_and_records_of_one_byte(connect):
    player = connect()
    for byte in BOM + PING + b"\r\n":
        player.send_raw(bytes([byte]))
    assert player.line() == PONG, "and no CR before the LF"
    assert player.ask_raw(BOM + b'{"command":') == INVALID_JSON
    player.nothing_else()


def test_an_endless_line_does_not_reach_others(connect, settled):
    flooder, other = connect(), connect()
    with pytest.raises((OSError, Closed)):
        while True:
            flooder.send_raw(b"y" * 16384)
    settled(other)


def test_bye_says_goodbye_to_tls_too(connect):
    player = connect()
    player.send("BYE")
    assert player.closing() == [BYE_OK]
    assert player.closed_cleanly, "a close_notify comes before the end of the connection"
