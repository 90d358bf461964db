"""/healthz, /readyz and /metrics on the admin port."""
import re
import socket

import pytest

from harness.waiting import until


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes(server, path):
    assert server.http(path)[0] == 200
    assert server.http(path, "HEAD")[0] == 200


def test_an_unknown_path(server):
    assert server.http("/no/such/page")[0] == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_state_is_not_changed_by_other_methods(server, path):
    assert server.http(path, "DELETE")[0] in (404, 405)
    assert server.http(path, "POST")[0] in (404, 405)


def test_metrics_are_prometheus_text(server):
    status, text = server.http("/metrics")
    assert status == 200
    kinds = dict(re.findall(r"^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$", text, re.MULTILINE))
    helped = set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    samples = server.metrics()
    assert samples
    for name, labels in samples:
        family = re.sub(r"_(bucket|sum|count)$", "", name) if name not in kinds else name
        assert family.startswith("slipgate_"), name
        assert family in kinds and family in helped, name
        if kinds[family] == "counter":
            assert family.endswith("_total"), name


def test_metrics_follow_what_happens(server, race):
    before = server.accepted()
    first, second = race("legacy", "legacy")
    for i in range(10):
        text = first.update(x=i)
        first.udp.send(text)
        assert second.udp.receive() == text
    assert server.accepted() - before == 12


def test_counters_only_grow(server, race):
    def counters():
        return {key: value for key, value in server.metrics().items() if key[0].endswith("_total")}
    before = counters()
    race("legacy", "plain")
    after = counters()
    assert set(before) <= set(after)
    assert all(after[key] >= value for key, value in before.items())
    assert any(after[key] > value for key, value in before.items())


def test_no_label_names_a_player_or_a_room(server, race):
    first, _ = race("legacy", "legacy")
    text = server.http("/metrics")[1]
    for private in (first.name, first.id, first.room_id, "127.0.0.1"):
        assert private not in text


def test_the_number_of_samples_does_not_grow_with_players(server, race):
    race("legacy", "plain", "gcm")
    before = len(server.metrics())
    for _ in range(4):
        race("legacy", "plain", "gcm")
    assert len(server.metrics()) == before


def test_gauges_return_when_players_leave(server, race):
    def here():
        return {what: server.metric(f"slipgate_service_{what}", service="racing")
                for what in ("sessions", "authenticated_sessions", "rooms", "active_rooms", "players_in_rooms")}
    until(lambda: not any(here().values()), "everybody of the tests before has left")
    players = race("legacy", "plain", "gcm")
    assert here() == {"sessions": 3, "authenticated_sessions": 3, "rooms": 1, "active_rooms": 0, "players_in_rooms": 3}
    players[0].ask("START_GAME")
    assert here()["active_rooms"] == 1
    for player in players:
        player.close()
    until(lambda: not any(here().values()), "and now again")


def test_a_slow_http_client_holds_nobody_up(server, connect, settled):
    links = []
    for _ in range(20):
        link = socket.create_connection(("127.0.0.1", server.options["admin.port"]))
        link.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n")
        links.append(link)
    settled(connect())
    assert server.http("/healthz")[0] == 200
    for link in links:
        link.close()


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"\0" * 300, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"],
                         ids=["words", "short", "zeros", "long"])
def test_bad_requests_do_no_harm(server, data):
    with socket.create_connection(("127.0.0.1", server.options["admin.port"]), timeout=5) as link:
        try:
            link.sendall(data)
            link.settimeout(0.3)
            answer = link.recv(4096)
        except OSError:
            answer = b""  # closed, or still waiting for the rest of it
    assert answer == b"" or b" 4" in answer[:20] or b" 5" in answer[:20], answer[:50]
    assert server.http("/healthz")[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "racing-server", "192.168.1.5"])
def test_known_hosts(server, host):
    assert server.http("/metrics", headers={"Host": f"{host}:{server.options['admin.port']}"})[0] == 200
    assert server.http("/metrics", headers={"Host": host})[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", ""])
def test_an_unknown_host_is_refused(server, host):
    """A page of a stranger that a name server points at this machine gets nothing."""
    status, body = server.http("/metrics", headers={"Host": host})
    assert 400 <= status < 500
    assert "slipgate_racing" not in body


def test_forwarded_requests_are_not_private(server):
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert 400 <= server.http("/metrics", headers={header: "203.0.113.9"})[0] < 500, header
