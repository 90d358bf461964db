"""Players who register and log in, operators who ban and change accounts, without a pause, whatever is being killed. Who
loses his connection, or hears that the server is busy, comes back."""
import json
import random
import threading
import time

from harness.messages import name_ok
from harness.operator import Operator, exchange
from harness.player import Closed, Player

PAUSE_S = 0.02
GONE = (OSError, Closed, AssertionError, ValueError)


class Load:
    def __init__(self, ledger, servers, players=2, operators=1):
        """So many of each for each server."""
        self.ledger, self.ending, self.threads = ledger, threading.Event(), []
        for server in servers:
            works = [self.play] * players + [self.operate] * operators
            self.threads += [threading.Thread(target=self.work, args=(each, server), daemon=True) for each in works]
        for each in self.threads:
            each.start()

    def stop(self):
        self.ending.set()
        for each in self.threads:
            each.join(60)
            assert not each.is_alive(), "somebody waits for an answer without end"

    def work(self, what, server):
        link = None
        while not self.ending.is_set():
            try:
                link = link or (Player(server) if what == self.play else Operator(server).connect())
                what(server, link)
            except GONE:
                if link:
                    link.close()
                link = None
                time.sleep(PAUSE_S)
        if link:
            link.close()

    def request(self, send):
        """The answer, and when its request was begun; one that never comes is counted."""
        begun = time.monotonic()
        try:
            return send(), begun
        except GONE:
            self.ledger.lost()
            raise

    # ---- players

    def play(self, server, player):
        number = self.ledger.fresh()
        name, password = f"n{number}", f"password {number}"
        answer, begun = self.request(lambda: player.ask("NAME", name=name, password=password))
        if answer != name_ok(name):
            return self.refused(answer)
        self.ledger.passwords[name] = [password]
        self.ledger.done(server, "login", begun)
        if number % 3 == 0:
            self.again(server, player)
        return None

    def again(self, server, player):
        name = random.choice(list(self.ledger.passwords))
        passwords = list(self.ledger.passwords[name])
        answer, begun = self.request(lambda: player.ask("NAME", name=name, password=passwords[0]))
        if answer == name_ok(name):
            self.ledger.done(server, "login", begun)
        elif len(passwords) == len(self.ledger.passwords[name]) == 1:  # nobody was changing it
            self.refused(answer)

    def refused(self, answer):
        if json.loads(answer)["message"] != "Server is busy. Please try again." and b"BYE_ADMIN" not in answer:
            self.ledger.wonder(answer)
        time.sleep(PAUSE_S)

    # ---- operators

    def operate(self, server, link):
        number = self.ledger.fresh()
        names = list(self.ledger.passwords)
        choice = number % 3 if names else 0
        if choice == 0:
            reason = f"reason-{number}"
            address = f"100.{64 + number // 65536 % 64}.{number // 256 % 256}.{number % 256}"
            made = self.say(server, link, "ban", "ban add", address=address, reason=reason)
            if made:
                self.ledger.bans[made["result"]["id"]] = reason
                self.recorded(made, self.ledger.ban_records, reason)
            return
        name = random.choice(names)
        if choice == 1 and self.ledger.claim("notes", name):
            made = self.say(server, link, "account", "account set", name=name, notes=f"note {number}")
            if made:
                self.ledger.notes[name] = f"note {number}"
                self.recorded(made, self.ledger.note_records, name)
        elif choice == 2 and self.ledger.claim("password", name):
            new = f"another {number}"
            self.ledger.passwords[name].append(new)
            if self.say(server, link, "account", "account password", name=name, password=new):
                self.ledger.passwords[name] = [new]

    @staticmethod
    def recorded(answer, records, what):
        """Done, but said not to be recorded yet: that is no promise."""
        if answer.get("result", {}).get("audited") is not False:
            records.append(what)

    def say(self, server, link, kind, command, **arguments):
        line = (json.dumps({"command": command, "arguments": arguments}) + "\n").encode()
        answer, begun = self.request(lambda: exchange(link, line))
        if answer is None:
            self.ledger.lost()
            raise OSError("closed")
        if answer["ok"]:
            self.ledger.done(server, kind, begun)
            return answer
        time.sleep(PAUSE_S)
        return None
