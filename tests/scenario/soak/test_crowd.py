"""Everything at once for a short while, and a drain in the middle of it: what a checker in the server is to see."""
import os
import random
import signal

import pytest

from harness import settings
from harness.messages import SHUTTING_DOWN
from harness.player import Player, fresh_name
from harness.waiting import until

from .crowd import SCENES, Crowd, make_server

SECONDS = float(os.environ.get("CROWD_SECONDS", "10"))


@pytest.mark.tsan
def test_a_crowd_and_a_drain(tmp_path, figures):
    seed = int(os.environ.get("CROWD_SEED", random.randrange(2 ** 31)))
    server = make_server(tmp_path / "server").start()
    try:
        crowd = Crowd(server, seed)
        crowd.come()
        crowd.gather(SECONDS * settings.SLOWNESS)
        crowd.leave()
        assert set(crowd.scenes_played) == {scene.__name__ for scene, _, _ in SCENES}, "every scene was played"
        metrics = {what: server.metric(name, **labels) for what, name, labels in (
            ("connections", "slipgate_links_accepted_total", {}),
            ("logins hashed", "slipgate_hash_jobs_total", {"result": "done"}),
            ("hashes cancelled", "slipgate_hash_jobs_total", {"result": "cancelled"}),
            ("idle sessions ended", "slipgate_links_closed_total", {"reason": "idle"}),
            ("handshakes timed out", "slipgate_tls_handshakes_total", {"result": "timeout"}),
            ("batches written", "slipgate_store_batches_total", {"kind": "write"}))}
        chance = "hashes cancelled"  # a guesser who leaves before his turn: on a fast machine nobody waits for one
        assert all(value for what, value in metrics.items() if what != chance), metrics
        # Logins and half a race are under way when the server is told to end.
        staying = [Player(server).log_in(fresh_name()) for _ in range(5)]
        room = staying[0].create_room()
        staying[1].join(room)
        staying[0].ask("START_GAME")
        coming = [Player(server) for _ in range(10)]
        for player in coming:
            player.send("NAME", name=fresh_name("late"), password="pw")
        server.signal(signal.SIGTERM)
        until(lambda: server.log_path and server.http_status("/readyz") != 200, "it drains")
        assert staying[4].closing()[-1:] == [SHUTTING_DOWN]
        for player in staying + coming:
            player.close()
        assert server.wait_exit() == 0
        figures(("seed", seed), *crowd.scenes_played.items(), *metrics.items())
    finally:
        if server.process:  # only when something is wrong already
            server.kill()
