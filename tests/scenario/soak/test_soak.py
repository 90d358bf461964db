"""Minutes of joins, leaves and reconnects: memory stays flat and everything is given back. `make soak`."""
import os
import random
import time
from pathlib import Path

import pytest

from harness import settings
from harness.waiting import until

from .crowd import Crowd, give_accounts, look_up, make_server
from .samples import Samples, draw, judge, least

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
OUTPUT = Path(os.environ.get("SOAK_OUTPUT", settings.REPOSITORY / "build" / "soak"))
# A round ends with everybody gone. Ten in the long form, of which two warm the server up.
# The short form is over before the server has its final size, so it is only for what is coarse.
ROUNDS, WARM_UP, SPREAD_KIB = (10, 2, 1536) if SECONDS >= 200 else (3, 1, 4096)
# Far more than SQLite keeps pages in memory: that cache, 2 MiB, is full before the first round.
ACCOUNTS = 50_000
# The server looks every two seconds whether a crowd has gone and memory can be given back.
SETTLE_S = 7


def quiet(samples, seconds):
    """What an empty server has: the least of each column."""
    samples.phase = "empty"
    rows, end = [samples.take()], time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        rows.append(samples.take())
    return least(rows)


def everybody_left(samples, begun):
    """Waits until the server says so and its memory has settled."""
    until(lambda: all(samples.take()[what] == begun[what] for what in ("sessions", "rooms", "links", "descriptors")),
          "everybody has left and the descriptors are closed", 30 * settings.SLOWNESS, 0.5)
    return quiet(samples, SETTLE_S)


@pytest.mark.soak
def test_memory_stays_flat(tmp_path, figures):
    assert not settings.is_sanitized(), "a sanitizer's memory is not the server's"
    seed = int(os.environ.get("SOAK_SEED", random.randrange(2 ** 31)))
    OUTPUT.mkdir(parents=True, exist_ok=True)
    server = make_server(tmp_path / "server").start()
    server.stop()
    give_accounts(server, ACCOUNTS)
    server.restart()
    samples = Samples(server)
    begun = quiet(samples, 2)
    samples.start()
    look_up(server, range(0, ACCOUNTS, ACCOUNTS // 2000))
    crowd, levels = Crowd(server, seed, bots=40), []
    try:
        for _ in range(ROUNDS):
            samples.phase = "in"
            crowd.come()
            crowd.gather(max(3, SECONDS / ROUNDS - SETTLE_S - 4))
            samples.phase = "leaving"
            crowd.leave()
            levels.append(everybody_left(samples, begun))
        samples.stop()
        server.stop()
    finally:
        samples.end.set()
        if server.process:
            server.kill()
        samples.save(OUTPUT / "soak.csv")
        draw(OUTPUT / "soak.csv", OUTPUT / "soak.png", "slipgate: memory under a crowd that comes and goes")
        print(f"\nmemory over time: {OUTPUT / 'soak.png'} (figures in soak.csv beside it), seed {seed}")
    wrong, rows = judge(samples.rows, begun, levels, WARM_UP, SPREAD_KIB)
    figures(("seed", seed), ("seconds", f"{samples.rows[-1]['t_s']:.0f}"), *rows,
            ("datagrams sent by guests", crowd.datagrams), *crowd.scenes_played.items())
    assert not wrong, "\n".join(wrong)
