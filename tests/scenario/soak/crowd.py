"""Guests of every kind, honest and not, all at once: each kind is a thread that plays one scene after another.

Scenes check what they are told. What one of them raises ends the crowd and is raised by `leave`.
"""
import collections
import contextlib
import hashlib
import http.client
import json
import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from harness import certificates, settings
from harness.attacks import TEXT, drop, flood, garbage, hello, lines_of_garbage, raw
from harness.messages import (BYE_OK, JOIN_REFUSED, NAME_TAKEN, PONG, RELAY_NO_TARGET, REPLACED, TOO_LONG, error,
                              update, wire)
from harness.player import OFFER, Closed, Player, fresh_name, start_racing
from harness.seal import Legacy, Plain, Zipped
from harness.server import Server, clean_environment
from harness.settings import PFX_PASSWORD
from harness.waiting import until

IDLE_TIMEOUT_S = 4
HANDSHAKE_TIMEOUT_S = 3
HALF_OPEN_MAX = 60
REGULARS = 50
MODES = ("legacy", "plain", "gcm", "cbc")

def config(turn):
    """The file of one reload. Each key swings between values that no scene can tell apart."""
    return (f"[racing]\nidle_timeout_s = {IDLE_TIMEOUT_S}\nroom_size = {20 + turn % 3}\n"
            f"commands_per_s = 0\nstrangers_per_s = {(100, 1000, 10)[turn % 3]}\n"
            f"[accounts]\npassword_cost = {4 + turn % 2}\nqueue_max_s = {15 + turn % 2}\n"
            f"[log]\nlevel = {('info', 'warn', 'debug')[turn % 3]}\nformat = {('text', 'json')[turn % 2]}\n"
            f"[admin]\nhosts = {('', 'door.example')[turn % 2]}\n")


def make_server(folder):
    """A server for a crowd, not started. What the reloader changes is in its file alone."""
    server = Server(folder, config=config(0), racing__max_rooms=200, log__file=folder / "slipgate.log",
                    server__handshake_timeout_s=HANDSHAKE_TIMEOUT_S)
    del server.options["accounts.password_cost"]
    return server


def old_name(i):
    return hashlib.sha256(b"%d" % i).hexdigest()[:20]


def give_accounts(server, count):
    """Puts accounts into the stopped server's database: it is to look like one that has been running for months."""
    with contextlib.closing(sqlite3.connect(server.data_dir / "slipgate.db")) as db, db:
        db.executemany("INSERT INTO account (name, name_fold, password, password_min, created_ms) VALUES (?1, ?1, ?2, 1, 0)",
                       ((old_name(i), "{sha256}" + "A" * 44) for i in range(count)))


def look_up(server, names):
    """Asks for accounts here and there, which fills what the server keeps of its database."""
    player = Player(server)
    for i in names:
        assert player.ask("NAME", name=old_name(i), password="guess") == NAME_TAKEN
    player.close()


class Crowd:
    """The guests of one server: come() and leave(), any number of times."""

    def __init__(self, server, seed, bots=20):
        self.server, self.seed, self.bots = server, seed, bots
        self.lock, self.scenes_played = threading.Lock(), collections.Counter()
        self.datagrams = 0
        self.problems = []
        self.over = threading.Event()
        self.threads = []
        self.turn = self.rounds = 0
        self.certificate = None

    def come(self):
        """Every kind begins, each drawing from a seed of its own."""
        self.over.clear()
        self.rounds += 1
        for scene, pause_s, threads in SCENES:
            for copy in range(threads):
                rng = random.Random(f"{self.seed} {self.rounds} {scene.__name__} {copy}")
                thread = threading.Thread(target=self._play, args=(scene, pause_s, rng),
                                          name=f"{scene.__name__}-{copy}")
                self.threads.append(thread)
                thread.start()

    def _play(self, scene, pause_s, rng):
        try:
            while not self.over.is_set():
                scene(self, rng)
                with self.lock:
                    self.scenes_played[scene.__name__] += 1
                self.over.wait(pause_s * rng.uniform(0.5, 1.5))
        except Exception as problem:  # raised again by leave
            problem.add_note(f"scene {scene.__name__}, seed {self.seed}, round {self.rounds}")
            self.problems.append(problem)
            self.over.set()

    def leave(self):
        """Everybody finishes the scene he is in and goes. Raises what went wrong first."""
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.threads.clear()
        if self.problems:
            raise self.problems[0]

    def gather(self, seconds):
        """As long as nothing goes wrong, waits while they play."""
        self.over.wait(seconds)


def gone():
    """What a connection raises that somebody ended."""
    return Closed, OSError


# ---- scenes


def newcomer(crowd, rng):
    """Registers, opens a room, sends from it, and leaves in one of the four ways there are."""
    player = Player(crowd.server)
    mode = rng.choice(MODES)
    player.log_in(fresh_name(f"{rng.getrandbits(40):010x}"), "pw", **({"udpAead": OFFER[mode]} if mode in OFFER else {}))
    player.create_room(f"room of {player.name}")
    player.open_udp(mode)
    player.udp.send(player.update(x=rng.random()))
    assert player.room_id in player.rooms()
    if rng.random() < 0.5:
        assert player.ask("LEAVE_ROOM") == wire({"command": "LEAVE_OK", "roomId": player.room_id})
    way = rng.randrange(4)
    if way == 0:
        player.send("BYE")
        assert player.closing() == [BYE_OK]
    elif way == 1:
        player.send_raw(b'{"command":"PI')
        player.vanish()
    elif way == 2:
        player.socket.shutdown(socket.SHUT_WR)
    player.close()


