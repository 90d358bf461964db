"""Honest players beside a storm or an attack: bots in rooms, and what they felt in each second of the clock."""
import json
import os
import re
import signal
import subprocess
import threading
import time

from harness import settings

SECOND = re.compile(r"measuring.* p99 ([\d.]+) max ([\d.]+)")


class Racers:
    def __init__(self, server, players=40, ramp=8):
        self.players, self.seconds = players, []
        self.process = subprocess.Popen(
            [settings.binary(), "bots", "--server", f"127.0.0.1:{server.port}", "--players", str(players),
             "--duration", "0", "--ramp", str(ramp), "--json", "--progress", "--udp", "cbc"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stderr:
            found = SECOND.match(line)
            if found:
                self.seconds.append((time.monotonic(), float(found.group(1)), float(found.group(2))))

    def wait(self, more):
        """Until so many more seconds were measured."""
        number, end = len(self.seconds) + more, time.monotonic() + 120
        while len(self.seconds) < number:
            assert time.monotonic() < end and self.process.poll() is None, "the racers do not race"
            time.sleep(0.02)

    def between(self, start, end):
        """p99 of each second that lay in between as a whole, and the longest time of all."""
        found = [s for s in self.seconds if start + 1 <= s[0] <= end]
        return [s[1] for s in found], max((s[2] for s in found), default=0)

    def end(self):
        """What they found in all: lost is expected less delivered."""
        self.process.send_signal(signal.SIGINT)
        self.thread.join(60)
        out = self.process.stdout.read()
        self.process.wait(60)
        return json.loads(out.splitlines()[-1])

    def kill(self):
        self.process.kill()
        self.process.wait()


def lower_priority(pid=0):
    """For what works on the attackers' and the crowd's own machines in earnest: it takes what cores are left."""
    os.setpriority(os.PRIO_PROCESS, pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + 19))
