"""The document's load test: clients that only send, at 20 Hz, none of them in a room."""
import time

from harness.messages import error
from harness.waiting import until

RATE_HZ = 20


def test_every_datagram_is_accepted_and_everybody_stays_logged_in(server, join_server, figures, long):
    count, seconds = (100, 30) if long else (50, 3)
    players = [join_server(server) for _ in range(count)]
    for player in players:
        player.open_udp()
    before, cpu = server.accepted(), server.cpu_s()
    sent, start = 0, time.monotonic()
    late_ms = 0.0
    ticks = seconds * RATE_HZ
    for tick in range(ticks):
        # Clients do not send in step: each has its place within the tick.
        for place, player in enumerate(players):
            due = start + (tick + place / count) / RATE_HZ
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            else:
                late_ms = max(late_ms, -wait * 1000)
            player.udp.send(player.update(x=tick))
            sent += 1
    took, cpu = time.monotonic() - start, server.cpu_s() - cpu
    try:
        until(lambda: server.accepted() - before == sent, "all datagrams counted", 5)
    finally:
        accepted = int(server.accepted() - before)
        figures(("clients", count), ("seconds", f"{took:.1f}"), ("datagrams sent", sent),
                ("datagrams accepted", accepted), ("lost", sent - accepted),
                ("datagrams a second", f"{sent / took:.0f}"), ("server CPU, % of a core", f"{100 * cpu / took:.1f}"),
                ("this client late by at most, ms", f"{late_ms:.1f}"), ("memory, KiB", server.rss_kib()))
    for player in players:
        assert player.ask("LEAVE_ROOM") == error("Cannot leave room. No room joined."), "still logged in"
