"""Load and attack runs. Each has a short form for every day and a long one behind `-m load`."""
import pytest

from harness.server import Server
from harness.settings import is_sanitized
from harness.waiting import until


@pytest.fixture(params=["short", pytest.param("long", marks=pytest.mark.load)])
def long(request):
    """Whether this is the long form."""
    return request.param == "long"


@pytest.fixture
def server(tmp_path):
    """A server of the test's own, because its memory is what is looked at."""
    server = Server(tmp_path / "server")
    # What AddressSanitizer keeps back on purpose would hide what the server keeps by mistake.
    server.env = {"ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"}
    server.start()
    yield server
    server.stop()


class Memory:
    """Memory and descriptors of a server around an attack."""

    def __init__(self, server):
        self.server = server
        self.before_kib, self.files = server.rss_kib(), server.open_files()
        self.peak_kib = self.before_kib

    def look(self):
        self.peak_kib = max(self.peak_kib, self.server.rss_kib())

    def returns(self):
        """Waits until everything is given back; returns rows for the table."""
        self.look()
        until(lambda: self.server.open_files() <= self.files, "the descriptors are closed", 20)
        allowance = max(128 * 1024 if is_sanitized() else 4 * 1024, self.before_kib // 20)
        try:
            until(lambda: self.server.rss_kib() <= self.before_kib + allowance, "the memory is given back", 20)
        except AssertionError:
            raise AssertionError(f"memory: {self.before_kib} KiB before, {self.peak_kib} at the peak, "
                                 f"{self.server.rss_kib()} after") from None
        return [("memory before, KiB", self.before_kib), ("memory at the peak, KiB", self.peak_kib),
                ("memory after, KiB", self.server.rss_kib()), ("descriptors before and after", self.files)]


@pytest.fixture
def memory(server):
    return lambda: Memory(server)
