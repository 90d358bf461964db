"""What was answered survives kill -9 of everything that can be killed: servers, PostgreSQL as a whole and single processes
of it, Redis, one after the other and all at once, while players register and operators ban and change accounts. The test
starts again what a supervisor would, and nothing else helps. The long form: make kill S=seconds."""
import os
import random
import signal
import time
from collections import Counter

import pytest

from harness.operator import Operator
from harness.postgres import Cluster, programs
from harness.redis import Redis, program
from harness.server import Server, StartFailed, run
from harness.settings import DEADLINE_S
from harness.waiting import until

from .ledger import Finder, Ledger
from .load import Load

BACK_S = 6 * DEADLINE_S
KINDS = ("login", "ban", "account")


@pytest.fixture(params=["short", pytest.param("long", marks=pytest.mark.kill)])
def seconds(request):
    return 2 if request.param == "short" else float(os.environ.get("KILL_SECONDS", "60"))


class Victims:
    """What there is to kill, by name: each kill also starts it again."""

    def __init__(self, servers, cluster=None, redis=None):
        self.servers, self.cluster, self.redis = servers, cluster, redis

    def names(self):
        if not self.cluster:
            return ["server"]
        return ["server", "PostgreSQL", "one process of PostgreSQL", "Redis", "everything"]

    def kill(self, what):
        {"server": lambda: self.servers_again([random.choice(self.servers)]), "PostgreSQL": self.database,
         "one process of PostgreSQL": self.one_process, "Redis": self.cache, "everything": self.everything}[what]()

    def database(self):
        self.cluster.kill()
        self.cluster.start()

    def one_process(self):
        """One that serves us; there may be none while it starts again."""
        pids = self.cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'slipgate'"
                                " AND backend_type = 'client backend'")
        if pids:
            os.kill(int(random.choice(pids)[0]), signal.SIGKILL)

    def cache(self):
        self.redis.kill()
        self.redis.start()

    def everything(self):
        self.redis.kill()
        self.cluster.kill()
        self.servers_again(self.servers, self.others)

    def others(self):
        self.redis.start()
        self.cluster.start()

    def servers_again(self, servers, meanwhile=lambda: None):
        for each in servers:
            each.kill()
        for each in servers:
            each.start(wait_ready=False)
        meanwhile()
        for each in servers:
            ready(each)


def ready(server):
    """As a supervisor that starts again what ended."""
    def once():
        try:
            if server.process is None:
                server.start(wait_ready=False)
            server.wait_ready()
            return True
        except StartFailed:
            server.checked = True
            return False
    until(once, "the server is ready", BACK_S, every_s=0.2)


def run_load(victims, ledger, seconds):
    """The kills of each, and the longest time in seconds until everything was answered again."""
    kills, longest, names = Counter(), {}, victims.names()
    load = Load(ledger, victims.servers)
    try:
        end, order = time.monotonic() + seconds, []
        until(lambda: ledger.served_since(0, victims.servers, KINDS), "everybody is served", BACK_S)
        while time.monotonic() < end or len(kills) < len(names):
            if not order:
                order = random.sample(names, len(names))
            what = order.pop()
            time.sleep(random.uniform(0.02, 0.3))  # the moment of the kill is what is drawn by lot
            begun = time.monotonic()
            victims.kill(what)
            until(lambda: ledger.served_since(begun, victims.servers, KINDS), f"served again after {what}", BACK_S)
            kills[what] += 1
            longest[what] = max(longest.get(what, 0), time.monotonic() - begun)
    finally:
        load.stop()
    return kills, longest


def audit(server, *arguments):
    return run("audit", *arguments, "--set", f"data.dir={server.data_dir}", env=server.env)


def check(victims, ledger, kills, longest, figures):
    server = victims.servers[0]
    server.kill()  # so that it looks at the database itself
    ready(server)
    finder = Finder(ledger, server)
    logins = finder.logins()
    with Operator(server).connect() as link:
        bans = finder.bans(link)
        notes, numbers = finder.notes(link)
    for each in victims.servers:
        each.stop()  # what still waits in spools is stored
    records = finder.audit(numbers)
    rows = []
    for what, n in sorted(kills.items()):
        rows += [(f"kills of {what}", n), ("    longest until served again, s", f"{longest[what]:.2f}")]
    actions = len(ledger.ban_records) + len(ledger.note_records)
    for what, all, lost in (("registrations", len(ledger.passwords), logins), ("bans", len(ledger.bans), bans),
                            ("account changes", len(ledger.notes), notes), ("audit records", actions, records)):
        rows.append((f"{what} acknowledged, found", f"{all}, {all - len(lost)}"))
    figures(*rows, ("requests of which the answer was lost", ledger.unknown))
    keys = [word for each in victims.servers for word in ("--key", audit(each, "key").stdout.strip())]
    verified = audit(server, "verify", *keys)
    assert not (logins or bans or notes or records), (logins[:5], bans[:5], notes[:5], records[:5])
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert not ledger.wrong, ledger.wrong[:5]
    assert ledger.passwords and ledger.bans and ledger.notes


def test_servers_on_postgresql_and_redis(tmp_path, seconds, figures):
    if not programs() or not program():
        pytest.skip("PostgreSQL and Redis are not both installed")
    cluster, redis, servers = Cluster(), Redis(), []
    try:
        url = cluster.schema()
        servers = [Server(tmp_path / node, env={"SLIPGATE_STORE_URL": url, "SLIPGATE_CACHE_URL": redis.url},
                          server__node=node, log__level="error").start() for node in ("north", "south")]
        victims, ledger = Victims(servers, cluster, redis), Ledger()
        kills, longest = run_load(victims, ledger, seconds)
        check(victims, ledger, kills, longest, figures)
    finally:
        for each in servers:
            if each.process:
                each.process.kill()
        cluster.destroy()
        redis.destroy()


@pytest.mark.sqlite("its own test")
def test_a_server_on_sqlite(tmp_path, seconds, figures):
    server = Server(tmp_path / "server", log__level="error", store__url="sqlite:", cache__url="memory:").start()
    victims, ledger = Victims([server]), Ledger()
    try:
        kills, longest = run_load(victims, ledger, seconds)
        check(victims, ledger, kills, longest, figures)
    finally:
        if server.process:
            server.process.kill()
