"""One JSON object per line: byte order marks, line ends, limits and everything that is not quite JSON."""
import json

import pytest

from harness.messages import BYE_OK, INVALID_JSON, PONG, TOO_LONG, wire
from harness.player import Closed

BOM = b"\xef\xbb\xbf"
PING = b'{"command":"PING"}'
LINE_LIMIT = 65536


def padded_ping(size):
    """A PING of exactly this many bytes."""
    start, end = b'{"command":"PING","pad":"', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


def nested_ping(depth):
    """A PING whose arrays bring the whole line to this depth; the object itself is the first level."""
    return b'{"command":"PING","x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


# ---- byte order mark

def test_bom_before_the_first_command(connect):
    assert connect().ask_raw(BOM + PING) == PONG


def test_bom_in_a_record_of_its_own_makes_no_reply(connect):
    player = connect()
    player.send_raw(BOM)
    assert player.ask_raw(PING) == PONG
    player.nothing_else()


def test_bom_split_over_records(connect):
    player = connect()
    for byte in BOM:
        player.send_raw(bytes([byte]))
    assert player.ask_raw(PING) == PONG


def test_bom_at_the_start_of_a_later_line(connect):
    player = connect()
    assert player.ask_raw(PING) == PONG
    assert player.ask_raw(BOM + PING) == PONG
    player.nothing_else()


def test_bom_without_a_line_end_before_closing_is_no_error(connect, settled):
    player, other = connect(), connect()
    player.send_raw(BOM)
    player.close()
    settled(other)


def test_bom_after_bye_is_no_error(connect):
    player = connect()
    player.send_raw(PING + b'\n{"command":"BYE"}\n' + BOM)
    assert player.closing() == [PONG, BYE_OK]


# ---- line ends and records

def test_crlf_ends_a_line_like_lf(connect):
    player = connect()
    player.send_raw(PING + b"\r\n" + PING + b"\n" + PING + b"\r\n")
    assert [player.line() for _ in range(3)] == [PONG] * 3
    player.nothing_else()


def test_bom_and_crlf_together(connect):
    player = connect()
    player.send_raw(BOM)
    player.send_raw(PING + b"\r\n")
    assert player.line() == PONG


def test_replies_end_with_a_bare_lf(connect):
    player = connect()
    player.send_raw(PING + b"\r\n")
    assert player.line() == PONG, "no CR before the LF"


def test_many_lines_in_one_record_are_answered_in_order(connect):
    player = connect()
    player.send_raw(b"".join(b'{"command":"NO%d"}\n' % i for i in range(40)))
    for i in range(40):
        assert player.line() == wire({"command": "UNKNOWN_COMMAND", "originalCommand": f"NO{i}"})


def test_one_byte_per_record(connect):
    player = connect()
    for byte in PING + b"\r\n":
        player.send_raw(bytes([byte]))
    assert player.line() == PONG


def test_a_line_split_inside_a_character(connect):
    player = connect()
    line = wire({"command": "NAME", "name": "Zoë-split"}) + b"\n"
    cut = line.index("ë".encode()) + 1
    player.send_raw(line[:cut])
    player.send_raw(line[cut:])
    assert json.loads(player.line())["name"] == "Zoë-split"


def test_half_a_line_at_the_end_of_the_stream_is_dropped(connect, unique):
    name = unique()
    player = connect()
    player.send_raw(wire({"command": "NAME", "name": name, "password": "mine"}))
    player.close()
    # Had the half line been obeyed, the name would be taken and this password wrong.
    assert connect().log_in(name, "other").name == name


# ---- what is not JSON

@pytest.mark.parametrize("text", [
    b"", b" ", b"\t", b"\r", b"   \r",
    b"{", b"}", b"{]", b"hello", b"PING", b"{command:\"PING\"}", b"{'command':'PING'}",
    b'{"command":"PING"', b'{"command":"PING"}x', b'{"command":"PING"}{"command":"PING"}',
    b'{"command":"PING",}', b'{"command" "PING"}', b'{"command":}', b'{"command":"PING" "a":1}',
    b'{"command":"PING"} // done', b'/* hi */{"command":"PING"}',
    b'{"command":"PING","x":01}', b'{"command":"PING","x":+1}', b'{"command":"PING","x":.5}',
    b'{"command":"PING","x":1.}', b'{"command":"PING","x":1e}', b'{"command":"PING","x":NaN}',
    b'{"command":"PING","x":Infinity}', b'{"command":"PING","x":0x10}', b'{"command":"PING","x":True}',
    b'{"command":"PING","x":tru}', b'{"command":"PING","x":"\t"}', b'{"command":"PING","x":"\\x41"}',
    b'{"command":"PING","x":"\\u12"}', b'{"command":"PING","x":"\\u12G4"}', b'{"command":"PING","x":"abc}',
    b"{\"command\":\"PING\",\"x\":\"a\x00b\"}", b"\x00", b'{"command":"PI\x00NG"}',
], ids=repr)
def test_malformed_json(connect, text):
    player = connect()
    assert player.ask_raw(text) == INVALID_JSON
    player.nothing_else()


@pytest.mark.parametrize("text", [b"[]", b"5", b'"x"', b"null", b"true", b'[{"command":"PING"}]'], ids=repr)
def test_json_that_is_not_an_object(connect, text):
    player = connect()
    assert player.ask_raw(text) == INVALID_JSON
    player.nothing_else()


