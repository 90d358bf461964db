"""What the database holds of accounts from a server that stored unsalted SHA-256, before and after a login. What
their players see is in scripts/imported_accounts.talk."""
import base64
import hashlib
import sqlite3

import pytest

from harness.messages import NAME_TAKEN, name_ok

pytestmark = pytest.mark.sqlite("reads and writes it")


def sha256_record(password):
    return "{sha256}" + base64.b64encode(hashlib.sha256(password.encode()).digest()).decode()


def stored(server, name):
    with sqlite3.connect(server.data_dir / "slipgate.db") as db:
        return db.execute("SELECT password FROM account WHERE name = ?", (name,)).fetchone()[0]


@pytest.fixture
def imported(new_server):
    """A server whose accounts were written into its database while it was stopped."""
    def make(**passwords):
        server = new_server()
        server.stop()
        with sqlite3.connect(server.data_dir / "slipgate.db") as db:
            for name, password in passwords.items():
                db.execute("INSERT INTO account (name, name_fold, password, password_min, created_ms) VALUES (?, ?, ?, 1, 0)",
                           (name, name.lower(), sha256_record(password)))
        server.restart()
        return server
    return make


def test_the_documents_vector():
    assert sha256_record("secret123") == "{sha256}/PcwttlSNuzTyfwtkte2srsGFRSWGuwEHWx6cZL1kuQ="


def test_a_good_login_rewrites_the_record(imported, connect):
    server = imported(old="secret123")
    assert connect(server).ask("NAME", name="old", password="guess") == NAME_TAKEN
    assert stored(server, "old") == sha256_record("secret123"), "a failure changes nothing"
    assert connect(server).ask("NAME", name="old", password="secret123") == name_ok("old")
    assert stored(server, "old").startswith("$2")


def test_authenticate_rewrites_it_too(imported, connect):
    server = imported(old="secret123")
    player = connect(server)
    assert player.ask("NAME", name="old") == name_ok("old", False)
    assert player.get("AUTHENTICATE", password="secret123")["command"] == "AUTH_OK"
    assert stored(server, "old").startswith("$2")


def test_a_password_longer_than_bcrypt_holds_stays_as_it_is(imported, connect):
    password = "x" * 80
    server = imported(old=password)
    for _ in range(2):
        assert connect(server).ask("NAME", name="old", password=password) == name_ok("old")
        assert stored(server, "old") == sha256_record(password)
