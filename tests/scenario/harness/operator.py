"""An operator at the machine: the slipgate subcommands, and the control socket spoken by hand."""
import json
import socket
import subprocess

from . import settings


class Operator:
    def __init__(self, server):
        self.server = server
        self.path = server.data_dir / "control.sock"

    def run(self, *arguments, stdin=None):
        """A subcommand on the server's folder: the finished process, texts decoded."""
        command = [*settings.WRAPPER, str(settings.binary()), *map(str, arguments)]
        for key in ("data.dir", "accounts.password_cost"):
            value = self.server.data_dir if key == "data.dir" else self.server.options[key]
            command += ["--set", f"{key}={value}"]
        return subprocess.run(command, env=self.server.environment(), input=stdin or "", capture_output=True, text=True,
                              timeout=3 * settings.DEADLINE_S, check=False)

    def ask(self, *arguments, stdin=None):
        """The same with --json: what it printed, parsed. It has to go well."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def refused(self, *arguments, stdin=None, code=1):
        """A subcommand that has to fail: its one line on standard error."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == code, done
        lines = done.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("slipgate: "), done.stderr
        return lines[0].removeprefix("slipgate: ")

    def account(self, name, password="correct horse battery", *options):
        return self.ask("account", "create", name, "--password-stdin", *options, stdin=password + "\n")

    def say(self, line):
        return self.ask("command", line)["text"]

    def connect(self):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(settings.DEADLINE_S)
        link.connect(str(self.path))
        return link


def exchange(link, data):
    """Sends bytes as they are and returns the next answer, parsed; None when there is none."""
    if data:
        link.sendall(data)
    answer = b""
    while not answer.endswith(b"\n"):
        more = link.recv(65536)
        if not more:
            assert answer == b"", f"half an answer: {answer!r}"
            return None
        answer += more
    return json.loads(answer)
