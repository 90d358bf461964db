"""A client that does not read is closed once its queue is full, and costs nobody else anything."""
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


def test_a_slow_reader_in_a_room_leaves_it(join_server):
    host, sender = join_server(), join_server()
    slow = join_server(receive_buffer=4096)
    room = host.create_room()
    slow.join(room)
    flood([host] + [join_server() for _ in range(9)], slow)
    assert host.players_in_room() == [(host.id, host.name)]
    sender.join(room)


def test_a_client_that_asks_much_and_reads_late_gets_everything(join_server, connect):
    """Below the limit nothing is lost, however late it is read."""
    host = join_server()
    host.create_room()
    reader = connect(receive_buffer=4096)
    for _ in range(40):
        reader.send("LIST_ROOMS")
    other = connect()
    assert other.ask("PING") == PONG
    for _ in range(40):
        assert reader.line().startswith(b'{"command":"ROOM_LIST"')
    reader.nothing_else()
