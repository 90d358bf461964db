"""Players who come by way of a load balancer: the PROXY protocol, version 2, before TLS."""
import socket
import ssl
import struct

import pytest

from harness.messages import PONG
from harness.operator import Operator
from harness.player import Closed, client_context
from harness.waiting import until

SETTINGS = {"limits__proxies": "127.0.0.1", "limits__exempt": "none", "racing__links_per_address": 2}
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(client, command=1):
    family, size = (socket.AF_INET6, 0x21) if ":" in client else (socket.AF_INET, 0x11)
    here = "2001:db8::1" if ":" in client else "198.51.100.1"
    block = socket.inet_pton(family, client) + socket.inet_pton(family, here) + struct.pack("!HH", 40000, 443)
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, size, len(block)) + block


class Via:
    """In place of a TLS context: what the proxy sends comes before the handshake."""

    def __init__(self, client, piece=4096):
        self.bytes, self.piece = header(client), piece

    def wrap_socket(self, raw, **options):
        for at in range(0, len(self.bytes), self.piece):
            raw.sendall(self.bytes[at:at + self.piece])
        return client_context().wrap_socket(raw, **options)


def refused(server, reason):
    return server.metric("slipgate_links_refused_total", reason=reason)


@pytest.mark.parametrize("client,shown", [("203.0.113.1", "203.0.113.1:40000"), ("2001:db8:1::1", "[2001:db8:1::1]:40000")])
@pytest.mark.parametrize("piece", [4096, 1])
def test_the_client_is_who_the_header_names(server, connect, client, shown, piece):
    player = connect(context=Via(client, piece))
    assert player.ask("PING") == PONG
    server.wait_log(rf"link\.open .*peer={shown.replace('[', '.').replace(']', '.')}")
    player.close()
    until(lambda: server.metric("slipgate_links", state="open") == 0, "he left")


def test_limits_and_bans_count_the_client(server, connect):
    players = [connect(context=Via("203.0.113.9")) for _ in range(2)]
    with pytest.raises((OSError, Closed)):
        connect(context=Via("203.0.113.9"))
    assert refused(server, "address") == 1
    other = connect(context=Via("203.0.113.10"))
    ban = Operator(server).ask("ban", "add", "--address", "203.0.113.9", "--reason", "test")
    for player in players:
        player.closing()
        player.close()
    until(lambda: server.metric("slipgate_links", state="closing") == 0, "they are gone")
    with pytest.raises((OSError, Closed)):
        connect(context=Via("203.0.113.9"))
    assert refused(server, "banned") == 1
    assert other.ask("PING") == PONG
    Operator(server).ask("ban", "remove", ban["id"])
    assert connect(context=Via("203.0.113.9")).ask("PING") == PONG


def test_without_a_header_nobody_gets_in(server, connect):
    before = refused(server, "proxy")
    with pytest.raises((OSError, Closed)):
        connect()
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"PROXY TCP4 203.0.113.9 198.51.100.1 40000 443\r\n")
        with pytest.raises(OSError):
            client_context().wrap_socket(raw)
    assert refused(server, "proxy") == before + 2


def test_health_checks_are_no_refusals(server):
    before, checks = refused(server, "proxy"), server.metric("slipgate_proxy_checks_total")
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(header("203.0.113.9", command=0))
        assert raw.recv(1) == b""
    socket.create_connection(("127.0.0.1", server.port)).close()
    until(lambda: server.metric("slipgate_proxy_checks_total") == checks + 1, "the check is counted")
    until(lambda: server.metric("slipgate_links", state="handshake") == 0, "both are gone")
    assert refused(server, "proxy") == before


def test_a_header_of_somebody_else_is_not_believed(server, connect):
    with pytest.raises((OSError, Closed, ssl.SSLError)):
        connect(context=Via("203.0.113.1"), source="127.0.0.2")
    assert connect(source="127.0.0.2").ask("PING") == PONG
