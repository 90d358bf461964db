"""What was acknowledged to players and operators, and whether it is there afterwards."""
import json
import threading

from harness.messages import name_ok
from harness.operator import exchange
from harness.player import Player
from harness.server import run


LINES = 50  # of one connection before its rate holds it back


class Ledger:
    """Filled by many threads, each entry when its answer has come."""

    def __init__(self):
        self.lock = threading.Lock()
        self.number = 0
        self.passwords = {}  # of acknowledged registrations and changes: name -> those it may have
        self.notes = {}      # name -> the acknowledged text
        self.bans = {}       # id -> the reason
        self.ban_records, self.note_records = [], []  # reasons and names with an audit record
        self.acknowledged = {}  # (server, kind) -> when the newest acknowledged request was begun
        self.claimed = set()
        self.unknown = 0
        self.wrong = []

    def fresh(self):
        with self.lock:
            self.number += 1
            return self.number

    def claim(self, kind, name):
        """Whether nobody has done this to this account, nor tried: after an answer that was lost it may be done later."""
        with self.lock:
            mine = (kind, name) not in self.claimed
            self.claimed.add((kind, name))
            return mine

    def done(self, server, kind, begun):
        with self.lock:
            self.acknowledged[server, kind] = max(begun, self.acknowledged.get((server, kind), 0))

    def served_since(self, moment, servers, kinds):
        with self.lock:
            return all(self.acknowledged.get((server, kind), 0) > moment for server in servers for kind in kinds)

    def lost(self):
        """A request of which nobody knows what became."""
        with self.lock:
            self.unknown += 1

    def wonder(self, what):
        """Something that no kill explains."""
        with self.lock:
            self.wrong.append(what)


class Finder:
    """Looks afterwards, through a server that runs, for everything in a ledger."""

    def __init__(self, ledger, server):
        self.ledger, self.server = ledger, server

    def control(self, link, command, **arguments):
        answer = exchange(link, (json.dumps({"command": command, "arguments": arguments}) + "\n").encode())
        assert answer["ok"], (command, arguments, answer)
        return answer["result"]

    def pages(self, link, command, key):
        after, rows = {}, []
        while True:
            page = self.control(link, command, **after)
            rows += page["rows"]
            if not page["more"]:
                return rows
            after = {key: rows[-1]["id" if key == "after_id" else "name"]}

    def logins(self):
        """Names that their password no longer opens."""
        def opens(name, passwords):
            return any(player.ask("NAME", name=name, password=each) == name_ok(name) for each in passwords)

        missing, all = [], list(self.ledger.passwords.items())
        for some in (all[i:i + LINES] for i in range(0, len(all), LINES)):
            player = Player(self.server)
            missing += [name for name, passwords in some if not opens(name, passwords)]
            player.close()
        return missing

    def bans(self, link):
        there = {row["id"]: row["reason"] for row in self.pages(link, "ban list", "after_id")}
        return [item for item in self.ledger.bans.items() if there.get(item[0]) != item[1]]

    def notes(self, link):
        """Those that are missing, and the number of each account for its audit records."""
        missing, numbers = [], {}
        for name, text in self.ledger.notes.items():
            shown = self.control(link, "account show", name=name)
            numbers[name] = shown["id"]
            if shown["notes"] != text:
                missing.append((name, text, shown["notes"]))
        return missing, numbers

    def audit(self, numbers):
        """Acknowledged operator actions without a record."""
        done = run("audit", "export", "--set", f"data.dir={self.server.data_dir}",
                   env=self.server.env)
        assert done.returncode == 0, done.stderr
        lines = map(json.loads, done.stdout.splitlines())
        records = [each for each in lines if "details" in each]
        bans = {each["details"].rpartition("reason=")[2] for each in records if each["subtype"] == "BanAdded"}
        notes = {each["target"] for each in records if each["details"] == "notes"}
        return ([reason for reason in self.ledger.ban_records if reason not in bans] +
                [name for name in self.ledger.note_records if f"#{numbers[name]}" not in notes])
