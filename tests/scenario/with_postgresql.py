#!/usr/bin/python3
"""Conversations with real servers that keep their data in PostgreSQL and share a Redis, a schema and a database for each
script: with_postgresql.py build/dev/converse --live build/dev/slipgate SCRIPT... Both are private and end with it."""
import subprocess
import sys

from harness import postgres, redis


def main(command):
    scripts = sum(word.endswith(".talk") for word in command)
    cluster, cache = postgres.Cluster(), redis.Redis(databases=scripts + 1)
    try:
        cluster.sql("".join(f"CREATE SCHEMA t{i};" for i in range(1, scripts + 1)))
        return subprocess.run([*command[:1], "--store-url", cluster.url(options="&options=-csearch_path%3Dt{}"),
                               "--cache-url", f"unix://{cache.path}?db={{}}", *command[1:]], check=False).returncode
    finally:
        cluster.destroy()
        cache.destroy()


sys.exit(main(sys.argv[1:]))
