"""The judge of a soak tells flat memory from a leak, on made-up runs."""
import pytest

from .samples import judge

ROUNDS, ROUND_S, PER_S = 10, 60, 80


def run(leak_bytes=0, descriptors=0):
    """Rows of a run whose server loses so many bytes a connection and descriptors a round; with peaks of slow readers."""
    def row(second, phase, busy_kib):
        connections = second * PER_S
        return {"t_s": second, "phase": phase, "connections": connections, "threads": 5, "rooms": 0, "links": 0, "sessions": 0,
                "descriptors": 20 + descriptors * (second // ROUND_S),
                "anonymous_kib": 7000 + min(second, 60) * 5 + busy_kib + connections * leak_bytes // 1024}
    rows, levels = [row(0, "empty", 0)], []
    for second in range(1, ROUNDS * ROUND_S):
        place = second % ROUND_S
        rows.append(row(second, "in" if place < 50 else "empty", (3000 + 4000 * (place % 7 == 0)) * (place < 50) + place % 3 * 50))
        if place == ROUND_S - 1:
            levels.append(rows[-1])
    return rows, levels


def verdict(**how):
    rows, levels = run(**how)
    return judge(rows, rows[0], levels, 2, 1536)[0]


def test_flat_memory_under_peaks_is_flat():
    assert verdict() == []


@pytest.mark.parametrize("leak_bytes", [48, 100, 1000])
def test_a_block_lost_with_each_connection_is_found(leak_bytes):
    assert any("bytes a connection" in line for line in verdict(leak_bytes=leak_bytes))


def test_a_lost_descriptor_is_found():
    assert any("descriptors" in line for line in verdict(descriptors=1))
