"""What the program says about itself against what the documentation says, and config print against itself.

usage: check_docs.py SLIPGATE REPOSITORY [--write]     --write renews the table of keys in docs/operations.md
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

BEGIN, END = "<!-- {} -->\n", "<!-- end of {} -->\n"
TAKES_EFFECT = {"at once on reload": "live", "for new connections on reload": "new connections", "at restart": "restart"}


def slipgate(*arguments):
    """The standard output of the program without anything in its environment that configures it."""
    done = subprocess.run([BINARY, *arguments], env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def keys(*arguments):
    return json.loads(slipgate("config", "print", "--json", *arguments))


def table():
    lines = ["| key | default | accepts | takes effect | meaning |", "|---|---|---|---|---|"]
    for key in keys("--config", "/dev/null"):
        default = {None: "secret", "": "nothing"}.get(key["default"], f"`{key['default']}`")
        meaning = key["meaning"] if key["meaning"].endswith(".") else key["meaning"] + "."
        cells = [f"`{key['key']}`", default, key["range"], TAKES_EFFECT[key["takes_effect"]], meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def limits():
    """The keys that are limits, with what they count and where they are enforced."""
    lines = ["| limit on | key | default | enforced |", "|---|---|---|---|"]
    for key in keys("--config", "/dev/null"):
        if "limits" in key:
            lines.append(f"| {key['limits']} | `{key['key']}` | {key['default']} | {key['enforced']} |")
    assert len(lines) > 10
    return "\n".join(lines) + "\n"


def check_made(text, name, made, write):
    """The text with what stands between the marks made anew."""
    begin, end = BEGIN.format(name), END.format(name)
    head, rest = text.split(begin)
    found, tail = rest.split(end)
    assert write or found == made, f"docs/operations.md: the table of {name} is out of date; run check_docs.py --write"
    return head + begin + made + end + tail


def records():
    """The ids of all log records."""
    sources = (REPOSITORY / "src").rglob("*.c")
    return {name for source in sources for name in re.findall(r'LOG_[A-Z]+,\s*"([a-z_.]+)"', source.read_text())}


def check_operations(write):
    path = REPOSITORY / "docs" / "operations.md"
    text = check_made(path.read_text(), "keys", table(), write)
    text = check_made(text, "limits", limits(), write)
    if write:
        path.write_text(text)
        return
    known = {key["key"] for key in keys()}
    sections = "|".join(sorted({key.split(".")[0] for key in known}))
    for name in re.findall(rf"`((?:{sections})\.[a-z_0-9]+)`", text):
        assert name in known | records() or name.endswith((".pfx", ".key", ".spool", ".sock")), \
            f"docs/operations.md names {name}, which is neither a key nor a log record"


def check_manual():
    path = REPOSITORY / "docs" / "slipgate.1"
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout
    text = path.read_text()
    commands = re.findall(r"^  ([a-z]+)  ", slipgate("--help").split("Options:")[0], re.MULTILINE)
    assert "serve" in commands
    for command in commands:
        assert re.search(rf"^\.It Cm {command}\b", text, re.MULTILINE), f"docs/slipgate.1 does not describe {command}"
        described = re.split(r"^\.It Cm ", text.split(f"\n.It Cm {command}", 1)[1], flags=re.MULTILINE)[0]
        for option in re.findall(r"^  --([a-z-]+)", slipgate(command, "--help"), re.MULTILINE):
            assert option in ("help", "config", "set") or f"Fl -{option}" in described, \
                f"docs/slipgate.1: {command} --{option} is missing"


def check_figures():
    """Every figure that --expect knows is in the manual page."""
    figures = re.findall(r"^  ([a-z0-9_]+): ", slipgate("bots", "--help"), re.MULTILINE)
    assert "p99_age_ms" in figures
    text = (REPOSITORY / "docs" / "slipgate.1").read_text()
    for figure in figures:
        assert re.search(rf"^\.Cm (.* )?{figure}( |$)", text, re.MULTILINE), f"docs/slipgate.1: figure {figure} is missing"


def check_round_trip():
    """What config print writes reads back as the same configuration."""
    settings = ["--set", "racing.port=4430", "--set", "limits.exempt=loopback 10.0.0.0/8", "--set", "admin.hosts=a b"]
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        for form in ([], ["--effective"]):
            for given in ([], settings):
                file.seek(0)
                file.truncate()
                file.write(slipgate("config", "print", *form, "--config", "/dev/null", *given))
                file.flush()
                before, after = keys("--config", "/dev/null", *given), keys("--config", file.name)
                assert [(k["key"], k["value"]) for k in before] == [(k["key"], k["value"]) for k in after]
                from_file = sum(k["source"] == "file" for k in after)
                secrets = sum(k["value"] is None for k in after)
                assert from_file == (len(after) - secrets if form else len(given) // 2), (form, given, from_file)


BINARY, REPOSITORY = sys.argv[1], pathlib.Path(sys.argv[2])
check_operations("--write" in sys.argv)
check_manual()
check_figures()
check_round_trip()
