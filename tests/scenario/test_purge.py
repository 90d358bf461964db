"""What has ended leaves the database by itself."""
import sqlite3
import time

import pytest


@pytest.mark.sqlite("it looks into the file")
def test_expired_tokens_and_forgotten_addresses_go(new_server, connect, unique):
    server = new_server()
    name = unique()
    connect(server).log_in(name, "secret")
    server.stop()
    now_ms = int(time.time() * 1000)
    day_ms = 86_400_000
    with sqlite3.connect(f"{server.data_dir}/slipgate.db") as db:
        (account,) = db.execute("SELECT id FROM account WHERE name = ?", (name,)).fetchone()
        db.executemany("INSERT INTO resume_token VALUES (?, ?, 'racing', 1, ?)",
                       [(f"{i:064x}", account, now_ms - 1000) for i in range(1500)] +
                       [("f" * 64, account, now_ms + day_ms)])
        db.execute("DELETE FROM known_address")
        db.executemany("INSERT INTO known_address (account, address, seen_ms) VALUES (?, ?, ?)",
                       [(account, "a" * 32, now_ms - 31 * day_ms), (account, "b" * 32, now_ms - 29 * day_ms)])
    server.start()
    deadline = time.monotonic() + 20
    with sqlite3.connect(f"{server.data_dir}/slipgate.db") as db:
        while True:
            tokens = [row[0] for row in db.execute("SELECT hash FROM resume_token")]
            addresses = [row[0] for row in db.execute("SELECT address FROM known_address")]
            if tokens == ["f" * 64] and addresses == ["b" * 32]:
                break
            assert time.monotonic() < deadline, (len(tokens), addresses)
            time.sleep(0.1)