def regular(crowd, rng):
    """A known name looks into whatever rooms there are, says something to somebody and goes."""
    name = f"{threading.current_thread().name}-{rng.randrange(REGULARS)}"
    player = Player(crowd.server).log_in(name)
    rooms = list(player.rooms())
    if rooms:
        room = rng.choice(rooms)
        answer = player.ask("JOIN_ROOM", roomId=room)
        assert answer in (wire({"command": "JOIN_OK", "roomId": room}), JOIN_REFUSED, error("Room not found.")), answer
    # A game may start here, or somebody speak, between two answers.
    for command in ("GET_ROOM_PLAYERS", "PLAYER_INFO", "PING"):
        player.send(command)
    while player.line() != PONG:
        pass
    (player.vanish if rng.random() < 0.5 else player.close)()


def twin(crowd, rng):
    """Signs in twice; the first is told."""
    name = f"twin-{rng.randrange(10)}"
    first = Player(crowd.server).log_in(name)
    second = Player(crowd.server).log_in(name)
    assert first.closing() == [REPLACED]
    first.close()
    second.close()


def guesser(crowd, rng):
    """A wrong password, its answer not always awaited."""
    name = f"victim-{rng.randrange(5)}"
    Player(crowd.server).log_in(name, "right").close()
    for guess in range(3):
        player = Player(crowd.server)
        player.send("NAME", name=name, password=f"wrong{guess}")
        if rng.random() < 0.5:
            player.vanish()
        else:
            assert player.line() == NAME_TAKEN
            player.close()


def race(crowd, rng):
    """Four drivers, one of whom is torn off in the middle; what the others hear is compared."""
    players = []
    for mode in MODES:
        player = Player(crowd.server)
        player.log_in(f"driver-{mode}", **({"udpAead": OFFER[mode]} if mode in OFFER else {}))
        if players:
            player.join(players[0].room_id)
        else:
            player.create_room("race")
        player.open_udp(mode)
        players.append(player)
    start_racing(players)
    assert players[0].get("START_GAME")["command"] == "GAME_STARTED"
    for lap in range(30):
        if lap == 15:
            torn = players.pop(rng.randrange(1, len(players)))
            recorded = torn.udp.seal.seal(torn.update())
            torn.udp.close()
            torn.vanish()
            until(lambda: torn.id not in seated(players[0]), "the torn one has left the room")
            players[0].udp.send_raw(recorded)  # who has it can do nothing with it any more
        sender = players[lap % len(players)]
        text = sender.update(x=lap) if lap % 3 else sender.input(timestamp=lap)
        sender.udp.send(text)
        crowd.datagrams += 1
        for other in players:
            if other is not sender:
                assert other.udp.receive() == text
        if crowd.over.wait(0.02):
            break
    for player in players:
        player.close()


def seated(player):
    """Who is in the player's room; what else is said meanwhile is passed over."""
    player.send("GET_ROOM_PLAYERS")
    while (answer := json.loads(player.line()))["command"] != "ROOM_PLAYERS":
        pass
    return [member["id"] for member in answer["players"]]


def half_open(crowd, rng):
    """Handshakes begun and not finished; the server ends those that nobody drops."""
    first, links = hello(), []
    for _ in range(rng.randrange(5, HALF_OPEN_MAX)):
        link = raw(crowd.server)
        link.sendall(first[:rng.choice((0, 1, 60, len(first)))])
        links.append(link)
    patient = crowd.scenes_played["half_open"] % 3 == 0
    crowd.over.wait(HANDSHAKE_TIMEOUT_S + 1 if patient else 0.3)
    for link in links:
        drop(link, rng.random() < 0.5)


def slow_reader(crowd, rng):
    """Is sent to until the server gives him up."""
    slow = Player(crowd.server, receive_buffer=4096).log_in(fresh_name("slow"))
    senders = [Player(crowd.server).log_in(fresh_name("sender")) for _ in range(4)]
    flood(senders, slow, 60 * settings.SLOWNESS)
    for player in (slow, *senders):
        player.close()


def late_reader(crowd, rng):
    """Reads late, but below the limit, and gets everything; then one word too many."""
    player = Player(crowd.server, receive_buffer=4096).log_in(fresh_name("late"))
    for _ in range(20):
        player.send("RELAY_MESSAGE", targetId=player.id, message=TEXT)
    player.send("PING")
    crowd.over.wait(0.2)
    lines = 0
    while player.line() != PONG:
        lines += 1
    assert lines >= 20, lines
    assert player.ask("RELAY_MESSAGE", targetId="0" * 32, message="x") == RELAY_NO_TARGET
    try:
        player.send_raw(b"x" * 70000)
        assert player.closing() == [TOO_LONG]
    except gone():
        pass  # the reset overtook it
    player.close()


