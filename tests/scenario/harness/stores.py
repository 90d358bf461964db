"""What servers keep their data in. By default that is SQLite in each server's folder. With
SLIPGATE_TEST_STORE=postgresql every server has a schema of a private PostgreSQL and a database of a private Redis, known
by its data folder, so that two servers on one folder share them as they would share the file."""
import os

from . import postgres, redis

_DATABASES = 4096  # of Redis; a run has fewer servers

_cluster = _redis = None
_known = {}


def kind():
    wanted = os.environ.get("SLIPGATE_TEST_STORE", "sqlite")
    assert wanted in ("sqlite", "postgresql"), f"SLIPGATE_TEST_STORE={wanted}: neither sqlite nor postgresql"
    return wanted


def cluster():
    """The PostgreSQL of this process; who stops it starts it again."""
    global _cluster
    if _cluster is None:
        _cluster = postgres.Cluster()
    return _cluster


def environment(data_dir, make=True):
    """The settings that a program needs to find the data that belongs to this folder; make: also for a new folder."""
    global _redis
    key = os.path.realpath(data_dir)
    if kind() == "sqlite" or (key not in _known and not make):
        return {}
    if key not in _known:
        if _redis is None:
            _redis = redis.Redis(databases=_DATABASES)
        assert len(_known) < _DATABASES
        _known[key] = {"SLIPGATE_STORE_URL": cluster().schema(),
                       "SLIPGATE_CACHE_URL": f"unix://{_redis.path}?db={len(_known)}"}
    return _known[key]


def destroy():
    """At the end of the run."""
    global _cluster, _redis
    for each in (_cluster, _redis):
        if each:
            each.destroy()
    _cluster = _redis = None
