"""Cheats against a server that enforces fair play. The tests the security document asks for:

| it wants shown | here |
|---|---|
| who moves as fast as cars do is let through | test_normal_speed_is_let_through |
| who moves impossibly fast is held back, and that is kept | test_impossible_speed_is_held_back_and_kept |

Its ladder of warnings, and floods: scripts/cheating_*.talk. Over bad networks: test_links.py, `slipgate bots --cheat`.
"""
import json
import time

import pytest

from harness.messages import wire
from harness.operator import Operator
from harness.waiting import until

MAX_SPEED = 60
SETTINGS = {"racing__anticheat": "enforce", "racing__max_speed": MAX_SPEED, "racing__anticheat_pause_ms": 0}
TOLD = wire({"command": "ERROR", "message": "Movement validation failed. Please check your connection."})
THROWN_OUT = wire({"command": "BYE_ADMIN", "message": "You have been disconnected for suspicious movement."})
GRACE_S = 1.6  # who has just come may be anywhere
STEP_S = 0.05


def drive(player, speed, seconds):
    """Sends updates along a line at this speed, by the real clock; returns how many."""
    begun, n = time.monotonic(), 0
    while (gone := time.monotonic() - begun) < seconds:
        player.udp.send(player.update(z=3 + speed * gone, n=n))
        n += 1
        time.sleep(STEP_S)
    return n


def settle(player):
    """Lets the moment pass in which anything goes; the first update after it sets the place."""
    time.sleep(GRACE_S)
    player.udp.send(player.update())


def offences(server, player):
    done = Operator(server).run("audit", "list", "--json", "--account", player.name, "--subtype", "SpeedHack")
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def pair(race):
    driver, watcher = race("plain", "plain")
    settle(driver)
    assert watcher.udp.receive() == driver.update()
    return driver, watcher


def test_normal_speed_is_let_through(pair, server):
    driver, watcher = pair
    n = drive(driver, 0.95 * MAX_SPEED, 1)
    for _ in range(n):
        watcher.udp.receive()
    driver.nothing_else()
    assert offences(server, driver) == []
    assert server.metric("slipgate_racing_updates_dropped_total") == 0


def test_impossible_speed_is_held_back_and_kept(pair, server):
    driver, watcher = pair
    for z in (50000, 3, 50000):  # each jump is measured from the one before
        driver.udp.send(driver.update(z=z))
        assert driver.line() == TOLD
    driver.udp.send(driver.update(z=3))
    assert driver.closing()[-1] == THROWN_OUT
    assert watcher.udp.waiting() == [], "nobody sees him there"
    records = until(lambda: [each for each in [offences(server, driver)] if len(each) == 4], "the records")[0]
    assert {each["type"] for each in records} == {"Security"}
    assert all(f"Max: {1.2 * MAX_SPEED:.2f}" in each["details"] for each in records)
    watcher.nothing_else()
