"""The server on PostgreSQL: accounts that two servers share, an outage, and a password that is never shown."""
import pytest

from harness.server import StartFailed, run


def test_two_servers_share_their_accounts(database, new_server, join_server, unique):
    name = unique()
    first, second = new_server(store__url=database), new_server(store__url=database)
    join_server(first, name=name, password="pw-1")
    join_server(second, name=name, password="pw-1")


def test_the_server_comes_back_when_the_database_does(postgres, database, new_server, join_server, unique):
    name = unique()
    server = new_server(store__url=database)
    join_server(server, name=name, password="pw-1").close()
    postgres.kill()
    try:
        server.wait_log("store.down", "the outage is said")
    finally:
        postgres.start()
    server.wait_log("store.up", "it works again")
    join_server(server, name=name, password="pw-1")


def test_the_password_of_the_url_is_never_shown(postgres, new_server):
    url = postgres.url("locked:Pa55word")
    printed = run("config", "print", "--set", f"store.url={url}")
    assert printed.returncode == 0 and "Pa55word" not in printed.stdout
    server = new_server(start=False, store__url=url)
    with pytest.raises(StartFailed):
        server.start()
    assert "password authentication failed" in server.log() and "Pa55word" not in server.log()
