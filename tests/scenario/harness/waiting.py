"""Waiting for conditions instead of sleeping."""
import time

from .settings import DEADLINE_S


def until(condition, what, deadline_s=None, every_s=0.02):
    """Polls `condition` until it returns something true, and returns that. Fails with `what` at the deadline."""
    end = time.monotonic() + (DEADLINE_S if deadline_s is None else deadline_s)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not happen in time: {what}")
        time.sleep(every_s)
