"""What an unpleasant client does, for more than one test."""
import contextlib
import socket
import ssl
import time

from . import settings
from .messages import RELAY_NO_TARGET, wire
from .player import client_context

TEXT = "x" * 4000
ABORT = b"\1\0\0\0\0\0\0\0"


def raw(server):
    """A TCP connection and nothing more."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=settings.DEADLINE_S)


def hello():
    """The first bytes of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def drop(link, abruptly):
    """Closes a connection, with a reset if abruptly."""
    if abruptly:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    link.close()


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


def garbage(rng):
    """Bytes that are now and then almost something."""
    kind = rng.randrange(6)
    if kind == 0:
        return b"\x16\x03\x01" + rng.randbytes(rng.randrange(2000))
    if kind == 1:
        return b"\x17\x03\x03" + rng.randbytes(rng.randrange(200))
    if kind == 2:
        return b"GET / HTTP/1.1\r\n\r\n" * rng.randrange(1, 50)
    return rng.randbytes(rng.randrange(1, 20_000))


def lines_of_garbage(rng):
    """What a broken client may say inside TLS."""
    pieces = [b"{", b"}", b"[", b"]", b'"command"', b":", b'"NAME"', b",", b'"name":"x"', b"\n", b"\r\n", b"\xff", b"\0",
              b"\xef\xbb\xbf", b"1e9", b"\\u0000", b'"', rng.randbytes(40), b'{"command":"PING"}\n', b"null\n", b"{}\n"]
    return b"".join(rng.choice(pieces) for _ in range(rng.randrange(1, 400)))
