"""A private Redis on a Unix socket in a folder of its own, stopped by its process id.

    def test_it(redis, new_server):
        server = new_server(cache__url=redis.url)
"""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from .waiting import until

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def program():
    """redis-server, or None where it is not installed."""
    return shutil.which("redis-server")


class Redis:
    """One server with nothing in it."""

    def __init__(self, databases=16):
        self.folder = tempfile.mkdtemp(prefix="slipgate-redis-")
        self.path = os.path.join(self.folder, "redis.sock")
        self.url = f"unix://{self.path}?db=5"
        self.databases = databases
        self.process = None
        self.start()

    def start(self):
        """After kill; waits until it takes connections. What was in it is gone."""
        assert self.process is None
        self.process = subprocess.Popen(
            [program(), "--port", "0", "--unixsocket", self.path, "--dir", self.folder, "--save", "",
             "--appendonly", "no", "--databases", str(self.databases)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))

        def answers():
            assert self.process.poll() is None, "redis-server ended by itself"
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(self.path) == 0
        until(answers, "Redis takes connections")

    def kill(self):
        """Without a chance to say goodbye."""
        self.process.kill()
        self.process.wait()
        self.process = None
        os.unlink(self.path)

    def destroy(self):
        if self.process:
            self.kill()
        shutil.rmtree(self.folder)
