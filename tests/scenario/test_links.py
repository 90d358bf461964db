"""Bad links: bots behind each of them play on the real server, and what they find is what the link is like.

The bounds are wide: they hold on a busy machine, and would not if the link did nothing."""
import json

import pytest

from harness.server import run

PLAYERS, ROOM, SECONDS = 8, 4, 3

# Name: the least that the way there and back can take in milliseconds, and the share of datagrams it may lose.
LINKS = {"wifi": (2 * (14 - 8), 5), "4g": (2 * (35 - 15), 7), "bad-dsl": (2 * (25 - 10), 20), "satellite": (2 * (300 - 20), 15)}


def bots(server, *options):
    done = run("bots", "--server", f"127.0.0.1:{server.port}", "--players", PLAYERS, "--room-size", ROOM,
               "--duration", SECONDS, *options, timeout_s=120)
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    return done


def play(server, *options):
    done = bots(server, "--json", *options)
    return done, json.loads(done.stdout)


@pytest.mark.parametrize("name", LINKS)
def test_named_links(server, name):
    least_ms, lost_percent = LINKS[name]
    done, found = play(server, "--link", name, "--seed", 3,
                       "--expect", f"p50_latency_ms >= {least_ms}", "--expect", "p99_age_ms<3000", "--expect", "lost==0",
                       "--expect", "delivered>100")
    assert done.returncode == 0, (done.stderr, found)
    assert all(gate["kept"] for gate in found["gates"]) and len(found["gates"]) == 4
    figures, link = found["figures"], found["link"]
    assert link["name"] == name and link["seed"] == 3
    assert found["delivered"] == found["expected"] and found["damaged"] == found["foreign"] == 0
    # Every update that was sent is either expected of its room-mates or was taken by a link.
    assert found["expected"] + link["took"] == found["sent"] * (ROOM - 1)
    assert figures["link_lost_percent"] <= 2 * lost_percent
    # The newest position is never younger than its way; it ages until the next one.
    assert least_ms <= figures["p50_latency_ms"] <= figures["p50_age_ms"] <= figures["p99_age_ms"]
    assert 0 < figures["p50_gap_ms"] <= figures["p99_gap_ms"] <= figures["max_gap_ms"]
    assert figures["p50_login_ms"] >= 2 * least_ms, "TLS and the login go there and back, too"


def test_a_gate_that_fails(server):
    done, found = play(server, "--link", "satellite", "--expect", "p50_age_ms<280", "--expect", "lost == 0")
    assert done.returncode == 1
    assert [gate["kept"] for gate in found["gates"]] == [False, True]
    assert found["gates"][0]["value"] == found["figures"]["p50_age_ms"] >= 560
    assert f"slipgate: bots: expected p50_age_ms<280, found {found['gates'][0]['value']:.12g}" in done.stderr
    assert "expected lost" not in done.stderr


def test_a_gate_without_a_link(server):
    done = bots(server, "--expect", "players_in==8", "--expect", "freezes_per_minute<1e9")
    assert done.returncode == 0, done.stderr
    assert "expected          players_in==8: 8, kept" in done.stdout
    assert "link" not in done.stdout and "gap " in done.stdout and "age " in done.stdout and "freezes " in done.stdout


def test_nothing_measured_keeps_no_gate(server):
    done, found = play(server, "--no-room", "--expect", "p99_age_ms<1000000")
    assert done.returncode == 1 and found["figures"]["p99_age_ms"] is None
    assert "expected p99_age_ms<1000000, but nothing was measured" in done.stderr


def test_a_link_that_loses_everything(server, tmp_path):
    """The server is not blamed for what never reached anybody, and silence is felt."""
    path = tmp_path / "dead.link"
    path.write_text("# one way is gone\ndown.loss_percent = 100\n")
    done, found = play(server, "--link", path, "--expect", "lost==0", "--expect", "delivered==0", "--expect", "freezes>0")
    assert done.returncode == 0, (done.stderr, found)
    assert found["link"]["name"] == "file"
    assert found["link"]["took"] == found["sent"] * (ROOM - 1) > 0
    assert found["figures"]["p99_age_ms"] > 1000 * (SECONDS - 1)


def test_doubled_and_swapped(server, tmp_path):
    """Each datagram twice, many late: every update is delivered once, the others count as duplicates."""
    path = tmp_path / "echo.link"
    path.write_text("duplicate_percent = 100\nreorder_percent = 30\nreorder_ms = 120\n")
    done, found = play(server, "--link", path, "--udp", "plain", "--expect", "lost==0")
    assert done.returncode == 0, (done.stderr, found)
    assert found["delivered"] == found["expected"] == found["sent"] * (ROOM - 1)
    # Twice to the server, and each of those twice from it; the run does not wait for the last copies.
    assert 2.5 * found["delivered"] < found["duplicates"] <= 3 * found["delivered"]
    done, found = play(server, "--link", path, "--udp", "aead", "--expect", "lost==0", "--expect", "duplicates==0")
    assert done.returncode == 0, (done.stderr, found)


@pytest.mark.parametrize("options, says", {
    ("--expect", "p99_ages_ms<150"): '"p99_ages_ms" is no figure; did you mean p99_age_ms?',
    ("--expect", "p99_age_ms~150"): "give a figure, one of < <= > >= ==, and a number",
    ("--link", "dsl"): '"dsl" is neither wifi, 4g, bad-dsl nor satellite, and as a file: No such file or directory',
    ("--seed", "-1"): '--seed: "-1" is not accepted',
}.items(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_wrong_use(options, says):
    done = run("bots", *options)
    assert done.returncode == 2 and says in done.stderr and done.stdout == ""


def test_no_more_gates_than_there_is_room_for():
    gates = ["--expect", "lost==0"] * 32
    done = run("bots", *gates, "--names", "")
    assert done.returncode == 2 and "--names: give 1 to 48 bytes" in done.stderr, "all 32 are accepted"
    done = run("bots", *gates, "--expect", "lost==0", "--names", "")
    assert done.returncode == 2 and "--expect: give at most 32" in done.stderr


def test_a_wrong_file(tmp_path):
    path = tmp_path / "wrong.link"
    path.write_text("delay_ms = 20\nloss = 1\n")
    done = run("bots", "--link", path)
    assert done.returncode == 2 and f'--link: {path}: line 2: no key "loss"; give delay_ms, ' in done.stderr
    path.write_bytes(b"#" * 4097)
    done = run("bots", "--link", path)
    assert done.returncode == 2 and "is no text of at most 4096 bytes" in done.stderr
    path.write_bytes(b"")
    done = run("bots", "--link", path)
    assert done.returncode == 2 and f'--link: "{path}" is empty; write lines of key = value' in done.stderr
    path.write_bytes(b"delay_ms = 1\0\n")
    assert run("bots", "--link", path).returncode == 2
