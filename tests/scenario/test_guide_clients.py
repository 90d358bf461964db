"""Programs written in the manner of the document's guide play unchanged: one in Python, one in C#."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time

import pytest

from harness import certificates, settings
from harness.messages import spawn_positions, wire
from harness.player import start_racing
from harness.server import Server
from harness.waiting import until

CLIENTS = settings.REPOSITORY / "tests" / "clients"
# These programs wait a fixed time for their login. A machine that is busy with other things may not hash in it;
# a person would start the program again.
PERSISTENCE_S = 6 * settings.DEADLINE_S


class Program:
    """A guide's client as a process, its output as a list of (kind, text)."""

    def __init__(self, command, folder):
        self.output = folder / "output.txt"
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT)

    def said(self, kind=None):
        whole = self.output.read_text(errors="replace").split("\n")[:-1]
        lines = [line.partition(" ") for line in whole]
        return [text if kind else (word, text) for word, _, text in lines if kind in (None, word)]

    def commands(self):
        return [json.loads(line)["command"] for line in self.said("line")]

    def write(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def wait(self):
        code = self.process.wait(4 * settings.DEADLINE_S)
        assert code == 0, self.output.read_text(errors="replace")
        return ("logged", "in") in self.said()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()


@pytest.fixture
def start(tmp_path):
    """Starts programs; makes sure that they end."""
    programs = []

    def make(command, wrapper=()):
        folder = tmp_path / f"program{len(programs)}"
        folder.mkdir()
        programs.append(Program([*wrapper, *map(str, command)], folder))
        return programs[-1]

    yield make
    for program in programs:
        program.end()


@pytest.fixture(scope="module")
def csharp(tmp_path_factory):
    """The C# client, compiled."""
    assert shutil.which("mcs") and shutil.which("mono"), "install mono-mcs and mono-runtime"
    target = tmp_path_factory.mktemp("csharp") / "GuideClient.exe"
    result = subprocess.run(["mcs", "-warnaserror", f"-out:{target}", CLIENTS / "GuideClient.cs"],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return target


@pytest.fixture(scope="module", params=[8, pytest.param(12, marks=pytest.mark.load)], ids=lambda cost: f"cost{cost}")
def guide_server(request, tmp_path_factory):
    """A server on both address families. Passwords at the cost of production take a fifth of a second of a core, at
    a lower priority than the tests beside this one: that is for runs on a quiet machine."""
    server = Server(tmp_path_factory.mktemp("real"), accounts__password_cost=request.param, racing__bind="::").start()
    yield server
    server.stop()


@pytest.fixture
def programs(guide_server, csharp, unique):
    """The command line of each client."""
    def command(kind, *more, host="localhost"):
        name, port = unique(kind), str(guide_server.port)
        if kind == "python":
            return [sys.executable, CLIENTS / "guide_client.py", host, port, name, "password123",
                    *(["--wait-before-start"] if "wait" in more else [])]
        return ["mono", csharp, host, port, name, "password123", kind.split("-")[1], *more]
    return command


KINDS = ["python", "csharp-lf", "csharp-crlf"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_guides_own_sequence(guide_server, programs, start, kind, host):
    end = time.monotonic() + PERSISTENCE_S
    logged_in = False
    while not logged_in and time.monotonic() < end:
        before = guide_server.accepted()
        program = start(programs(kind, host=host))
        logged_in = program.wait()
    assert program.commands() == ["NAME_OK", "ROOM_CREATED", "GAME_STARTED", "GAME_STARTED"]
    session_id, = program.said("id")
    started = program.said("line")[2].encode()
    assert wire({"spawnPositions": spawn_positions([session_id])})[1:-1] in started
    assert len(program.said("datagram")) == 10
    until(lambda: guide_server.accepted() - before == 10, "all ten updates are accepted")
    assert not any("ERROR" in text for _, text in program.said())


def start_with_room(start, command, wrapper=()):
    """The program, once it has logged in and created its room and waits to be told to start."""
    end = time.monotonic() + PERSISTENCE_S
    while time.monotonic() < end:
        program = start(command, wrapper)
        until(lambda: "ROOM_CREATED" in program.commands() or program.process.poll() is not None, "a room", 30)
        if "ROOM_CREATED" in program.commands():
            return program
    raise AssertionError("its login never came in time")


def watch(guide_server, programs, start, join_server, kind, wrapper=()):
    """Another player sees every update of the program, exactly as it was sent. Returns both."""
    program = start_with_room(start, programs(kind, "wait"), wrapper)
    room = json.loads(program.said("line")[1])["roomId"]
    witness = join_server(guide_server, host="127.0.0.1").join(room)
    witness.open_udp()
    start_racing([witness])
    program.write("0")
    seen = [witness.udp.receive() for _ in range(10)]
    assert program.wait()
    assert seen == [text.encode() for text in program.said("datagram")]
    assert json.loads(witness.line())["command"] == "GAME_STARTED"
    return program, witness


@pytest.mark.parametrize("kind", KINDS)
def test_another_player_sees_its_updates(guide_server, programs, start, join_server, kind):
    watch(guide_server, programs, start, join_server, kind)


def test_the_csharp_client_hears_others(guide_server, programs, start, join_server):
    program = start_with_room(start, programs("csharp-crlf", "wait"))
    racer = join_server(guide_server).join(json.loads(program.said("line")[1])["roomId"])
    racer.open_udp()
    program.write("5")
    # The program's first update registers it; from then on it hears whatever is sent.
    until(lambda: len(program.said("datagram")) >= 1, "its first update")
    texts = [racer.update(x=i) for i in range(5)]
    for text in texts:
        racer.udp.send(text)
        time.sleep(0.05)  # at the pace of a game, so that nothing newer replaces it on the way
    assert program.wait()
    assert program.said("heard") == [text.decode() for text in texts]


def private_hosts(tmp_path):
    """A command that runs another one with ::1 as the first meaning of localhost, or None where that is refused."""
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 localhost\n127.0.0.1 localhost\n")
    script = f'mount --bind "{hosts}" /etc/hosts && exec "$@"'
    for flags in (["-m"], ["-r", "-m"]):
        command = ["unshare", *flags, "sh", "-c", script, "sh"]
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    return None


def resolver_shim(tmp_path):
    """For Python alone: a start-up module that puts IPv6 first, where mount namespaces are refused."""
    folder = tmp_path / "shim"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import socket\n"
        "_real = socket.getaddrinfo\n"
        "def six_first(*a, **k):\n"
        "    return sorted(_real(*a, **k), key=lambda entry: entry[0] != socket.AF_INET6)\n"
        "socket.getaddrinfo = six_first\n")
    return ["env", f"PYTHONPATH={folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"]


@pytest.mark.parametrize("kind", KINDS)
def test_localhost_that_means_ipv6_first(guide_server, programs, start, join_server, tmp_path, kind):
    """TCP then comes from ::1 while UDP, which the Python client sends over IPv4 only, comes from 127.0.0.1."""
    wrapper = private_hosts(tmp_path)
    if wrapper is None:
        if kind != "python":
            pytest.skip("no mount namespaces here")
        wrapper = resolver_shim(tmp_path)
    first = subprocess.run([*wrapper, sys.executable, "-c",
                            "import socket; print(socket.getaddrinfo('localhost', 1)[0][4][0])"],
                           capture_output=True, text=True, check=True)
    assert first.stdout == "::1\n", "the trick works"
    watch(guide_server, programs, start, join_server, kind, wrapper)


def test_the_csharp_client_starts_with_a_byte_order_mark_of_its_own(csharp, tmp_path, start):
    """Shows that the trap is real: what the program writes first is EF BB BF, apart from its first line."""
    key, certificate = certificates.make()
    certificates.write_pem(key, certificate, tmp_path / "c.pem", tmp_path / "k.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(3 * settings.DEADLINE_S)
        program = start(["mono", csharp, "127.0.0.1", listener.getsockname()[1], "n", "p", "crlf"])
        link, _ = listener.accept()
        link.settimeout(3 * settings.DEADLINE_S)
        with context.wrap_socket(link, server_side=True) as tls:
            tls.sendall(b"CONNECTED|0123456789abcdef0123456789abcdef\n")
            assert tls.recv(100) == b"\xef\xbb\xbf"
            line = b""
            while not line.endswith(b"\n"):
                line += tls.recv(1000)
            assert line == b'{"command":"NAME","name":"n","password":"p"}\r\n'
        program.end()