def babbler(crowd, rng):
    """Bytes that are nothing, before the handshake and after it."""
    try:
        with raw(crowd.server) as link:
            link.sendall(garbage(rng))
            link.settimeout(0.01)
            link.recv(1000)
    except OSError:
        pass
    player = Player(crowd.server)
    try:
        player.send_raw(lines_of_garbage(rng))
        player.line(deadline_s=0.05)
    except (*gone(), AssertionError):
        pass  # closed, or nothing said: either is fine
    player.close()


def stranger(crowd, rng):
    """Datagrams of nobody, and of somebody under a seal that is not his."""
    address = ("127.0.0.1", crowd.server.port)
    known = "".join(rng.choice("0123456789abcdef") for _ in range(32))
    text = update(known)
    kinds = [rng.randbytes(40), text, Plain().seal(text), Legacy(known).seal(text), Zipped().seal(text),
             Zipped(Legacy(known)).seal(text), b"MPG1" + rng.randbytes(100), b"\x90\0\0\0" + rng.randbytes(144), b"",
             rng.randbytes(1472), rng.randbytes(9000), b"{" * 1000]
    for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        with socket.socket(type=socket.SOCK_DGRAM) as link:
            link.bind((source, 0))
            for _ in range(30):
                link.sendto(rng.choice(kinds), address)
                crowd.datagrams += 1


def idler(crowd, rng):
    """In a room, then silent until the server ends it without a word."""
    player = Player(crowd.server).log_in(fresh_name("idler"))
    player.create_room("quiet")
    player.open_udp()
    player.udp.send(player.update())
    # Idle sessions are looked for every few seconds.
    assert player.closing((IDLE_TIMEOUT_S + 10) * settings.SLOWNESS) == []
    player.close()


def reloader(crowd, rng):
    """The log rotated, a new file and SIGHUP; now and then a file that is wrong, or a new certificate."""
    crowd.turn += 1
    log = crowd.server.options["log.file"]
    good = crowd.turn % 7 != 0
    text = config(crowd.turn) if good else "[racing]\nno_such_key = 1\n"
    certificates.replace(crowd.server.folder / "slipgate.ini", text.encode())
    if crowd.turn % 3 == 0:
        key, certificate = certificates.make()
        certificates.write_pfx(key, certificate, crowd.server.data_dir / "server.pfx", PFX_PASSWORD)
        crowd.certificate = certificates.sha256(certificate)
    log.replace(log.with_name(log.name + ".1"))
    crowd.server.signal(signal.SIGHUP)
    until(log.exists, "the log is opened anew")
    if good and crowd.turn % 3 == 0:  # at log level warn nobody would say it, and a failure is said before the log moves
        until(lambda: b"config.reload" in log.read_bytes(), "the outcome is logged")
    until(lambda: crowd.certificate in (None, certificates.shown(crowd.server)), "the new certificate is shown")


def scraper(crowd, rng):
    """Metrics and health over a connection that is kept, or dropped before the answer."""
    link = http.client.HTTPConnection("127.0.0.1", crowd.server.options["admin.port"], timeout=settings.DEADLINE_S)
    try:
        for path in ("/metrics", "/healthz", "/readyz", "/nothing", "/metrics"):
            link.request("GET", path)
            if path == "/metrics" and rng.random() < 0.2:
                return
            answer = link.getresponse()
            assert answer.status == (404 if path == "/nothing" else 200), (path, answer.status)
            answer.read()
    finally:
        link.close()


def bots(crowd, rng):
    """The product's own players, in rooms, racing; ended politely or torn off all at once."""
    new = rng.random() < 0.5
    command = [settings.binary(), "bots", "--server", f"127.0.0.1:{crowd.server.port}", "--json", "--players", crowd.bots,
               "--room-size", rng.choice((2, 5, 10)), "--rate", 10, "--duration", 0, "--ramp", rng.choice((0, 50)),
               "--udp", rng.choice(("auto", "aead", "cbc", "plain")), "--names", fresh_name("bot") if new else "bot"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=clean_environment()) as process:
        crowd.over.wait(rng.uniform(3, 8))
        torn = rng.random() < 0.3
        process.send_signal(signal.SIGKILL if torn else signal.SIGINT)
        out, err = process.communicate(timeout=6 * settings.DEADLINE_S)
    assert "Sanitizer" not in err, err[-6000:]
    if not torn and out:
        report = json.loads(out.splitlines()[-1])
        crowd.datagrams += report["datagramsSentTotal"]
        assert report["damaged"] == 0, report


# Scene, pause between two of them in seconds, how many at once.
SCENES = [
    (newcomer, 0.1, 2), (regular, 0.1, 2), (twin, 0.3, 1), (guesser, 0.2, 1), (race, 0.3, 1), (half_open, 0.5, 1),
    (slow_reader, 5, 1), (late_reader, 1, 1), (babbler, 0.2, 1), (stranger, 0.3, 1), (idler, 1, 2), (reloader, 2, 1),
    (scraper, 0.3, 1), (bots, 1, 1),
]
