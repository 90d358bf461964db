"""Two servers on one PostgreSQL and one Redis: what happens on one of them counts on the other."""
import pytest

from harness.messages import REPLACED, name_ok, wire
from harness.server import run
from harness.waiting import until

IN_USE = wire({"command": "AUTH_FAILED", "message": "This player is already signed in."})


@pytest.fixture
def two(new_server, database, redis):
    """Starts them; both hear each other."""

    def make(**options):
        servers = []
        for node in ("north", "south"):
            server = new_server(store__url=database, cache__url=redis.url, server__node=node, **options)
            servers.append(server)
        for server in servers:
            up(server)
        return servers

    return make


def up(server):
    until(lambda: server.metric("slipgate_cache_up") and server.metric("slipgate_cache_hears"), "Redis is used")


def slipgate(server, *arguments):
    done = run(*arguments, "--set", f"data.dir={server.data_dir}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_second_login_ends_the_first_on_whichever_server_it_is(two, connect, unique):
    north, south = two()
    name = unique()
    first = connect(north).log_in(name, "mine")
    second = connect(south)
    assert second.ask("NAME", name=name, password="mine") == name_ok(name)
    assert first.closing() == [REPLACED]
    third = connect(north)
    assert third.ask("NAME", name=name, password="mine") == name_ok(name)
    assert second.closing() == [REPLACED]
    third.create_room()


def test_where_the_first_stays_the_second_is_refused(two, connect, unique):
    north, south = two(racing__single_login="refuse")
    name = unique()
    first = connect(north).log_in(name, "mine")
    second = connect(south)
    assert second.ask("NAME", name=name, password="mine") == IN_USE
    first.close()
    until(lambda: second.ask("NAME", name=name, password="mine") == name_ok(name), "the name is free")


def test_bans_and_suspensions_end_sessions_on_both(two, connect, unique):
    north, south = two()
    banned, suspended = unique(), unique()
    player = connect(south).log_in(banned, "mine")
    slipgate(north, "ban", "add", "--account", banned, "--reason", "a test")
    assert b"banned" in player.closing()[-1]
    player = connect(south).log_in(suspended, "mine")
    slipgate(north, "account", "suspend", suspended)
    assert b"suspended" in player.closing()[-1]


def test_games_go_on_without_redis_and_the_newest_login_stays(two, connect, unique, redis):
    north, south = two()
    name = unique()
    first = connect(north).log_in(name, "mine")
    redis.kill()
    for server in north, south:
        until(lambda: not server.metric("slipgate_cache_up"), "Redis is missed")
        assert server.http_status("/readyz") == 200
    second = connect(south)
    assert second.ask("NAME", name=name, password="mine") == name_ok(name)
    first.create_room()
    redis.start()
    assert first.closing() == [REPLACED]
    second.create_room()


def test_a_server_that_crashed_takes_its_players_back_at_once(two, connect, unique):
    north, south = two(racing__single_login="refuse")
    name = unique()
    connect(north).log_in(name, "mine")
    north.kill()
    assert connect(south).ask("NAME", name=name, password="mine") == IN_USE  # for half a minute at most
    north.start()
    up(north)
    assert connect(north).ask("NAME", name=name, password="mine") == name_ok(name)
