"""The audit log as staff sees it: recorded by the running server, read beside it, carried on over restarts and kills,
and every kind of tampering named by `slipgate audit verify`."""
import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing

import pytest

from harness import settings
from harness.server import Server, run
from harness.waiting import until

RECORDS = 12


def audit(server, *arguments, **options):
    return run("audit", *arguments, "--set", f"data.dir={server.data_dir}", **options)


def lines(server, *arguments):
    done = audit(server, "list", "--json", *arguments)
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()]


def reload(server, value):
    """A reload that changes something is recorded."""
    before = server.log().count("config.reloaded")
    (server.folder / "slipgate.ini").write_text(f"[racing]\nidle_timeout_s = {value}\n")
    server.signal(signal.SIGHUP)
    until(lambda: server.log().count("config.reloaded") > before, "the reload")


def store(server):
    return closing(sqlite3.connect(server.data_dir / "slipgate.db", isolation_level=None))


ON_A_COPY = pytest.mark.sqlite("works on copies of it")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A server that was stopped with RECORDS records in its data."""
    server = Server(tmp_path_factory.mktemp("audit"), config="")
    server.start()
    for value in range(100, 100 + RECORDS):
        reload(server, value)
    server.stop()
    return server, server.data_dir


@pytest.fixture
def untouched(recorded, tmp_path):
    """The same, with a copy of the data of its own."""
    server, data = recorded
    server.data_dir = shutil.copytree(data, tmp_path / "data")
    return server


# ---- reading

@ON_A_COPY
def test_what_was_recorded_is_listed(untouched):
    found = lines(untouched)
    assert [each["seq"] for each in found] == list(range(1, RECORDS + 1))
    first = found[0]
    assert (first["node"], first["type"], first["subtype"], first["game"]) == ("main", "Security", "ConfigChanged", "server")
    assert first["details"].startswith("racing.idle_timeout_s") and first["details"].endswith("-> 100")
    text = audit(untouched, "list").stdout.splitlines()
    assert len(text) == RECORDS and "Security/ConfigChanged" in text[0]
    assert [each["seq"] for each in lines(untouched, "--limit", "3")] == [RECORDS - 2, RECORDS - 1, RECORDS]


@pytest.mark.parametrize("arguments,n", [
    (["--type", "Security"], RECORDS), (["--type", "Account"], 0), (["--subtype", "ConfigChanged"], RECORDS),
    (["--subtype", "SpeedHack"], 0), (["--player", "Unknown"], RECORDS), (["--player", "nobody"], 0),
    (["--since", "1d"], RECORDS), (["--since", "2999-01-01"], 0), (["--until", "2999-01-01"], RECORDS),
    (["--until", "2020-01-01T00:00:00"], 0), (["--account", "nobody"], 0), (["--node", "other"], 0),
    (["--limit", "0"], 0)], ids=lambda value: " ".join(value) if isinstance(value, list) else str(value))
@ON_A_COPY
def test_filters(untouched, arguments, n):
    assert len(lines(untouched, *arguments)) == n


@pytest.mark.parametrize("arguments", [["fly"], ["list", "--type", "fly"], ["list", "--since", "soon"],
                                       ["key", "--limit", "3"], ["list", "--limit", "-1"],
                                       ["verify", "--key", "abc"], ["verify", "--head", "{}"]], ids=" ".join)
@ON_A_COPY
def test_wrong_use_is_one_line(untouched, arguments):
    done = audit(untouched, *arguments)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done


@ON_A_COPY
def test_an_accounts_number_is_shown_as_its_name_while_it_has_one(untouched):
    with store(untouched) as db:
        db.execute("INSERT INTO account (name, name_fold, password, password_min, created_ms)"
                   " VALUES ('ann', 'ann', 'x', 1, 1)")
        number = db.execute("SELECT id FROM account").fetchone()[0]
        db.execute("UPDATE audit_record SET account = ? WHERE seq = 2", (f"#{number}",))
    assert lines(untouched)[1]["account_name"] == "ann"
    assert 'account="ann"' in audit(untouched, "list").stdout
    assert [each["seq"] for each in lines(untouched, "--account", "ann")] == [2]
    with store(untouched) as db:
        db.execute("DELETE FROM account")
    assert lines(untouched)[1]["account_name"] == ""
    assert f'account="#{number}"' in audit(untouched, "list").stdout


@ON_A_COPY
def test_read_and_followed_beside_the_server(untouched):
    server = untouched
    server.start()
    tail = subprocess.Popen([str(settings.binary()), "audit", "tail", "--json", "--limit", "1", "--set",
                             f"data.dir={server.data_dir}"], stdout=subprocess.PIPE, env=server.environment(), text=True)
    try:
        assert json.loads(tail.stdout.readline())["seq"] == RECORDS
        reload(server, 300)
        assert json.loads(tail.stdout.readline())["details"].endswith("-> 300")
        assert audit(server, "verify").returncode == 0
    finally:
        tail.kill()
        tail.wait()
    server.stop()


# ---- the chain goes on

def test_goes_on_over_restarts_and_kills(new_server):
    server = new_server(start=False)
    server.config = ""
    for round in range(3):
        server.start()
        reload(server, 100 + round)
        until(lambda: len(lines(server)) == round + 1, "the record in the store")
        if round == 1:
            server.kill()
        else:
            server.stop()
    done = audit(server, "verify")
    assert done.returncode == 0 and "records 1 to 3: whole and signed" in done.stdout, done
    assert (server.data_dir / "audit.key").stat().st_mode & 0o777 == 0o600
    assert (server.data_dir / "audit.spool").stat().st_mode & 0o777 == 0o600


# ---- tampering

def rehash(db, seq):
    """What somebody does who knows how hashes are made: all from seq on anew."""
    rows = db.execute("SELECT seq, time_ms, type, subtype, game, account, player, address, target, details FROM"
                      " audit_record WHERE seq >= ? ORDER BY seq", (seq,)).fetchall()
    previous = bytes.fromhex(db.execute("SELECT prev FROM audit_record WHERE seq = ?", (seq,)).fetchone()[0])
    for number, at, kind, sub, *texts in rows:
        data = bytes([1]) + number.to_bytes(8, "big") + at.to_bytes(8, "big") + kind.to_bytes(2, "big")
        data += sub.to_bytes(2, "big")
        for text in texts:
            data += len(text.encode()).to_bytes(2, "big") + text.encode()
        own = hashlib.sha256(previous + data).digest()
        db.execute("UPDATE audit_record SET prev = ?, hash = ? WHERE seq = ?", (previous.hex(), own.hex(), number))
        previous = own


def swap(db):
    db.execute("UPDATE audit_record SET seq = 1000 WHERE seq = 5")
    db.execute("UPDATE audit_record SET seq = 5 WHERE seq = 6")
    db.execute("UPDATE audit_record SET seq = 6 WHERE seq = 1000")


def edit_and_rehash(db):
    db.execute("UPDATE audit_record SET details = 'nothing' WHERE seq = 5")
    rehash(db, 5)


TAMPERING = {
    "details": ("UPDATE audit_record SET details = 'nothing' WHERE seq = 5", "record 5 was edited"),
    "time": ("UPDATE audit_record SET time_ms = time_ms + 1 WHERE seq = 5", "record 5 was edited"),
    "type": ("UPDATE audit_record SET type = 99 WHERE seq = 5", "record 5 was edited"),
    "account": ("UPDATE audit_record SET account = '#1' WHERE seq = 1", "record 1 was edited"),
    "a line end": ("UPDATE audit_record SET details = 'a' || char(10) WHERE seq = 12", "record 12 was edited"),
    "hash": ("UPDATE audit_record SET hash = 'x' WHERE seq = 5", "record 5 "),
    "removed": ("DELETE FROM audit_record WHERE seq = 5", "record 5 was removed"),
    "several removed": ("DELETE FROM audit_record WHERE seq IN (4, 5)", "records 4 to 5 were removed"),
    "the first removed": ("DELETE FROM audit_record WHERE seq <= 3", "records 1 to 3 were removed"),
    "the last removed": ("DELETE FROM audit_record WHERE seq > 10", "records 11 to 12 were removed"),
    "all removed": ("DELETE FROM audit_record", "records 1 to 12 were removed"),
    "swapped": (swap, "record 5 "),
    "hashes made anew": (edit_and_rehash, "edited, and the hashes written anew"),
    "head forged": ("UPDATE audit_head SET signature = printf('%0128d', 7)", "is not signed by a known key"),
    "head moved": ("UPDATE audit_head SET seq = seq - 1", "the head of record 11 is not signed by a known key"),
    "cut forged": ("INSERT INTO audit_head SELECT node, 4, 2, time_ms, hash, signature FROM audit_head",
                   "the head of record 4 is not signed by a known key"),
}


@pytest.mark.parametrize("what", TAMPERING)
@ON_A_COPY
def test_tampering_is_named(untouched, what):
    how, words = TAMPERING[what]
    with store(untouched) as db:
        db.execute(how) if isinstance(how, str) else how(db)
    done = audit(untouched, "verify")
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 1, done
    assert done.stdout.startswith("main: ") and words in done.stdout, done


@ON_A_COPY
def test_an_export_shows_what_was_tampered_with_too(untouched, tmp_path):
    with store(untouched) as db:
        db.execute("UPDATE audit_record SET details = 'a' || char(10), type = 99 WHERE seq = 5")
    path = tmp_path / "tampered.jsonl"
    path.write_text("\n".join(exported(untouched)) + "\n")
    done = audit(untouched, "verify", "--file", path)
    assert done.returncode == 1 and "record 5 was edited" in done.stdout, done


@ON_A_COPY
def test_the_newest_removed_with_their_head_takes_a_copy_of_the_head(untouched):
    head = audit(untouched, "head")
    assert head.returncode == 0 and json.loads(head.stdout)["seq"] == RECORDS
    assert audit(untouched, "verify", "--head", head.stdout.strip()).returncode == 0
    with store(untouched) as db:
        db.execute("DELETE FROM audit_record WHERE seq > 10")
        db.execute("DELETE FROM audit_head")
    assert audit(untouched, "verify").returncode == 0
    path = untouched.folder / "head.json"
    path.write_text(head.stdout)
    for given in (head.stdout.strip(), path):
        done = audit(untouched, "verify", "--head", given)
        assert done.returncode == 1 and "records 11 to 12 were removed" in done.stdout, done


# ---- exports

def exported(server):
    done = audit(server, "export")
    assert done.returncode == 0, done
    return done.stdout.splitlines()


@ON_A_COPY
def test_an_export_verifies_elsewhere_with_the_public_key(untouched, tmp_path):
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(exported(untouched)) + "\n")
    key = audit(untouched, "key").stdout.strip()
    nowhere = ["--set", f"data.dir={tmp_path}"]
    done = run("audit", "verify", "--file", path, "--key", key, *nowhere)
    assert done.returncode == 0 and f"records 1 to {RECORDS}: whole and signed" in done.stdout, done
    assert run("audit", "verify", "--file", path, *nowhere).returncode == 1, "no key, no trust"
    done = run("audit", "verify", "--file", path, "--key", key[::-1], *nowhere)
    assert done.returncode == 1 and "known key" in done.stdout, done


def without(line):
    return lambda all: all[:line] + all[line + 1:]


def swapped(all):
    return all[:5] + [all[6], all[5]] + all[7:]


def replaced(old, new, line):
    return lambda all: all[:line] + [all[line].replace(old, new)] + all[line + 1:]


@pytest.mark.parametrize("change,words", [
    (without(5), "record 5 was removed"), (swapped, "record 5 was moved: record 6 stands in its place"),
    (replaced("-> 104", "-> 999", 5), "record 5 was edited"), (replaced("{", "", 5), "record 5 was edited"),
    (replaced('"signature":"', '"signature":"0', -1), "head"),
    (lambda all: all[:5] + [all[4]] + all[5:], "record")],
    ids=["removed", "swapped", "edited", "damaged", "head", "twice"])
@ON_A_COPY
def test_a_changed_export_is_named(untouched, tmp_path, change, words):
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(change(exported(untouched))) + "\n")
    done = audit(untouched, "verify", "--file", path)
    assert done.returncode == 1 and words in done.stdout, done


@ON_A_COPY
def test_what_is_no_export_is_refused(untouched, tmp_path):
    for text in ("", "hello\n", "{}\n"):
        (tmp_path / "x").write_text(text)
        done = audit(untouched, "verify", "--file", tmp_path / "x")
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done
    assert audit(untouched, "verify", "--file", tmp_path / "missing").returncode == 1
