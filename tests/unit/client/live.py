#!/usr/bin/python3
"""libslipgate and `slipgate bots` against the real server: live.py SLIPGATE EXAMPLE_WATCH

Each case is a function; the figures of bots are held to the server's own counters."""
import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

BINARY, WATCH = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
os.environ["SLIPGATE_BIN"] = str(BINARY)
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scenario"))

from harness.server import Server, clean_environment  # noqa: E402
from harness.waiting import until  # noqa: E402


def launch(server, *arguments, stderr=subprocess.PIPE):
    return subprocess.Popen([BINARY, "bots", "--json", "--server", f"127.0.0.1:{server.port}", *map(str, arguments)],
                            stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL, text=True,
                            env=clean_environment())


def result(process):
    out, err = process.communicate(timeout=120)
    assert "Sanitizer" not in (err or "") and "runtime error" not in (err or ""), err
    return process.returncode, json.loads(out) if out else None, err


def bots(server, *arguments):
    return result(launch(server, *arguments))


def play(server, *arguments):
    """A run that must end well; returns its figures."""
    code, figures, err = bots(server, *arguments)
    assert code == 0 and figures, err
    assert figures["playersIn"] == figures["stillLoggedIn"] == figures["players"], figures
    assert figures["damaged"] == figures["foreign"] == figures["disconnects"] == figures["failed"] == 0, figures
    return figures


def certificate(server):
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port)))


# ---- cases

def every_form_of_datagrams(server):
    for udp, mode in {"auto": "aes-256-gcm", "aead": "aes-256-gcm", "cbc": "aes-256-cbc", "plain": "plain"}.items():
        before = server.accepted()
        figures = play(server, "--players", 10, "--room-size", 4, "--rate", 20, "--duration", 2, "--udp", udp)
        assert figures["udp"] == mode
        assert figures["expected"] > 0 and figures["delivered"] >= 0.99 * figures["expected"], figures
        assert figures["compared"] > 0
        assert server.accepted() - before == figures["datagramsSentTotal"], figures


def players_without_rooms(server):
    before = server.accepted()
    figures = play(server, "--players", 20, "--no-room", "--duration", 1)
    assert figures["expected"] == figures["delivered"] == 0
    assert figures["sent"] > 0 and server.accepted() - before == figures["datagramsSentTotal"]


def trust(server):
    der = certificate(server)
    for digest in (hashlib.sha256, hashlib.sha1):
        play(server, "--players", 1, "--duration", 1, "--pin", digest(der).hexdigest())
    wrong = hashlib.sha256(der + b"x").hexdigest()
    code, figures, err = bots(server, "--players", 1, "--duration", 1, "--pin", wrong)
    assert code == 1 and figures["failed"] == 1 and "pinned" in err, err
    code, _, err = bots(server, "--players", 1, "--duration", 1, "--verify")
    assert code == 1 and "not trusted" in err, err
    pem = server.folder / "ca.pem"
    pem.write_text(ssl.DER_cert_to_PEM_cert(der))
    play(server, "--players", 1, "--duration", 1, "--ca", pem)


def wrong_password(server):
    play(server, "--players", 2, "--duration", 1, "--names", "kept")
    code, figures, err = bots(server, "--players", 2, "--duration", 1, "--names", "kept", "--password", "other")
    assert code == 1 and figures["failed"] == 2 and "Invalid password" in err, err


def replaced_players_are_told(server):
    with tempfile.TemporaryFile("w+") as progress:
        first = launch(server, "--players", 4, "--duration", 60, "--progress", stderr=progress)
        try:
            until(lambda: progress.seek(0) or "measuring" in progress.read(), "the first run measures")
            play(server, "--players", 1, "--duration", 1)
            first.send_signal(signal.SIGINT)
            code, figures, _ = result(first)
        finally:
            first.kill()
    assert code == 1 and figures["disconnects"] == 1 and figures["interrupted"], figures


def interrupted(server):
    with tempfile.TemporaryFile("w+") as progress:
        run = launch(server, "--players", 4, "--duration", 0, "--progress", stderr=progress)
        try:
            until(lambda: progress.seek(0) or "measuring" in progress.read(), "the run measures")
            run.send_signal(signal.SIGINT)
            code, figures, _ = result(run)
        finally:
            run.kill()
    assert code == 0 and figures["interrupted"] and figures["delivered"] > 0, figures


def wrong_use(server):
    for arguments in (("--players", "0"), ("--udp", "rot13"), ("--pin", "12"), ("--rate", "-1"),
                      ("--verify", "--insecure"), ("--server", "host:port")):
        code, figures, err = bots(server, *arguments)
        assert code == 2 and figures is None and err.startswith("slipgate: "), (arguments, code, err)


def the_example_program(server):
    """Two people watch each other; one of them stays while the server restarts."""
    pin = hashlib.sha256(certificate(server)).hexdigest()
    outputs = [server.folder / f"watch-{name}" for name in ("ann", "bob")]
    watchers = []
    try:
        for output in outputs:
            with open(output, "wb") as out:
                watchers.append(subprocess.Popen(
                    [WATCH, "127.0.0.1", str(server.port), output.name, "secret", pin], stdout=out,
                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                    env=clean_environment()))
            until(lambda: server.metric("slipgate_service_authenticated_sessions", service="racing") == len(watchers), "the watcher is in")
        for output in outputs:
            until(lambda: output.read_text().count("-2.00") >= 20, f"{output.name} sees the other one")
        server.restart()
        seen = outputs[0].read_text().count("-2.00")
        until(lambda: outputs[0].read_text().count("-2.00") >= seen + 20, "both are back and see each other", 30)
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)
            assert watcher.wait(20) == 0
    finally:
        for watcher in watchers:
            watcher.kill()


def main():
    cases = [every_form_of_datagrams, players_without_rooms, trust, wrong_password, replaced_players_are_told,
             interrupted, wrong_use, the_example_program]
    bad = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder), log__level="warn")
            try:
                server.start()
                case(server)
                server.stop()
                print(f"{case.__name__}: fine", flush=True)
            except Exception:  # every case is tried
                bad += 1
                traceback.print_exc()
                print(f"{case.__name__}: FAILED", flush=True)
                if server.process:
                    server.process.kill()
    print(f"[==========] {len(cases)} test(s) run.")
    if bad:
        print(f"[  FAILED  ] {bad} test(s)")
    return 1 if bad else 0


sys.exit(main())
