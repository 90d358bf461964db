"""Where settings come from and which of them wins."""
import os
import re
import stat
import subprocess
import tempfile

import pytest

from harness import settings
from harness.player import delivered, start_racing
from harness.server import clean_environment, free_port, run


def printed(result, key):
    """The line of `config print` about a key."""
    assert result.returncode == 0, result
    section, name = key.split(".")
    lines = [line for line in result.stdout.splitlines() if re.search(rf"\b{re.escape(key)}\b", line)]
    assert lines, f"no line about {key} in:\n{result.stdout}"
    return lines[0]


def printed_value(result, key):
    match = re.search(rf"\b{re.escape(key)}\b\s*=?\s*(\S+)", printed(result, key))
    assert match, printed(result, key)
    return match.group(1).strip('"')


@pytest.fixture
def ini(tmp_path):
    def write(text, name="slipgate.ini"):
        path = tmp_path / name
        path.write_text(text)
        return path
    return write


def test_defaults():
    result = run("config", "print")
    assert printed_value(result, "racing.port") == "443"
    assert printed_value(result, "racing.room_size") == "20"
    assert printed_value(result, "racing.max_rooms") == "1000"
    assert printed_value(result, "racing.idle_timeout_s") == "60"
    assert printed_value(result, "racing.single_login") == "replace"
    assert printed_value(result, "racing.udp_plaintext") == "until_encrypted"
    assert printed_value(result, "racing.bind") == "0.0.0.0"
    assert printed_value(result, "racing.password_min_length") == "1"
    assert printed_value(result, "racing.udp_require_aead") == "false"
    assert printed_value(result, "racing.udp_any_address") == "false"
    assert printed_value(result, "racing.extra_port") == "0"
    assert printed_value(result, "accounts.password_cost") == "12"
    assert printed_value(result, "accounts.queue_max_s") == "15"
    assert printed_value(result, "admin.port") == "8080"
    assert printed_value(result, "server.drain_timeout_s") == "30"
    assert printed_value(result, "log.level") == "info"
    assert printed_value(result, "log.format") == "text"
    assert printed_value(result, "data.dir") == "/var/lib/slipgate"


def test_a_file(ini):
    path = ini("[racing]\nroom_size = 7\n\n; a comment\n# another\n[accounts]\npassword_cost=5\n")
    result = run("config", "print", "--config", path)
    assert printed_value(result, "racing.room_size") == "7"
    assert printed_value(result, "accounts.password_cost") == "5"
    assert run("config", "check", "--config", path).returncode == 0


def test_precedence(ini):
    path = ini("[racing]\nroom_size = 7\nmax_rooms = 70\nidle_timeout_s = 70\n")
    env = {"SLIPGATE_RACING_MAX_ROOMS": "80", "SLIPGATE_RACING_IDLE_TIMEOUT_S": "80"}
    result = run("config", "print", "--config", path, "--set", "racing.idle_timeout_s=90", env=env)
    assert printed_value(result, "racing.room_size") == "7"
    assert printed_value(result, "racing.max_rooms") == "80"
    assert printed_value(result, "racing.idle_timeout_s") == "90"
    sources = [printed(result, f"racing.{key}") for key in ("room_size", "max_rooms", "idle_timeout_s", "port")]
    assert len({re.sub(r"\d+|racing\.\w+", "", line) for line in sources}) > 1, "each line names its source"
    assert "env" in sources[1].lower() and "set" in sources[2].lower()


def test_the_last_set_wins():
    result = run("config", "print", "--set", "racing.room_size=5", "--set", "racing.room_size=6")
    assert printed_value(result, "racing.room_size") == "6"


def test_a_secret_from_a_file(ini, new_server, race):
    path = ini("the secret in a file\n", "secret")
    server = new_server(start=False)
    server.env = {"SLIPGATE_RACING_UDP_SHARED_SECRET_FILE": str(path)}
    server.start()
    server.options["racing.udp_shared_secret"] = "the secret in a file"
    first, second = race("legacy", "legacy", server=server)
    delivered(first, [second], first.update())
    del server.options["racing.udp_shared_secret"]


def test_a_secret_file_that_is_missing_is_an_error(tmp_path):
    result = run("config", "check", env={"SLIPGATE_TLS_PASSWORD_FILE": str(tmp_path / "nowhere")})
    assert result.returncode == 2
    assert "nowhere" in result.stderr


def test_a_bad_value_in_the_environment_names_the_variable():
    result = run("config", "check", env={"SLIPGATE_RACING_PORT": "many"})
    assert result.returncode == 2
    assert "SLIPGATE_RACING_PORT" in result.stderr or "racing.port" in result.stderr


def test_secrets_are_masked():
    env = {"SLIPGATE_TLS_PASSWORD": "open-sesame-1"}
    result = run("config", "print", "--set", "racing.udp_shared_secret=open-sesame-2", env=env)
    assert result.returncode == 0
    assert "open-sesame" not in result.stdout + result.stderr
    printed(result, "tls.password")
    printed(result, "racing.udp_shared_secret")
    assert "RacingServer2024!" not in run("config", "print").stdout


def test_every_key_has_a_meaning():
    result = run("config", "print")
    keys = re.findall(r"^# ([a-z]+\.[a-z_0-9]+) = (.*)$", result.stdout, re.MULTILINE)
    assert len(keys) > 25
    for key, rest in keys:
        assert len(re.findall(r"[A-Za-z]{3,}", rest)) >= 3, f"{key} is not explained: {rest!r}"


