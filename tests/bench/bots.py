#!/usr/bin/python3
"""The server under `slipgate bots`, on this machine, server and bots on a core each.

    bots.py SLIPGATE RELAY_FLOOR [seconds]

Three loads: 100 players at 20 Hz in no room, whose accepted datagrams must be exactly those that were
sent; 10 rooms of 20 at 20 Hz (76,000 deliveries a second), of which 99.9 % must arrive and every sampled
one unchanged; and a race at bcrypt cost 12 while others log in at 80 % of the rate that the machine can
hash, beside the same race in peace. Costs stand beside the least that sealing and sending needs here."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BINARY, FLOOR = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 30
os.environ["SLIPGATE_BIN"] = str(BINARY)
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, BOTS_CORE = str(CORES[0]), str(CORES[-1])
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))

from harness import settings  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.waiting import until  # noqa: E402

wrong = []


def expect(true, what):
    if not true:
        wrong.append(what)
        print(f"  NOT AS EXPECTED: {what}")


def bots(server, *arguments, wait=True, stderr=subprocess.DEVNULL, core=BOTS_CORE):
    process = subprocess.Popen(
        ["taskset", "-c", core, str(BINARY), "bots", "--json", "--server", f"127.0.0.1:{server.port}",
         *map(str, arguments)], stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL, text=True)
    return result(process) if wait else process


def result(process):
    out, _ = process.communicate(timeout=600)
    figures = json.loads(out.splitlines()[-1])
    figures["code"] = process.returncode
    return figures


def start(folder, name, wrapper=("taskset", "-c", SERVER_CORE), **options):
    settings.WRAPPER = list(wrapper)
    path = Path(folder) / name
    path.mkdir()
    return Server(path, log__level="warn", **options).start()


def latency(figures):
    l = figures["latencyMs"]
    return f"p50 {l['p50']:.2f}  p99 {l['p99']:.2f}  p99.9 {l['p999']:.2f}  max {l['max']:.2f} ms"


def floors():
    out = subprocess.run([FLOOR], capture_output=True, text=True, check=True).stdout
    print(out, end="")
    return {name: float(us) for name, us in re.findall(r"floor (\S+)\s+([\d.]+) us", out)}


def lobby(folder):
    print(f"\n100 players at 20 Hz in no room, {SECONDS} s")
    server = start(folder, "lobby")
    figures = bots(server, "--players", 100, "--no-room", "--duration", SECONDS, "--ramp", 100)
    until(lambda: server.accepted() >= figures["datagramsSentTotal"], "all datagrams accepted", 5)
    accepted = int(server.accepted())
    print(f"  sent {figures['datagramsSentTotal']}, accepted {accepted}, still logged in {figures['stillLoggedIn']}")
    expect(accepted == figures["datagramsSentTotal"], "accepted differs from sent")
    expect(figures["code"] == 0 and figures["stillLoggedIn"] == 100, "a player was lost")
    server.stop()


def sent_by(server):
    return (server.metric("slipgate_egress_messages_total"),
            server.metric("slipgate_datagrams_total", direction="out"))


def rooms(folder, udp, floor_us):
    print(f"\n10 rooms of 20 at 20 Hz, {SECONDS} s, --udp {udp}")
    server = start(folder, f"rooms-{udp}")
    bots(server, "--players", 200, "--duration", 2, "--ramp", 100, "--udp", udp)  # registers, warms up
    before_s, before = server.cpu_s(), sent_by(server)
    figures = bots(server, "--players", 200, "--duration", SECONDS, "--ramp", 100, "--udp", udp)
    cpu_s = server.cpu_s() - before_s
    messages, datagrams = (after - earlier for after, earlier in zip(sent_by(server), before))
    us = cpu_s * 1e6 / messages
    print(f"  {figures['udp']}: {figures['delivered'] / figures['measuredS']:.0f} deliveries/s, "
          f"lost {figures['lost']} of {figures['expected']} ({figures['lostPercent']} %), "
          f"compared {figures['compared']}, damaged {figures['damaged']}")
    print(f"  relay latency {latency(figures)}")
    print(f"  server {us:.3f} us of a core a delivery ({messages / datagrams:.2f} messages a datagram), "
          f"{floor_us / us:.2f} of the floor's speed; bots {100 * figures['cpuS'] / figures['measuredS']:.0f} % of a core")
    expect(figures["code"] == 0, "the bots were not content")
    expect(figures["delivered"] >= 0.999 * figures["expected"], "less than 99.9 % delivered")
    server.stop()


def hash_rate(server):
    """Logins a second that the machine can hash when nothing else is asked of it."""
    figures = bots(server, "--players", 40, "--no-room", "--duration", 1, "--ramp", 0, "--names", "hash")
    return figures["loginsPerS"]


def logins(folder):
    print("\n20 racers at bcrypt cost 12, in peace and while others log in")
    everywhere = ",".join(map(str, CORES))
    server = start(folder, "logins", wrapper=(), accounts__password_cost=12)
    rate = hash_rate(server)
    ramp = 0.8 * rate
    seconds = min(SECONDS, 20)
    peace = bots(server, "--players", 20, "--duration", seconds, "--names", "racer", "--ramp", 5, core=everywhere)
    with tempfile.TemporaryFile("w+") as progress:
        racers = bots(server, "--players", 20, "--duration", seconds + 4, "--names", "racer", "--ramp", 5, "--progress",
                      wait=False, stderr=progress, core=everywhere)

        def measuring():
            progress.seek(0)
            return "measuring" in progress.read()
        until(measuring, "racers race", 60)
        crowd = bots(server, "--players", max(1, int(ramp * seconds)), "--no-room", "--rate", 1, "--duration", 1,
                     "--names", f"crowd{int(time.time())}", "--ramp", f"{ramp:.2f}", core=everywhere)
        race = result(racers)
    print(f"  the machine hashes {rate:.1f} logins/s; {crowd['playersIn']} came in at {crowd['loginsPerS']:.1f}/s, "
          f"login p50 {crowd['loginP50Ms']:.0f} max {crowd['loginMaxMs']:.0f} ms")
    print(f"  racers before   {latency(peace)}, lost {peace['lost']}")
    print(f"  racers meanwhile {latency(race)}, lost {race['lost']}")
    expect(crowd["failed"] == 0 and race["code"] == 0 and peace["code"] == 0, "a player was lost")
    server.stop()


def main():
    with tempfile.TemporaryDirectory() as folder:
        floor = floors()
        lobby(folder)
        rooms(folder, "auto", floor["gcm"])
        rooms(folder, "cbc", floor["cbc"])
        logins(folder)
    print(f"\n{'as expected' if not wrong else 'NOT AS EXPECTED: ' + '; '.join(wrong)}")
    return 1 if wrong else 0


sys.exit(main())