@pytest.mark.parametrize("text", [
    b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80"],
    ids=repr)
def test_invalid_utf8(connect, text):
    player = connect()
    assert player.ask_raw(b'{"command":"PING","x":"' + text + b'"}') == INVALID_JSON
    player.nothing_else()


def test_valid_utf8_of_every_length(connect):
    player = connect()
    assert player.ask_raw('{"command":"PING","x":"$£€𐍈\u007f\U0010ffff"}'.encode()) == PONG


# ---- objects that are not quite commands

@pytest.mark.parametrize("text", [
    b"{}", b"{ }", b'{"x":1}', b'{"command":null}', b'{"command":""}', b'{"Command":"PING"}', b'{"COMMAND":"PING"}'],
    ids=repr)
def test_an_object_without_a_command_is_ignored(connect, text):
    player = connect()
    player.send_line(text)
    player.nothing_else()


@pytest.mark.parametrize("value", [b"5", b"true", b"false", b"[]", b"{}", b'["PING"]', b"1.5"], ids=repr)
def test_a_command_that_is_not_a_string(connect, value):
    player = connect()
    assert player.ask_raw(b'{"command":' + value + b"}") == INVALID_JSON
    player.nothing_else()


@pytest.mark.parametrize("name", ["ping", "Ping", "pInG", "PING", "\\u0050ING", "pin\\u0067"])
def test_letter_case_and_escapes_of_a_command(connect, name):
    assert connect().ask_raw(f'{{"command":"{name}"}}'.encode()) == PONG


def test_only_ascii_letters_fold(connect):
    player = connect()
    reply = json.loads(player.ask_raw('{"command":"pıng"}'.encode()))
    assert reply["command"] == "UNKNOWN_COMMAND"


@pytest.mark.parametrize("text", [
    b' {"command":"PING"}', b'{"command":"PING"} ', b'\t{ "command" : "PING" }\t', b'{"command":"PING"}\r',
    b'{"id":1,"command":"PING"}', b'{"command":"PING","nested":{"command":"BYE"}}',
    b'{"command":"PING","x":[1,-0.5e+10,1E400,true,false,null,"\\u00e9\\n\\/"]}',
], ids=repr)
def test_whitespace_order_and_unknown_keys_do_not_matter(connect, text):
    player = connect()
    assert player.ask_raw(text) == PONG
    player.nothing_else()


def test_the_last_of_duplicate_keys_wins(connect):
    player = connect()
    assert player.ask_raw(b'{"command":"BYE","command":"PING"}') == PONG
    assert player.ask_raw(b'{"command":"NAME","name":"first","name":"second"}') == wire(
        {"command": "NAME_OK", "name": "second", "authenticated": False, "udpEncryption": False})


def test_an_escaped_key_is_the_same_key(connect):
    assert connect().ask_raw(b'{"\\u0063ommand":"PING"}') == PONG


# ---- limits

def test_depth_of_64_is_read(connect):
    assert connect().ask_raw(nested_ping(64)) == PONG


def test_depth_of_65_is_refused(connect):
    player = connect()
    assert player.ask_raw(nested_ping(65)) == INVALID_JSON
    player.nothing_else()


def test_thousands_of_brackets_are_refused(connect):
    player = connect()
    assert player.ask_raw(b"[" * 60000) == INVALID_JSON
    assert player.ask_raw(b'{"a":' * 12000) == INVALID_JSON
    player.nothing_else()


def test_a_line_of_65536_bytes_is_read(connect):
    player = connect()
    assert player.ask_raw(padded_ping(LINE_LIMIT)) == PONG
    assert player.ask_raw(padded_ping(LINE_LIMIT)) == PONG, "the limit is of one line, not of a connection"
    player.nothing_else()


def test_a_line_of_65537_bytes_is_refused_and_closes(connect):
    player = connect()
    player.send_raw(padded_ping(LINE_LIMIT + 1) + b"\n" + PING + b"\n")
    assert player.closing() == [TOO_LONG]


def test_a_line_too_long_is_refused_without_its_end(connect):
    player = connect()
    try:
        player.send_raw(b"x" * (LINE_LIMIT + 2000))
    except OSError:
        pass
    assert player.closing() == [TOO_LONG]


def test_lines_before_one_that_is_too_long_are_answered(connect):
    player = connect()
    player.send_raw(PING + b"\n" + padded_ping(LINE_LIMIT + 100) + b"\n")
    assert player.closing() == [PONG, TOO_LONG]


def test_an_endless_line_does_not_reach_others(connect, settled):
    flooder, other = connect(), connect()
    with pytest.raises((OSError, Closed)):
        while True:
            flooder.send_raw(b"y" * 16384)
    settled(other)


# ---- after the end

def test_lines_after_bye_are_discarded(connect):
    player = connect()
    player.send_raw(b'{"command":"BYE"}\n' + PING + b"\n" + PING + b"\n")
    assert player.closing() == [BYE_OK]


def test_bye_says_goodbye_to_tls_too(connect):
    player = connect()
    player.send("BYE")
    assert player.closing() == [BYE_OK]
    assert player.closed_cleanly, "a close_notify comes before the end of the connection"
