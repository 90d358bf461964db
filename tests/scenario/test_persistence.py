"""What was answered is kept: kills amid many writers, files, other processes. Single accounts across stops and kills:
scripts/persistence*.talk."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.messages import NAME_TAKEN, name_ok


def assert_kept(server, connect, accounts):
    for name, password in accounts.items():
        assert connect(server).ask("NAME", name=name, password="not " + password) == NAME_TAKEN, name
        assert connect(server).ask("NAME", name=name, password=password) == name_ok(name), name


def test_fifty_registrations_at_once_survive_kill_9(new_server, connect, unique):
    server = new_server()
    accounts = {unique(): f"password {i}" for i in range(50)}
    players = [(connect(server), name, password) for name, password in accounts.items()]

    def register(entry):
        player, name, password = entry
        return player.ask("NAME", name=name, password=password) == name_ok(name)

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(register, players))
    server.kill()
    server.start()
    assert_kept(server, connect, accounts)


def test_killed_in_the_middle_of_registrations(new_server, connect, unique):
    """Those that were answered are there; those that were not are there whole or not at all."""
    server = new_server(accounts__password_cost=8)
    names = [unique() for _ in range(40)]
    players = [connect(server) for _ in names]
    for player, name in zip(players, names):
        player.send("NAME", name=name, password="pw " + name)
    answered = [name for player, name in zip(players[:8], names) if player.line() == name_ok(name)]
    server.kill()
    server.start()
    assert answered
    assert_kept(server, connect, {name: "pw " + name for name in answered})
    for name in names:
        assert connect(server).ask("NAME", name=name, password="pw " + name) == name_ok(name)


def test_a_second_server_on_the_same_data_is_refused_or_harmless(new_server, connect, unique):
    """Two processes must not write over each other: either the second does not start, or both see every account."""
    first = new_server()
    name = unique()
    connect(first).log_in(name, "kept")
    second = new_server(start=False)
    second.data_dir = first.data_dir
    second.start(wait_ready=False)
    code = None
    try:
        second.wait_ready()
    except AssertionError:
        code = "ended"
    if code is None:
        assert connect(second).ask("NAME", name=name, password="other") == NAME_TAKEN
        second.stop()
    assert connect(first).ask("NAME", name=name, password="kept") == name_ok(name)


def test_an_unwritable_data_directory_ends_the_start_with_a_clear_text(new_server, tmp_path):
    server = new_server(start=False)
    (tmp_path / "a file").write_text("not a directory")
    server.data_dir = tmp_path / "a file" / "data"
    server.start(wait_ready=False)
    assert server.wait_exit() in (1, 2)
    assert str(server.data_dir) in server.log() or "data.dir" in server.log()


@pytest.mark.sqlite("reads it")
def test_passwords_are_stored_as_slow_hashes_only(new_server, connect, unique):
    server = new_server()
    connect(server).log_in(unique(), "a password that is easy to find")
    server.stop()
    stored = b"".join(path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file())
    assert b"easy to find" not in stored
    assert b"$2b$04$" in stored or b"$2y$04$" in stored, "bcrypt at the configured cost"
