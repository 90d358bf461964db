"""What an operator and a service manager rely on: notifications, log rotation, reload, limits of the system."""
import signal
import socket

import pytest

from harness import settings
from harness.messages import PONG
from harness.server import free_port, run
from harness.waiting import until


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.states = []

    def heard(self, state):
        """Whether a state has been notified by now."""
        try:
            while True:
                self.states += self.socket.recv(4096).decode().split("\n")
        except BlockingIOError:
            return state in self.states

    def count(self, state):
        self.heard(state)
        return self.states.count(state)


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.socket.close()


def test_the_service_manager_is_told(new_server, manager):
    server = new_server(start=False)
    server.env = {"NOTIFY_SOCKET": manager.path}
    server.start()
    until(lambda: manager.heard("READY=1"), "ready")
    assert not manager.heard("WATCHDOG=1"), "nobody asked for it"
    server.signal(signal.SIGHUP)
    until(lambda: manager.heard("RELOADING=1") and manager.count("READY=1") == 2, "reloaded")
    server.stop()
    assert manager.heard("STOPPING=1")


def test_the_watchdog_is_fed_from_the_loop(new_server, manager):
    server = new_server(start=False)
    server.env = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"}
    server.start()
    until(lambda: manager.count("WATCHDOG=1") >= 3, "three signs of life")


def test_a_rotated_log_is_opened_anew(new_server, connect, tmp_path):
    path, old = tmp_path / "slipgate.log", tmp_path / "slipgate.log.1"
    server = new_server(log__file=path)
    connect(server).ask("PING")
    until(lambda: "NAME" in path.read_text() or "PING" in path.read_text(), "the command is in the file")
    path.rename(old)
    server.signal(signal.SIGHUP)
    until(path.exists, "a new file")
    until(lambda: "config.reloaded" in path.read_text(), "the outcome is in it")
    size = old.stat().st_size
    connect(server).ask("PING")
    until(lambda: path.read_text().count("PING") > 0, "what comes next too")
    assert old.stat().st_size == size
    assert path.stat().st_mode & 0o007 == 0, "not for everybody"


def test_a_reload_takes_what_it_can_and_names_the_rest(new_server, join_server):
    server = new_server(start=False)
    server.config = "[racing]\nroom_size = 2\n"
    server.start()
    host, guest, late = (join_server(server) for _ in range(3))
    room = host.create_room()
    guest.join(room)
    assert late.get("JOIN_ROOM", roomId=room)["command"] == "ERROR"
    (server.folder / "slipgate.ini").write_text("[racing]\nroom_size = 3\nextra_port = 5\n[admin]\nmax_connections = 9\n")
    server.signal(signal.SIGHUP)
    server.wait_log(r"config\.reloaded", "reloaded")
    held = [line for line in server.log_lines() if "config.restart_needed" in line]
    assert len(held) == 1 and "racing.extra_port" in held[0] and "admin.max_connections" in held[0], held
    assert "room_size" not in held[0]
    late.join(room)


def test_json_and_level_follow_a_reload(new_server, connect):
    server = new_server(start=False)
    server.config = "[log]\nlevel = warn\n"
    server.start()
    connect(server).ask("PING")
    (server.folder / "slipgate.ini").write_text("[log]\nformat = json\n")
    server.signal(signal.SIGHUP)
    server.wait_log(r'"event":"config\.reloaded"', "reloaded, in JSON")
    connect(server).ask("PING")
    server.wait_log(r'^\{.*"PING"', "and at info")
    assert sum("PING" in line for line in server.log_lines()) == 1


def test_a_drain_without_an_end(new_server, join_server):
    server = new_server(server__drain_timeout_s=1)
    player = join_server(server)
    server.signal(signal.SIGUSR1)
    until(lambda: server.http_status("/readyz") == 503, "not ready")
    player.closing()
    assert server.http_status("/healthz") == 200
    assert "draining" in server.http("/readyz")[1]
    assert server.process.poll() is None
    server.stop()


def test_few_descriptors_are_made_the_best_of(new_server, connect, monkeypatch):
    monkeypatch.setattr(settings, "WRAPPER", ["prlimit", "--nofile=600:600", *settings.WRAPPER])
    server = new_server()
    server.wait_log(r"server\.few_descriptors.*connections=344", "said")
    assert connect(server).ask("PING") == PONG


def test_the_soft_limit_of_descriptors_is_raised(new_server, monkeypatch):
    monkeypatch.setattr(settings, "WRAPPER", ["prlimit", "--nofile=100:2000", *settings.WRAPPER])
    server = new_server(server__max_connections=1000)
    assert server.metrics()[("slipgate_process_max_fds", ())] >= 1256
    assert "few_descriptors" not in server.log()


@pytest.mark.sqlite("its lock")
def test_one_data_folder_is_for_one_server(new_server):
    server = new_server()
    second = new_server(start=False)
    second.options["data.dir"] = server.data_dir
    second.start(wait_ready=False)
    assert second.wait_exit() == 1
    assert "slipgate.db" in second.log()
    assert server.http_status("/readyz") == 200


def test_a_data_folder_that_cannot_be_made():
    result = run("serve", "--set", "data.dir=/proc/slipgate/data", "--set", f"racing.port={free_port()}")
    assert result.returncode == 1
    assert "data.dir" in result.stderr and "--set data.dir=DIR" in result.stderr


@pytest.mark.parametrize("settings_given,names", [
    (["racing.port=7001", "admin.port=7001"], ["racing.port", "admin.port"]),
    (["racing.port=7001", "racing.extra_port=7001"], ["racing.port", "racing.extra_port"]),
    (["tls.key=/some/key"], ["tls.key", "tls.certificate"]),
    (["limits.exempt=loopback everybody"], ["limits.exempt", "everybody"]),
])
def test_keys_that_contradict_each_other(settings_given, names):
    result = run("config", "check", *(word for setting in settings_given for word in ("--set", setting)))
    assert result.returncode == 2
    for name in names:
        assert name in result.stderr, result.stderr


def test_the_admin_port_knows_its_names(new_server):
    server = new_server(tls__hostname="race.example", admin__hosts="ops.example")

    def status(host, **headers):
        return server.http("/healthz", headers={"Host": host, **headers})[0]
    assert [status(host) for host in ("race.example", "a.race.example", "ops.example", "localhost:1", "127.0.0.1")] == [200] * 5
    assert status("evil.example") == 403
    assert status("localhost", **{"X-Forwarded-For": "127.0.0.1"}) == 403
