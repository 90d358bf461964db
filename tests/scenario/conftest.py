"""Fixtures of the scenario tests. A module may set SETTINGS to change its server's configuration."""
import pytest

from harness import postgres as postgres_module
from harness import redis as redis_module
from harness import server as server_module
from harness import stores
from harness.messages import PONG
from harness.player import OFFER, Player, fresh_name, start_racing
from harness.server import Server


def pytest_collection_modifyitems(items):
    """What is about the SQLite file is left out where the servers have none."""
    if stores.kind() != "sqlite":
        for item in items:
            for mark in item.iter_markers("sqlite"):
                item.add_marker(pytest.mark.skip(reason=f"about the SQLite file: {mark.args[0]}"))


def pytest_sessionfinish():
    stores.destroy()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows what its servers said last."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for each in server_module.live:
            report.sections.append((f"server log {each.log_path}", each.log_tail()))


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    """The server of a test module; its clean end is checked when the module is done."""
    server = Server(tmp_path_factory.mktemp("server"), **getattr(request.module, "SETTINGS", {})).start()
    yield server
    server.stop()


@pytest.fixture
def new_server(tmp_path):
    """Makes servers of a test's own, started by the test or at once: new_server(racing__room_size=2)."""
    made = []

    def make(start=True, **options):
        server = Server(tmp_path / f"server{len(made)}", **options)
        made.append(server)
        return server.start() if start else server

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def connect(request):
    """Opens connections: connect(), connect(server), connect(host="::1"). All are closed at the end."""
    opened = []

    def make(server=None, **options):
        player = Player(server or request.getfixturevalue("server"), **options)
        opened.append(player)
        return player

    yield make
    for player in opened:
        player.close()


@pytest.fixture
def unique():
    """Names nobody has used on any server of this run."""
    return fresh_name


@pytest.fixture
def join_server(connect):
    """Logged-in players: join_server(), join_server(server, name="x")."""

    def make(server=None, name=None, password="pw", aead=None, **options):
        extra = {"udpAead": OFFER[aead]} if aead else {}
        return connect(server, **options).log_in(name or fresh_name(), password, **extra)

    return make


@pytest.fixture
def race(join_server):
    """Players together in a room, their UDP endpoints registered: race("legacy", "plain", "gcm")."""

    def make(*modes, server=None, register=True):
        players = []
        for mode in modes or ("legacy", "legacy"):
            player = join_server(server, aead=mode if mode in OFFER else None)
            if players:
                player.join(players[0].room_id)
            else:
                player.create_room()
            player.open_udp(mode)
            players.append(player)
        if register:
            start_racing(players)
        return players

    return make


@pytest.fixture
def settled():
    """Waits until the server has handled everything a player sent over TCP."""

    def wait(*players):
        for player in players:
            assert player.ask("PING") == PONG

    return wait


@pytest.fixture
def figures(record_property):
    """Records rows of (what, value) that are printed as a table when the run is over."""
    def record(*rows):
        record_property("figures", [(what, str(value)) for what, value in rows])
    return record


def pytest_terminal_summary(terminalreporter):
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) != "call":
                continue
            for name, rows in getattr(report, "user_properties", []):
                if name == "figures":
                    terminalreporter.section(report.nodeid.split("::")[-1], sep="-")
                    for what, value in rows:
                        terminalreporter.write_line(f"{what:<44} {value:>24}")


@pytest.fixture(scope="session")
def postgres():
    """A private PostgreSQL; who stops it starts it again."""
    if not postgres_module.programs():
        pytest.skip("PostgreSQL's server programs are not installed (package postgresql)")
    return stores.cluster()


@pytest.fixture
def database(postgres):
    """An empty schema of that PostgreSQL, as a URL for store__url."""
    return postgres.schema()


@pytest.fixture
def redis():
    """A private Redis with nothing in it."""
    if not redis_module.program():
        pytest.skip("redis-server is not installed")
    server = redis_module.Redis()
    yield server
    server.destroy()
