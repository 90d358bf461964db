"""What happens when the machine runs out of something: disk for the accounts, descriptors for connections."""
import os
import shutil
import subprocess
import time

import pytest

from harness.messages import BUSY, NEEDS_LOGIN, PONG, name_ok
from harness.player import Closed
from harness.waiting import until


def small_disk(folder):
    """A command that gives what it starts a tiny file system of its own under `folder`, or None where refused."""
    command = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size=2m none "{folder}" && exec "$@"', "sh"]
    if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
        return command
    return None


@pytest.mark.sqlite("the disk under it is full")
def test_a_full_disk_turns_registrations_away_and_heals(new_server, connect, join_server, unique):
    server = new_server(start=False)
    server.prefix = small_disk(server.data_dir)
    if not server.prefix:
        pytest.skip("no mount namespaces here")
    server.start()
    veteran, kept = join_server(server), unique()
    room = veteran.create_room()
    assert connect(server).ask("NAME", name=kept, password="x") == name_ok(kept)
    filler = f"/proc/{server.pid}/root{server.data_dir}/filler"
    with open(filler, "wb", buffering=0) as out:
        try:
            while out.write(b"x" * 4096):
                pass
        except OSError:
            pass
    # What the database has already set aside may still hold a few.
    end, refused = time.monotonic() + 30, None
    while refused is None and time.monotonic() < end:
        name, player = unique(), connect(server)
        reply = player.ask("NAME", name=name, password="x")
        if reply == BUSY:
            refused = player, name
        else:
            assert reply == name_ok(name)
    assert refused, "registrations go on without a place to keep them"
    player, name = refused
    assert player.ask("GET_ROOM_PLAYERS") == NEEDS_LOGIN
    assert veteran.current_room() == room, "who is in goes on playing"
    os.unlink(filler)
    until(lambda: player.get("NAME", name=name, password="x")["command"] == "NAME_OK", "registering works again")
    assert connect(server).ask("NAME", name=kept, password="x") == name_ok(kept)
    until(lambda: server.http_status("/readyz") == 200, "ready again")


def test_descriptors_run_out(new_server, connect):
    """Beyond the limit newcomers wait or are turned away; those inside play on, and the loop does not spin."""
    server = new_server(start=False)
    server.prefix = ["prlimit", "--nofile=64:64", "setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]
    server.start()
    players = []
    for _ in range(80):
        try:
            players.append(connect(server))
        except (OSError, Closed, AssertionError):
            break
    assert len(players) >= 20, "the limit leaves room for players"
    cpu = server.cpu_s()
    time.sleep(1)
    assert server.cpu_s() - cpu < 0.5, "waiting for descriptors costs nothing"
    for player in players:
        assert player.ask("PING") == PONG
        player.close()

    def comes_in():
        try:
            return connect(server).ask("PING") == PONG
        except (OSError, Closed, AssertionError):
            return False
    until(comes_in, "newcomers get in again")