@pytest.mark.parametrize("text,words", [
    ("[racing]\nprot = 5\n", ["prot", "racing.port", "2"]),
    ("[rcing]\nport = 5\n", ["rcing", "2"]),
    ("[racing]\nport = many\n", ["racing.port"]),
    ("port = 5\n", ["1"]),
    ("[racing\nport = 5\n", ["1"]),
    ("[racing]\njust words\n", ["2"]),
    ("[racing]\nport = 5000\n  6000\n", ["3"]),
], ids=["unknown key", "unknown section", "bad value", "no section", "broken section", "no value", "indented line"])
def test_a_bad_file_is_refused_with_its_line(ini, text, words):
    path = ini(text)
    result = run("config", "check", "--config", path)
    assert result.returncode == 2, result
    assert "slipgate.ini" in result.stderr
    for word in words:
        assert word in result.stderr, result.stderr
    started = run("serve", "--config", path)
    assert started.returncode == 2


def test_a_long_line_is_read_whole_or_refused(ini):
    """Nothing may be cut in silence."""
    name = ".".join(["a" * 60] * 4)
    path = ini(f"[racing]\nroom_size = 5\n[tls]\nhostname = {name}\n")
    result = run("config", "print", "--config", path)
    if result.returncode == 0:
        assert name in result.stdout
    else:
        assert result.returncode == 2 and "4" in result.stderr


def test_a_semicolon_inside_a_value_is_kept_or_refused(ini, new_server, race):
    path = ini("[racing]\nudp_shared_secret = one ; two\n")
    result = run("config", "check", "--config", path)
    if result.returncode != 0:
        assert result.returncode == 2 and "2" in result.stderr
        return
    server = new_server(start=False)
    server.config = path.read_text()
    server.start()
    server.options["racing.udp_shared_secret"] = "one ; two"
    first, second = race("legacy", "legacy", server=server)
    delivered(first, [second], first.update())
    del server.options["racing.udp_shared_secret"]


def test_the_same_key_twice_in_a_file(ini):
    path = ini("[racing]\nroom_size = 5\nroom_size = 6\n")
    result = run("config", "print", "--config", path)
    if result.returncode == 0:
        assert printed_value(result, "racing.room_size") == "6"
    else:
        assert result.returncode == 2 and "3" in result.stderr


def test_effective_prints_what_was_set():
    result = run("config", "print", "--effective", "--set", "racing.room_size=9")
    assert printed_value(result, "racing.room_size") == "9"


@pytest.mark.parametrize("setting", ["store.url=mysql://localhost/slipgate",
                                     "store.url=postgresql://u:p@ss/w@h:1/d", "store.url=sqlite:accounts/",
                                     "limits.exempt=privat", "racing.extra_port=443", "tls.key=key.pem"])
def test_what_serve_would_refuse_fails_the_check(setting):
    result = run("config", "check", "--set", setting)
    assert result.returncode == 2
    assert setting.partition("=")[0] in result.stderr and result.stderr.count("\n") == 1


def test_settings_reach_the_game(new_server, join_server):
    server = new_server(start=False)
    server.config = "[racing]\nroom_size = 2\n"
    server.env = {"SLIPGATE_RACING_MAX_ROOMS": "1"}
    server.start()
    host, guest, late = (join_server(server) for _ in range(3))
    room = host.create_room()
    guest.join(room)
    assert late.get("JOIN_ROOM", roomId=room)["command"] == "ERROR"
    assert late.get("CREATE_ROOM", name="second")["command"] == "ERROR"


def test_the_data_directory_is_private(new_server):
    server = new_server(start=False)
    server.data_dir.rmdir()
    server.start()
    assert server.data_dir.is_dir(), "it is made where it is missing"
    for path in server.data_dir.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.is_dir(), f"{path} is readable by others"


def test_an_extra_port(new_server, join_server):
    server = new_server(racing__extra_port=free_port())
    host = join_server(server)
    room = host.create_room()
    first_port = server.options["racing.port"]
    server.options["racing.port"] = server.options["racing.extra_port"]
    guest = join_server(server)
    guest.join(room)
    guest.open_udp()
    server.options["racing.port"] = first_port
    host.open_udp()
    start_racing([host, guest])
    delivered(guest, [host], guest.update(x=1))
    delivered(host, [guest], host.update(x=2))


def test_a_port_of_zero_is_off(new_server, connect):
    server = new_server(start=False, racing__port=0)
    server.start()
    assert server.http_status("/healthz") == 200
    with pytest.raises(OSError):
        connect(server)


def test_what_is_printed_is_a_file_that_can_be_read(ini):
    printed_once = run("config", "print", "--set", "racing.room_size=9", "--set", "tls.hostname=a.example")
    path = ini(printed_once.stdout, "printed.ini")
    assert run("config", "check", "--config", path).returncode == 0
    again = run("config", "print", "--config", path)
    assert printed_value(again, "racing.room_size") == "9"
    assert printed_value(again, "tls.hostname") == "a.example"


def test_a_port_that_needs_a_right_names_the_two_mends():
    """Started by somebody who may not bind it."""
    start = int(open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii").read())
    if start <= 1:
        pytest.skip("every port may be bound here")
    port = next(port for port in range(start - 1, 0, -1) if port not in (443, 80, 22))
    command = [*settings.WRAPPER, settings.binary(), "serve", "--set", f"racing.port={port}",
               "--set", "admin.port=0", "--set", "racing.bind=127.0.0.1"]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", *command]
        result = subprocess.run([*map(str, command), "--set", f"data.dir={folder}/data"], env=clean_environment(),
                                capture_output=True, text=True, timeout=3 * settings.DEADLINE_S)
    assert result.returncode == 1, result.stderr
    assert str(port) in result.stderr and "setcap" in result.stderr and "racing.port" in result.stderr
