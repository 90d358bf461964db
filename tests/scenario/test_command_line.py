"""The program's outside: subcommands, help, exit codes and one-line errors."""
import re
import socket

import pytest

from harness import certificates
from harness.server import free_port, run

SUBCOMMANDS = ["serve", "config", "certificate"]


def assert_one_line_error(result, *words, code=2):
    assert result.returncode == code, result
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, f"one line, naming the key and the mend: {result.stderr!r}"
    for word in words:
        assert word in lines[0], result.stderr


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_help(flag):
    result = run(flag)
    if flag == "help" and result.returncode == 2:
        pytest.skip("only the flags are promised")
    assert result.returncode == 0 and result.stderr == ""
    for subcommand in SUBCOMMANDS:
        assert subcommand in result.stdout


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_help_of_a_subcommand(subcommand):
    result = run(subcommand, "--help")
    assert result.returncode == 0 and result.stderr == ""
    assert subcommand in result.stdout


def test_version():
    result = run("--version")
    assert result.returncode == 0 and result.stderr == ""
    assert re.search(r"slipgate \d+\.\d+", result.stdout)


@pytest.mark.parametrize("arguments", [["fly"], ["--fly"], ["serve", "--fly"], ["serve", "fly"], ["config"],
                                       ["config", "fly"], ["serve", "--set"], ["serve", "--config"],
                                       ["certificate", "fly"]], ids=" ".join)
def test_wrong_use(arguments):
    result = run(*arguments)
    assert result.returncode == 2, result
    assert result.stdout == "" and result.stderr.strip()


def test_no_arguments_says_how_to_use_it():
    result = run()
    assert "serve" in result.stdout + result.stderr
    assert result.returncode in (0, 2)


@pytest.mark.parametrize("setting,nearest", [
    ("racing.prot=1", "racing.port"), ("racing.idle_timeout=5", "racing.idle_timeout_s"),
    ("acounts.password_cost=4", "accounts.password_cost"), ("Racing.Port=5", "racing.port"),
    ("log.levle=info", "log.level")])
def test_an_unknown_key_names_the_nearest_one(setting, nearest):
    assert_one_line_error(run("serve", "--set", setting), setting.split("=")[0], nearest)
    assert_one_line_error(run("config", "check", "--set", setting), nearest)


@pytest.mark.parametrize("setting", [
    "racing.port=abc", "racing.port=-1", "racing.port=65536", "racing.port=", "racing.port=80x", "racing.port=1.5",
    "racing.single_login=sometimes", "racing.udp_plaintext=maybe", "racing.udp_require_aead=perhaps",
    "racing.bind=not-an-address", "accounts.password_cost=3", "accounts.password_cost=17", "log.level=loud",
    "log.format=xml", "tls.key_type=dsa", "racing.room_size=0", "racing.max_rooms=-5", "racing.idle_timeout_s=x",
    "racing.port=99999999999999999999"])
def test_a_bad_value_names_its_key(setting):
    assert_one_line_error(run("config", "check", "--set", setting), setting.split("=")[0])


@pytest.mark.parametrize("setting", ["racing.port", "=5", "port=5", ".port=5", "racing.=5", "nonsense"])
def test_a_setting_that_is_none(setting):
    assert run("serve", "--set", setting).returncode == 2


@pytest.mark.parametrize("setting", ["racing.port=0", "racing.port=65535", "accounts.password_cost=4",
                                     "accounts.password_cost=16", "racing.udp_require_aead=true",
                                     "racing.single_login=refuse", "racing.bind=::"])
def test_values_at_their_limits(setting):
    result = run("config", "check", "--set", setting)
    assert result.returncode == 0, result


def test_a_busy_port_is_named(new_server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        server = new_server(start=False, racing__port=port)
        server.start(wait_ready=False)
        assert server.wait_exit() == 1
        assert str(port) in server.log()


def test_a_busy_udp_port_is_named(new_server):
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", free_port()))
        port = taken.getsockname()[1]
        server = new_server(start=False, racing__port=port)
        server.start(wait_ready=False)
        assert server.wait_exit() == 1
        assert str(port) in server.log()


def test_a_missing_configuration_file(tmp_path):
    assert_one_line_error(run("serve", "--config", tmp_path / "nowhere.ini"), "nowhere.ini")


def test_certificate_show(server):
    result = run("certificate", "show", "--set", f"data.dir={server.data_dir}")
    assert result.returncode == 0, result
    text = result.stdout.replace(":", "").lower()
    assert certificates.shown(server) in text
    assert "racing-server" in text


def test_certificate_renew(new_server):
    server = new_server()
    before = certificates.shown(server)
    server.stop()
    result = run("certificate", "renew", "--set", f"data.dir={server.data_dir}")
    assert result.returncode == 0, result
    server.restart()
    assert certificates.shown(server) != before
