"""The operator's subcommands as a person meets them: help with examples, exit codes, errors with a way out, and
passwords typed at a terminal."""
import os
import pty
import re
import select
import subprocess
import time

import pytest

from harness import settings
from harness.operator import Operator
from harness.server import run

COMMANDS = ["account", "ban", "session", "room", "command", "reload", "drain", "status", "audit", "migrate",
            "certificate", "config", "bots", "serve"]


@pytest.fixture(scope="module")
def operator(server):
    return Operator(server)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command):
    done = run(command, "--help")
    examples = done.stdout.split("\nExamples:\n")[1].splitlines()
    assert done.returncode == 0 and examples and all(e.startswith("  ") for e in examples)
    assert any(f"slipgate {command}" in e for e in examples)


def test_no_command_is_without_an_example():
    listed = re.findall(r"^  ([a-z]+) ", run("--help").stdout, re.MULTILINE)
    assert set(listed) - {"help", "version"} == set(COMMANDS)


# What is said, with what exit code, and words of the one line on standard error: cause and mend.
TABLE = [
    ("account list", 0, ""), ("account list --most 3 --json", 0, ""), ("account show joe", 0, ""),
    ("ban list", 0, ""), ("ban export", 0, ""), ("session list", 0, ""), ("room list --game racing", 0, ""),
    ("session list --most 1 --after 0", 0, ""), ("command /sameip", 0, ""), ("status", 0, ""), ("reload", 0, ""),
    ("session kick-all --all", 0, ""), ("room close-all --all", 0, ""), ("account logout joe", 0, ""),
    ("account show nobody", 1, "no such account"), ("account set joe --email nobody", 1, "no email address.*; give"),
    ("account set joe --level 9", 1, "level"), ("account grant joe fly", 1, "no such command; see"),
    ("account revoke joe kick", 1, "does not have"), ("ban remove 999999", 1, "no such ban; see slipgate ban list"),
    ("ban add --address 0.0.0.0/0", 1, "; --force"), ("ban add --address x", 1, "no network; give for example"),
    ("ban add", 1, "whom.*give"), ("session kick x", 1, "no such session; see slipgate session list"),
    ("room close x", 1, "no such room; see slipgate room list"), ("room close-all", 1, "give its id, or --all"),
    ("ban import /no/such/file", 1, "/no/such/file: No such file"), ("account create joe --password-stdin", 1, "name"),
    ("account", 2, "see `slipgate account --help`"), ("account fly", 2, "give one of create, show"),
    ("account show", 2, "needs: name; see"), ("account show joe ann", 2, "needs"), ("account delete joe", 2, "give --yes"),
    ("account set joe", 2, "give --level"), ("account list --most x", 2, "no number"),
    ("account list --nonsense", 2, "--nonsense"), ("ban import", 2, "needs: FILE"), ("ban remove x", 2, "no number"),
    ("status now", 2, "--help"), ("command", 2, "--help"), ("drain now", 2, "--help"), ("fly", 2, "slipgate --help"),
]


def test_exit_codes_and_errors(operator):
    operator.account("joe", "long enough")
    wrong = []
    for line, code, words in TABLE:
        done = operator.run(*line.split(), stdin="long enough\n")
        said = done.stderr.splitlines()
        if done.returncode != code or (said if code == 0 else len(said) != 1 or not re.search(words, said[0])):
            wrong.append((line, code, done.returncode, done.stderr))
    assert not wrong, "\n".join(map(str, wrong))


def test_a_folder_whose_socket_cannot_be(tmp_path):
    done = run("status", "--set", f"data.dir={tmp_path}/{'d' * 120}")
    assert done.returncode == 2 and re.search("too long.*give a shorter", done.stderr)


def at_a_terminal(operator, arguments, typed):
    """Runs a subcommand on a terminal of its own; types a line at each prompt. Exit code and all that was shown."""
    command = [str(settings.binary()), *arguments, "--set", f"data.dir={operator.server.data_dir}",
               "--set", "accounts.password_cost=4"]
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(command[0], command, operator.server.environment())
    shown, lines, end = b"", list(typed), time.monotonic() + settings.DEADLINE_S
    prompts = 0
    while time.monotonic() < end:
        if fd in select.select([fd], [], [], 0.05)[0]:
            try:
                more = os.read(fd, 4096)
            except OSError:
                break
            if not more:
                break
            shown += more
        if lines and len(re.findall(rb"(?:Password|Again): ", shown)) > prompts and quiet(fd):
            os.write(fd, lines.pop(0).encode() + b"\n")
            prompts += 1
    status = os.waitpid(pid, 0)[1]
    os.close(fd)
    return os.waitstatus_to_exitcode(status), shown.decode()


def quiet(fd):
    """Whether the terminal shows nothing of what is typed."""
    import termios
    return not termios.tcgetattr(fd)[3] & termios.ECHO


def test_a_password_at_the_terminal(operator, unique, connect):
    name = unique()
    code, shown = at_a_terminal(operator, ["account", "create", name], ["typed-at-it", "typed-at-it"])
    assert code == 0 and f"name: {name}" in shown
    assert shown.count("Password: ") == 1 and shown.count("Again: ") == 1
    assert "typed-at-it" not in shown, "it is not shown"
    assert connect().get("NAME", name=name, password="typed-at-it")["command"] == "NAME_OK"
    code, shown = at_a_terminal(operator, ["account", "password", name], ["one-of-them", "another-one"])
    assert code == 1 and "the two passwords differ" in shown and "one-of-them" not in shown
    assert connect().get("NAME", name=name, password="typed-at-it")["command"] == "NAME_OK", "as it was"


def test_without_a_terminal_it_says_what_to_do(operator, unique):
    done = subprocess.run([str(settings.binary()), "account", "create", unique(), "--set",
                           f"data.dir={operator.server.data_dir}"], start_new_session=True, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, env=operator.server.environment())
    assert done.returncode == 2 and "--password-stdin" in done.stderr


def test_five_thousand_bans(new_server, tmp_path):
    """More than the server has under way at once."""
    operator = Operator(new_server())
    addresses = {f"10.20.{i // 250}.{i % 250}" for i in range(5000)}
    (tmp_path / "bans").write_text("".join(f'{{"address":"{address}"}}\n' for address in addresses))
    assert operator.ask("ban", "import", tmp_path / "bans") == {"added": 5000, "refused": 0}
    assert set(re.findall('"address":"(.*?)"', operator.run("ban", "export").stdout)) == addresses
    page = operator.ask("ban", "list", "--most", "1000", "--after-id", "1500")
    assert len(page["rows"]) == 1000 and page["more"] is True


def test_a_wrong_line_far_down_is_named(operator, tmp_path):
    rows = [f'{{"address":"10.9.{i // 250}.{i % 250}"}}' for i in range(1300)]
    rows[1203] = "nonsense"
    (tmp_path / "bans").write_text("\n".join(rows) + "\n\n")
    assert operator.refused("ban", "import", tmp_path / "bans").startswith("line 1204: ")


def test_pages_of_sessions(operator, join_server):
    players = {join_server().id for _ in range(5)}
    found, after = [], ["--after", "0"]
    while after:
        page = operator.ask("session", "list", "--most", "2", *after)
        found += [row["session"] for row in page["rows"]]
        after = ["--after", page["after"]] if page["more"] else []
    assert len(found) == len(set(found)) and players <= set(found)
    assert "(the next ones: --after " in operator.run("session", "list", "--most", "1").stdout
