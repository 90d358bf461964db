"""`slipgate migrate`: what it says of no database, an old one, one in use, and one from a newer program."""
import json
import os
import sqlite3

import pytest

from harness.server import run


def migrate(folder, *arguments):
    return run("migrate", *arguments, "--set", f"data.dir={folder}")


def steps(folder):
    result = migrate(folder, "status", "--json")
    assert result.returncode == 0, result
    return json.loads(result.stdout)["migrations"]


def test_from_nothing_to_up_to_date(tmp_path):
    before = steps(tmp_path)
    assert [step["version"] for step in before] == list(range(1, len(before) + 1))
    assert not any(step["applied"] for step in before)
    assert os.listdir(tmp_path) == [], "looking makes nothing"
    assert "missing" in migrate(tmp_path, "status").stdout
    result = migrate(tmp_path, "up")
    assert result.returncode == 0 and "Up to date." in result.stdout, result
    assert all(step["applied"] and step["applied_ms"] > 0 for step in steps(tmp_path))
    assert migrate(tmp_path, "up").returncode == 0


@pytest.mark.sqlite("its lock")
def test_beside_a_running_server(new_server):
    server = new_server()
    assert all(step["applied"] for step in steps(server.data_dir))
    result = migrate(server.data_dir, "up")
    assert result.returncode == 1 and f"in use by another server (process {server.pid})" in result.stderr, result
    server.stop()
    assert migrate(server.data_dir, "up").returncode == 0


def test_a_newer_database_is_left_alone(tmp_path):
    assert migrate(tmp_path, "up").returncode == 0
    with sqlite3.connect(tmp_path / "slipgate.db") as db:
        db.execute("INSERT INTO schema_version VALUES (4711, 'future', 0)")
    assert steps(tmp_path)[-1] == {"version": 4711, "name": "future", "known": False, "applied": True, "applied_ms": 0}
    assert "newer than this program" in migrate(tmp_path, "status").stdout
    result = migrate(tmp_path, "up")
    assert result.returncode == 1 and "version 4711" in result.stderr, result


def test_another_programs_database_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "slipgate.db") as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    for verb in ("status", "up"):
        result = migrate(tmp_path, verb)
        assert result.returncode == 1 and "another program" in result.stderr, result
