"""Honest races: alone, and while strangers flood the port."""
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import settings
from harness.messages import PONG

RATE_HZ = 20


class Race:
    """Rooms of players that all send at 20 Hz; every delivery is opened and compared."""

    def __init__(self, server, join_server, rooms, size):
        self.rooms, self.sent, self.delivered, self.latencies = [], 0, 0, []
        for room in range(rooms):
            players = []
            for i in range(size):
                mode = ("legacy", "gcm", "legacy", "plain", "cbc")[i % 5]
                player = join_server(server, aead=mode if mode in ("gcm", "cbc") else None)
                player.join(players[0].room_id) if players else player.create_room()
                player.open_udp(mode)
                players.append(player)
            self.rooms.append(players)
        for players in self.rooms:
            for i, player in enumerate(players):
                player.udp.send(player.update())
                for earlier in players[:i]:
                    earlier.udp.receive()

    @property
    def players(self):
        return [player for players in self.rooms for player in players]

    def run(self, seconds):
        start = time.monotonic()
        expected = {player.id: set() for player in self.players}
        sent_at = {}
        everybody = [(players, player) for players in self.rooms for player in players]
        for tick in range(seconds * RATE_HZ):
            for place, (players, player) in enumerate(everybody):
                due = start + (tick + place / len(everybody)) / RATE_HZ
                if (wait := due - time.monotonic()) > 0:
                    time.sleep(wait)
                text = player.update(x=tick)
                for other in players:
                    if other is not player:
                        expected[other.id].add(text)
                sent_at[text] = time.monotonic()
                player.udp.send(text)
                self.sent += 1
            self.drain(expected, sent_at)
        end = time.monotonic() + 3
        while any(expected.values()) and time.monotonic() < end:
            self.drain(expected, sent_at)
            time.sleep(0.01)
        self.lost = sum(map(len, expected.values()))

    def drain(self, expected, sent_at):
        for player in self.players:
            for data in player.udp.waiting():
                text = player.udp.seal.open(data)
                expected[player.id].remove(text)
                self.delivered += 1

    def rows(self):
        return [("players", len(self.players)), ("rooms", len(self.rooms)), ("datagrams sent", self.sent),
                ("deliveries, each opened and compared", self.delivered), ("lost", self.lost),
                ("delivered, %", f"{100 * self.delivered / max(1, self.delivered + self.lost):.3f}")]


def test_a_race_alone(server, join_server, figures, long):
    race = Race(server, join_server, *((4, 10) if long else (2, 5)))
    cpu = server.cpu_s()
    seconds = 30 if long else 2
    race.run(seconds)
    figures(*race.rows(), ("server CPU, % of a core", f"{100 * (server.cpu_s() - cpu) / seconds:.1f}"))
    assert race.lost == 0


@pytest.mark.parametrize("per_second", [10_000])
def test_a_race_while_strangers_flood(server, join_server, memory, figures, long, per_second):
    seconds = 20 if long else 3
    seed = random.randrange(2 ** 31)
    race = Race(server, join_server, *((4, 10) if long else (2, 5)))
    watch = memory()
    rejected = sum(v for (name, _), v in server.metrics().items() if name == "slipgate_racing_datagrams_total")
    with subprocess.Popen([sys.executable, Path(__file__).with_name("flooder.py"), str(server.port), str(per_second),
                           str(seconds + 1), str(seed)], stdout=subprocess.PIPE, text=True) as flooder:
        race.run(seconds)
        watch.look()
        for player in race.players[:3]:
            assert player.ask("PING") == PONG
        flooded = int(flooder.communicate(timeout=3 * settings.DEADLINE_S)[0])
    rejected = sum(v for (name, _), v in server.metrics().items()
                   if name == "slipgate_racing_datagrams_total") - rejected
    figures(*race.rows(), ("datagrams of strangers", flooded), ("datagrams the server counted", int(rejected)),
            ("seed", seed), *watch.returns())
    assert flooded > per_second * seconds / 4, "a flood worth its name"
    assert race.delivered >= 0.999 * (race.delivered + race.lost)


def test_a_race_while_connections_come_and_go(server, join_server, figures, long):
    """New handshakes and logins beside a running race."""
    import threading
    from harness.player import Player
    race = Race(server, join_server, 2, 5)
    stop, made, problems = threading.Event(), [0], []

    def come_and_go():
        try:
            while not stop.is_set():
                player = Player(server)
                player.log_in(f"guest-{made[0] % 20}")
                player.close()
                made[0] += 1
                time.sleep(0.01)
        except Exception as problem:  # shown by the test below
            problems.append(problem)
    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        race.run(20 if long else 2)
    finally:
        stop.set()
        thread.join()
    figures(*race.rows(), ("logins beside it", made[0]))
    assert not problems and made[0] > 5
    assert race.delivered >= 0.999 * (race.delivered + race.lost)
