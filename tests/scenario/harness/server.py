"""The server binary as a process: started, watched, signalled, restarted, and checked for a clean end."""
import http.client
import os
import random
import re
import signal
import socket
import subprocess

from . import settings, stores
from .waiting import until

SANITIZER_REPORT = re.compile(
    r"ERROR: AddressSanitizer|runtime error:|LeakSanitizer|ThreadSanitizer|MemorySanitizer")

DEFAULTS = {
    "racing.bind": "127.0.0.1",
    "admin.bind": "127.0.0.1",
    "accounts.password_cost": 4,
    "server.drain_timeout_s": 2,
}

live = []


def free_port():
    """A port free for TCP and UDP at this moment, below the range that outgoing connections use."""
    for _ in range(200):
        port = random.randrange(10000, 32000)
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("0.0.0.0", port))
                udp.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise AssertionError("found no free port")


def clean_environment(extra=None):
    """The caller's environment without anything that configures a server, plus `extra`."""
    env = {key: value for key, value in os.environ.items()
           if not key.startswith("SLIPGATE_") and key not in ("SERVER_HOSTNAME", "SERVER_PUBLIC_IP")}
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env.update(extra or {})
    return env


def run(*arguments, env=None, cwd=None, timeout_s=None):
    """Runs the binary to its end and returns the finished process, texts decoded. On the data folder of a server it
    finds that server's data wherever they are."""
    for word in map(str, arguments):
        if word.startswith("data.dir="):
            env = {**stores.environment(word.removeprefix("data.dir="), make=False), **(env or {})}
    return subprocess.run([*settings.WRAPPER, str(settings.binary()), *map(str, arguments)],
                          env=clean_environment(env), cwd=cwd, capture_output=True, text=True,
                          errors="replace", stdin=subprocess.DEVNULL,
                          timeout=timeout_s or 3 * settings.DEADLINE_S)


class StartFailed(AssertionError):
    """The process ended before it was ready."""


class Server:
    """One server on one data directory. It may be started and stopped several times."""

    def __init__(self, folder, config=None, env=None, **options):
        """`options` are keys with the dot written as two underscores: racing__room_size=4."""
        self.folder = folder
        self.data_dir = folder / "data"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.config = config
        self.env = env or {}
        self.prefix = []  # a command that starts the server, such as one that changes its limits
        self.options = dict(DEFAULTS, **{k.replace("__", "."): v for k, v in options.items()})
        self.pin_ports = "racing.port" in self.options
        self.process = None
        self.starts = 0
        self.checked = True

    # ---- life

    def start(self, wait_ready=True):
        for attempt in range(5):
            try:
                return self._start_once(wait_ready)
            except StartFailed as failure:
                if self.pin_ports or attempt == 4 or "in use" not in str(failure):
                    raise
        raise AssertionError("unreachable")

    def _start_once(self, wait_ready):
        assert self.process is None, "already started"
        if self.starts == 0 or not self.checked:
            if not self.pin_ports:
                self.options["racing.port"] = free_port()
            self.options["admin.port"] = free_port()
        self.starts += 1
        self.log_path = self.folder / f"stderr-{self.starts}.log"
        command = [*self.prefix, *settings.WRAPPER, str(settings.binary()), "serve"]
        if self.config is not None:
            path = self.folder / "slipgate.ini"
            path.write_text(self.config)
            command += ["--config", str(path)]
        for key, value in {"data.dir": self.data_dir, **self.options}.items():
            if isinstance(value, bool):
                value = "true" if value else "false"
            command += ["--set", f"{key}={value}"]
        with open(self.log_path, "wb") as err, open(self.folder / f"stdout-{self.starts}.log", "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            cwd=self.folder, env=self.environment())
        self.checked = False
        live.append(self)
        if wait_ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                code, log = self.process.returncode, self.log()
                self._forget()
                raise StartFailed(f"server ended with {code} before it was ready:\n{log}")
            return self.http_status("/readyz") == 200
        until(ready, "server ready")

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, timeout_s=None):
        """Waits for the process to end by itself and returns its exit code."""
        try:
            code = self.process.wait(timeout_s or 3 * settings.DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self._forget()
            raise AssertionError(f"server did not end in time:\n{self.log_tail()}") from None
        self._forget()
        self.assert_no_report()
        return code

    def stop(self):
        """SIGTERM, and the checks that every server has to pass at its end."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self.wait_exit()
        assert code == 0, f"server ended with {code}:\n{self.log_tail()}"

    def kill(self):
        """kill -9: what was answered must have been kept."""
        self.process.kill()
        self.process.wait()
        self._forget()
        self.assert_no_report()

    def restart(self):
        if self.process is not None:
            self.stop()
        self.checked = True
        return self.start()

    def _forget(self):
        self.process = None
        if self in live:
            live.remove(self)

    def assert_no_report(self):
        text = self.log()
        found = SANITIZER_REPORT.search(text)
        assert not found, f"sanitizer report in the server's log:\n{text[max(0, found.start() - 200):][:6000]}"
        self.checked = True

    # ---- where it is

    def environment(self):
        """Of the server and of programs that work on its data. What a test sets itself holds."""
        found = stores.environment(self.options.get("data.dir", self.data_dir))
        return clean_environment({**found, **self.env})

    @property
    def port(self):
        return self.options["racing.port"]

    @property
    def pid(self):
        return self.process.pid

    @property
    def secret(self):
        return self.options.get("racing.udp_shared_secret", settings.DEFAULT_SECRET)

    # ---- what it says

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_lines(self):
        return self.log().removesuffix("\n").split("\n")

    def log_tail(self, lines=40):
        return "\n".join(self.log_lines()[-lines:])

    def wait_log(self, pattern, what=None):
        """Waits until some log line matches the pattern, and returns the match."""
        return until(lambda: re.search(pattern, self.log(), re.MULTILINE), what or f"log line {pattern!r}")

    def http(self, path, method="GET", headers=None):
        """(status, body) of one request on the admin port."""
        link = http.client.HTTPConnection("127.0.0.1", self.options["admin.port"], timeout=settings.DEADLINE_S)
        try:
            link.request(method, path, headers=headers or {})
            answer = link.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            link.close()

    def http_status(self, path):
        """The status of a request, or None while nobody answers."""
        try:
            return self.http(path)[0]
        except (OSError, http.client.HTTPException):
            return None

    def metrics(self):
        """Every sample of /metrics: {(name, ((label, value), ...)): number}."""
        status, text = self.http("/metrics")
        assert status == 200, f"/metrics answered {status}"
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = re.fullmatch(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)", line).groups()
                pairs = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")))
                samples[name, pairs] = float(value)
        return samples

    def metric(self, name, **labels):
        """The sum of the samples of one name that carry these labels. An unknown metric is an error."""
        wanted = set(labels.items())
        found = [value for (key, pairs), value in self.metrics().items()
                 if key == name and wanted <= set(pairs)]
        assert found, f"no metric {name} with {labels}"
        return sum(found)

    def accepted(self):
        """How many datagrams of players the server has accepted."""
        return self.metric("slipgate_racing_datagrams_total", result="accepted")

    # ---- what it costs

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_s(self):
        fields = open(f"/proc/{self.pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
