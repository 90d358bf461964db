"""An operator's answer is a promise at once: the server is killed the moment it has come."""
import json

import pytest

from harness.operator import Operator, exchange
from harness.player import Player
from harness.server import run

CHANGES = {
    "ban add": ({"address": "203.0.113.7", "reason": "first"}, "BanAdded"),
    "ban remove": ({"id": 1}, "BanRemoved"),
    "ban import": ({"lines": '{"address":"203.0.113.9","reason":"imported"}\n'}, "BanAdded"),
    "account grant": ({"name": "ann", "command": "kick"}, "PermissionGranted"),
    "account password": ({"name": "ann", "password": "another long one"}, "PasswordChange"),
    "account delete": ({"name": "ann"}, "AccountDelete"),
}


@pytest.fixture
def prepared(new_server):
    server = new_server()
    player = Player(server).log_in("ann", "a first long one")
    player.close()
    Operator(server).ask("ban", "add", "--address", "203.0.113.1")
    server.restart()
    return server


def records(server):
    done = run("audit", "list", "--json", "--set", f"data.dir={server.data_dir}", env=server.env)
    assert done.returncode == 0, done
    return [json.loads(line)["subtype"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("command", CHANGES)
def test_what_was_answered_is_in_the_audit_log(prepared, command):
    arguments, subtype = CHANGES[command]
    before = records(prepared).count(subtype)
    with Operator(prepared).connect() as link:
        answer = exchange(link, json.dumps({"command": command, "arguments": arguments}).encode() + b"\n")
        prepared.kill()
    assert answer["ok"], answer
    prepared.start()
    prepared.stop()
    assert records(prepared).count(subtype) == before + 1
