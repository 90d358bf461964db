"""A server's memory, descriptors and gauges second by second: kept as CSV, drawn, and judged."""
import csv
import os
import re
import statistics
import subprocess
import threading
import time

KIB_PER_MIB = 1024
# The smallest block the C library hands out. Who loses one for each connection is past this.
LEAK_BYTES_PER_CONNECTION = 32

COLUMNS = ("t_s", "rss_kib", "pss_kib", "anonymous_kib", "descriptors", "threads", "sessions", "rooms", "players_in_rooms",
           "links", "connections", "registrations", "hash_queue", "store_queue", "longest_turn_ms", "phase")


def memory_kib(pid):
    """Resident, proportional and anonymous memory."""
    text = open(f"/proc/{pid}/smaps_rollup", encoding="ascii").read()
    return {key.lower() + "_kib": int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M).group(1))
            for key in ("Rss", "Pss", "Anonymous")}


class Samples:
    """Takes a row each second on a thread of its own, from start() to stop(); `phase` names what goes on."""

    def __init__(self, server):
        self.server, self.rows, self.phase = server, [], "start"
        self.lock = threading.Lock()
        self.begun, self.end = time.monotonic(), threading.Event()
        self.problem = None
        self.thread = threading.Thread(target=self._run, name="samples")

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.end.set()
        self.thread.join()
        if self.problem:
            raise self.problem

    def _run(self):
        try:
            while not self.end.is_set():
                self.take()
                self.end.wait(1)
        except Exception as problem:  # raised again by stop
            self.problem = problem

    def take(self):
        """One row, now."""
        with self.lock:  # so that no other reading counts among the descriptors
            self.rows.append(self._read())
            return self.rows[-1]

    def _read(self):
        phase, samples = self.phase, self.server.metrics()

        def gauge(name, *labels):
            return int(sum(value for (key, pairs), value in samples.items() if key == name and set(labels) <= set(pairs)))
        return memory_kib(self.server.pid) | {
            "t_s": round(time.monotonic() - self.begun, 2), "phase": phase, "descriptors": self.server.open_files(),
            "threads": len(os.listdir(f"/proc/{self.server.pid}/task")),
            "sessions": gauge("slipgate_service_sessions"), "rooms": gauge("slipgate_service_rooms"),
            "players_in_rooms": gauge("slipgate_service_players_in_rooms"), "links": gauge("slipgate_links"),
            "connections": gauge("slipgate_links_accepted_total"),
            "registrations": gauge("slipgate_store_batches_total", ("kind", "write")),
            "hash_queue": gauge("slipgate_hash_queue"), "store_queue": gauge("slipgate_store_queue"),
            "longest_turn_ms": round(1000 * samples["slipgate_loop_longest_iteration_seconds", ()], 3)}

    def save(self, path):
        with open(path, "w", newline="", encoding="ascii") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(self.rows)


def least(rows):
    """One row of a quiet time: the least of each column, for a reading itself costs the server something."""
    return rows[-1] | {what: min(row[what] for row in rows) for what in COLUMNS if what not in ("t_s", "phase")}


def trend(points):
    """The median of the slopes between all pairs of points (Theil and Sen): single peaks do not move it."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1:] if b[0] > a[0]]
    return statistics.median(slopes)


def floors(rows, window_s=10):
    """The least memory of each window in which guests were in: (connections so far, KiB).

    A slow reader's queue is memory for a moment and shows in the peaks; what is lost for good lifts the floor.
    """
    windows = {}
    for row in rows:
        if row["phase"] == "in":
            windows.setdefault(int(row["t_s"] // window_s), []).append(row)
    return [min(((row["connections"], row["anonymous_kib"]) for row in window), key=lambda point: point[1])
            for window in windows.values() if len(window) >= window_s / 2]


def judge(rows, begun, levels, warm_up, spread_kib):
    """What is wrong with a run, as sentences; and its figures.

    `begun` and `levels` are of the empty server, before the first round and after each; `warm_up` of them do not
    count for memory: until then pools, tables and caches grow to the size that this crowd needs, and stay so.

    Memory is flat if an empty server is no more than `spread_kib` bigger at the end than after the warm-up (the
    C library's heap comes to rest differently each time), and if neither the empty
    server nor the floor under the load grows with the number of connections. The trends need some rounds to
    mean anything; short runs are judged by the levels alone.
    """
    wrong, first, last = [], levels[warm_up - 1], levels[-1]
    figures = [("rounds", len(levels)), ("connections", last["connections"]),
               ("empty after the warm-up, KiB", first["anonymous_kib"]),
               ("empty at the end, KiB", last["anonymous_kib"]),
               ("most while guests were in, KiB", max(row["anonymous_kib"] for row in rows))]
    if last["anonymous_kib"] - first["anonymous_kib"] > spread_kib:
        wrong.append(f"an empty server grew from {first['anonymous_kib']} to {last['anonymous_kib']} KiB")
    for row in levels:
        for what in ("descriptors", "threads", "sessions", "rooms", "links"):
            if row[what] != begun[what]:
                wrong.append(f"{what}: {begun[what]} at the start, {row[what]} when empty at {row['t_s']} s")
    settled = [(row["connections"], row["anonymous_kib"]) for row in levels[warm_up - 1:]]
    warm = floors([row for row in rows if row["t_s"] > first["t_s"]])
    for what, points in (("empty", settled), ("under load", warm)):
        if len(points) < 5:
            continue
        per_connection = 1024 * trend(points)
        per_hour = trend(points) * (last["connections"] - first["connections"]) / (last["t_s"] - first["t_s"]) * 3600
        figures += [(f"trend {what}, bytes a connection", f"{per_connection:.1f}"),
                    (f"trend {what}, MiB an hour at this load", f"{per_hour / KIB_PER_MIB:.2f}")]
        if per_connection > LEAK_BYTES_PER_CONNECTION:
            wrong.append(f"memory {what} grows by {per_connection:.0f} bytes a connection")
    return wrong, figures


PLOT = """
set terminal pngcairo size 1400,800 font "sans,11"
set output "{png}"
set datafile separator ","
set title "{title}"
set xlabel "seconds"
set ylabel "MiB"
set y2label "sessions"
set ytics nomirror
set y2tics
set yrange [0:*]
set y2range [0:*]
set grid
set key outside below
mib(k) = k / 1024.0
plot "{csv}" using 1:7 skip 1 axes x1y2 with lines lc rgb "#c8c8c8" title "sessions", \\
     "" using 1:(mib($2)) skip 1 with lines lw 2 lc rgb "#1f77b4" title "resident (RSS)", \\
     "" using 1:(mib($3)) skip 1 with lines lw 1 lc rgb "#2ca02c" title "proportional (PSS)", \\
     "" using 1:(mib($4)) skip 1 with lines lw 2 lc rgb "#d62728" title "anonymous", \\
     "" using 1:(strcol(16) eq "empty" ? mib($4) : 1/0) skip 1 with points pt 7 ps 0.8 lc rgb "#000000" title "anonymous, everybody left"
"""


def draw(csv_path, png_path, title):
    """The picture of a saved run."""
    assert COLUMNS[6] == "sessions" and COLUMNS[15] == "phase"
    subprocess.run(["gnuplot"], input=PLOT.format(png=png_path, csv=csv_path, title=title), text=True, check=True)
