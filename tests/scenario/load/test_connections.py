"""Connections opened and dropped, in every unfinished state."""
import random
import socket
import ssl
import time

import pytest

from harness import settings
from harness.attacks import flood
from harness.messages import PONG
from harness.player import Closed, Player, client_context, fresh_name
from harness.waiting import until

ABORT = b"\1\0\0\0\0\0\0\0"


def raw(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=settings.DEADLINE_S)


def hello():
    """The first bytes of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def drop(link, abruptly):
    if abruptly:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    link.close()


def churn(server, count, memory=None):
    """Opens and drops connections: of ten, eight before and two after the handshake; half of them abruptly."""
    first = hello()
    for i in range(count):
        kind = i % 10
        if kind >= 8:
            player = Player(server)
            drop(player.socket, kind == 8)
        else:
            link = raw(server)
            if kind >= 4:
                link.sendall(first[:60] if kind < 6 else first)
            drop(link, i % 2)
        if memory and i % 100 == 0:
            memory.look()


def test_connections_opened_and_dropped(server, join_server, memory, figures, long):
    count = 10_000 if long else 600
    witness = join_server(server)
    churn(server, 50)
    watch, start = memory(), time.monotonic()
    churn(server, count, watch)
    took = time.monotonic() - start
    assert witness.ask("PING") == PONG
    figures(("connections", count), ("a second", f"{count / took:.0f}"), *watch.returns())


def test_sessions_opened_used_and_dropped(server, memory, figures, long):
    """With a login, a room and an endpoint each, so that every kind of record is made and let go."""
    count = 2000 if long else 150

    def play(number):
        for i in range(number):
            player = Player(server).log_in(f"returning-{i % 50}")
            player.create_room(f"room {i}")
            player.open_udp()
            player.udp.send(player.update())
            if i % 3 == 0:
                player.vanish()
                player.udp.close()
            else:
                player.close()
    play(20)
    watch, start = memory(), time.monotonic()
    play(count)
    took = time.monotonic() - start
    rows = watch.returns()
    witness = Player(server)
    until(lambda: witness.rooms() == {}, "no room is left behind")
    witness.close()
    figures(("sessions", count), ("a second", f"{count / took:.0f}"), *rows)


@pytest.mark.parametrize("size", [0, 1, 100, None], ids=["silent", "one byte", "half a hello", "a whole hello"])
def test_half_handshakes_held_open(server, join_server, memory, figures, long, size):
    count = 2000 if long else 200
    witness = join_server(server)
    first = hello()[:size]

    def hold(number, watch=None):
        files = server.open_files()
        links = [raw(server) for _ in range(number)]
        for link in links:
            if first:
                link.sendall(first)
        assert witness.ask("PING") == PONG
        newcomer = Player(server)
        assert newcomer.ask("PING") == PONG, "others still get in"
        newcomer.close()
        if watch:
            watch.look()
        for i, link in enumerate(links):
            drop(link, i % 2)
        until(lambda: server.open_files() <= files, "the descriptors are closed", 20)
    hold(20)
    watch = memory()
    hold(count, watch)
    hold(count, watch)
    figures(("connections held", count),
            ("memory for each, KiB", f"{(watch.peak_kib - watch.before_kib) / count:.1f}"), *watch.returns())


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


def test_random_bytes_before_and_after_the_handshake(server, join_server, memory, figures, long):
    count = 3000 if long else 150
    seed = random.randrange(2 ** 32)
    rng = random.Random(seed)
    witness = join_server(server)

    def attack(number):
        for i in range(number):
            try:
                if i % 2:
                    with raw(server) as link:
                        link.sendall(garbage(rng))
                        link.settimeout(0.01)
                        link.recv(1000)
                else:
                    player = Player(server)
                    player.send_raw(lines_of_garbage(rng))
                    try:
                        player.line(deadline_s=0.01)
                    finally:
                        player.close()
            except (OSError, Closed, AssertionError):
                pass  # closed, or nothing said: either is fine
    attack(30)
    watch = memory()
    attack(count)
    assert witness.ask("PING") == PONG, f"seed {seed}"
    figures(("connections", count), ("seed", seed), *watch.returns())


def test_readers_that_never_read(server, join_server, memory, figures, long):
    rounds = 10 if long else 2
    senders = [join_server(server) for _ in range(10)]
    relayed = flood(senders, join_server(server, receive_buffer=4096))
    watch = memory()
    for _ in range(rounds):
        slow = join_server(server, receive_buffer=4096)
        watch.look()
        relayed += flood(senders, slow)
        watch.look()
        slow.close()
    for sender in senders:
        assert sender.ask("PING") == PONG
    figures(("readers that never read", rounds), ("messages relayed until closed, in all", relayed), *watch.returns())


def test_an_idle_connection_is_small_and_gives_its_memory_back(server, connect, memory, figures, long):
    """Logged in, its buffers released: under 24 KiB each."""
    count = 2000 if long else 300
    connect(server).log_in(fresh_name()).close()
    watch = memory()
    players = [connect(server).log_in(fresh_name()) for _ in range(count)]
    each = (server.rss_kib() - watch.before_kib) / count
    watch.look()
    for i, player in enumerate(players):
        drop(player.socket, i % 2)
    figures(("connections", count), ("memory for each, KiB", f"{each:.1f}"), *watch.returns())
    if not settings.is_sanitized():
        assert each < 24
