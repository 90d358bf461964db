"""Connections opened and dropped, in every unfinished state."""
import random
import time

import pytest

from harness import settings
from harness.attacks import drop, flood, garbage, hello, lines_of_garbage, raw
from harness.messages import PONG
from harness.player import Closed, Player, fresh_name
from harness.waiting import until

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
