"""A client that really does not read is closed once its queue is full, and costs nobody else anything, memory neither.
What it looks like from both sides is in scripts/slow_reader*.talk."""
from harness.attacks import TEXT, flood
from harness.messages import PONG


def test_a_reader_that_never_reads_is_closed_and_others_notice_nothing(server, join_server, race):
    racers = race("legacy", "legacy")
    senders = [join_server() for _ in range(10)]
    slow = join_server(receive_buffer=4096)
    before = server.rss_kib()
    relayed = flood(senders, slow)
    assert relayed * len(TEXT) >= 450_000, "a queue of 512 KiB holds at least this much"
    assert server.rss_kib() - before < 32 * 1024
    for sender in (*senders, *racers):
        assert sender.ask("PING") == PONG
    text = racers[0].update(x=5)
    racers[0].udp.send(text)
    assert racers[1].udp.receive() == text
