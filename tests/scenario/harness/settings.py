"""What the environment may change about a run, and the deadlines that every wait uses."""
import os
import shlex
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]

# A command to put in front of the server, for example "valgrind --error-exitcode=99".
WRAPPER = shlex.split(os.environ.get("SLIPGATE_WRAPPER", ""))

# Deadlines are multiplied by this; a wrapper slows everything down.
SLOWNESS = float(os.environ.get("SLIPGATE_SLOWNESS", "8" if WRAPPER else "1"))

# How long something that must happen may take. Reached only when a test is about to fail.
DEADLINE_S = 10 * SLOWNESS

DEFAULT_SECRET = "RacingServerUDP2024!"
PFX_PASSWORD = "RacingServer2024!"


def binary():
    """The server under test. A missing one is a failure of the run, never a skip."""
    path = Path(os.environ.get("SLIPGATE_BIN", REPOSITORY / "build" / "slipgate"))
    if not path.is_absolute():
        path = REPOSITORY / path
    assert path.is_file(), f"no server binary at {path}: build it, or name one with SLIPGATE_BIN"
    return path


def is_sanitized():
    """Whether the binary carries a sanitizer, whose own memory distorts the figures."""
    return any(mark in binary().read_bytes() for mark in (b"__asan_init", b"__tsan_init"))
