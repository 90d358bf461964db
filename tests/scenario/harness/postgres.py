"""A private PostgreSQL: a cluster in a folder of its own, reached over a Unix socket there, stopped by its process id.

    def test_it(database, new_server):
        server = new_server(store__url=database)  # an empty schema of its own

    def test_crash(postgres, database, new_server):
        postgres.kill()
        postgres.start()  # it serves the other tests of the worker too
"""
import ctypes
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from .settings import DEADLINE_S
from .waiting import until

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def programs():
    """The folder of initdb and postgres, or None where they are not installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return os.path.dirname(found[-1]) if found else None


def _user():
    """Whom the server runs as: it refuses root."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def _become():
    user = _user()
    if user:
        os.setgid(user.pw_gid)
        os.initgroups(user.pw_name, user.pw_gid)
        os.setuid(user.pw_uid)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)  # gone with the test, however that ends


class Cluster:
    """One server. Everybody gets in without a password but role "locked", whose password is "secret"."""

    def __init__(self, durable=False):
        """durable: with fsync, which is slow."""
        self.programs = programs()
        self.durable = durable
        self.folder = tempfile.mkdtemp(prefix="slipgate-pg-")
        self.process = None
        self.schemas = 0
        user = _user()
        if user:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._run("initdb", "-D", "data", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C", "-A", "trust",
                  "--no-instructions")
        with open(f"{self.folder}/data/pg_hba.conf", "w", encoding="ascii") as hba:
            hba.write("local all locked scram-sha-256\nlocal all all trust\n")
        self.start()
        self.sql("CREATE ROLE locked LOGIN PASSWORD 'secret'")

    def _run(self, program, *arguments):
        # The children of a process that takes another user need no more than this one thread.
        done = subprocess.run([f"{self.programs}/{program}", *arguments], cwd=self.folder, preexec_fn=_become,
                              capture_output=True, text=True, timeout=4 * DEADLINE_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, **settings):
        """After stop or kill; settings such as max_connections=5. Waits until it lets in."""
        options = {"unix_socket_directories": self.folder, "listen_addresses": "", "shared_buffers": "16MB",
                   "fsync": "on" if self.durable else "off", "max_connections": 50, "jit": "off",
                   "max_wal_senders": 0, "wal_level": "minimal", **settings}
        arguments = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]

        def ready():
            # For a moment after a crash the children of the one before hold its shared memory.
            if self.process is None or self.process.poll() is not None:
                with open(f"{self.folder}/log", "ab") as log:
                    self.process = subprocess.Popen([f"{self.programs}/postgres", "-D", "data", *arguments],
                                                    cwd=self.folder, preexec_fn=_become, stdout=log, stderr=log,
                                                    stdin=subprocess.DEVNULL, start_new_session=True)
            return subprocess.run(["pg_isready", "-q", "-h", self.folder], check=False).returncode == 0

        until(ready, "PostgreSQL lets in", deadline_s=2 * DEADLINE_S)

    def stop(self, signo=signal.SIGINT):
        """SIGINT: at once, in order. SIGQUIT: as after a crash."""
        self.process.send_signal(signo)
        self.process.wait(2 * DEADLINE_S)
        self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def destroy(self):
        if self.process:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, user="postgres", options=""):
        return f"postgresql://{user}@/postgres?host={self.folder}{options}"

    def schema(self):
        """A schema of its own, as a URL for store.url."""
        self.schemas += 1
        self.sql(f"CREATE SCHEMA t{self.schemas}")
        return self.url(options=f"&options=-csearch_path%3Dt{self.schemas}")

    def sql(self, text, url=None):
        """Runs statements; the rows of the last one, as lists of texts."""
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-c", text,
                               url or self.url()], capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode == 0, done.stderr
        return [line.split("\x1f") for line in done.stdout.splitlines()]
