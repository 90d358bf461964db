"""A racing client: blocking sockets with deadlines, written from the protocol's document."""
import itertools
import json
import os
import re
import socket
import ssl
import time

from . import settings
from .messages import PONG, nested_input, update, wire
from .seal import CBC_HMAC, GCM, Aead, Legacy, NotMine, Plain

WELCOME = re.compile(rb"CONNECTED\|([0-9a-f]{32})")


def client_context():
    """TLS as the document's clients use it: no check of the server's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_numbers = itertools.count()


def fresh_name(stem="racer"):
    """A name nobody has used on any server of this run."""
    return f"{stem}-{os.getpid()}-{next(_numbers)}"


class Closed(Exception):
    """The server closed the connection. `clean` tells whether it said so with a close_notify."""

    def __init__(self, clean, rest=b""):
        super().__init__(f"closed ({'clean' if clean else 'abrupt'}), rest {rest!r}")
        self.clean, self.rest = clean, rest


class Player:
    """One connection. Reading never waits longer than its deadline."""

    def __init__(self, server, host="127.0.0.1", context=None, receive_buffer=None, source=None):
        self.server, self.host = server, host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        raw = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(settings.DEADLINE_S)
        try:
            if source:
                raw.bind((source, 0))
            raw.connect((host, server.port))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket = (context or client_context()).wrap_socket(raw, suppress_ragged_eofs=False)
        except BaseException:
            raw.close()
            raise
        self.buffer = b""
        self.name = self.room_id = self.udp = self.grant = None
        self.welcome = self.line()
        match = WELCOME.fullmatch(self.welcome)
        assert match, f"not a welcome: {self.welcome!r}"
        self.id = match.group(1).decode("ascii")

    # ---- bytes and lines

    def send_raw(self, data):
        """One write, which OpenSSL puts into one record up to 16 KiB."""
        self.socket.sendall(data)

    def send_line(self, text):
        self.send_raw(text + b"\n")

    def send(self, command, **fields):
        self.send_line(wire({"command": command, **fields}))

    def line(self, deadline_s=None):
        """The next line without its LF, as the exact bytes."""
        end = time.monotonic() + (settings.DEADLINE_S if deadline_s is None else deadline_s)
        while b"\n" not in self.buffer:
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                more = self.socket.recv(65536)
            except ssl.SSLZeroReturnError:
                more = b""
            except socket.timeout:
                raise AssertionError(f"no line in time; have {self.buffer[:200]!r}") from None
            except (ssl.SSLError, ConnectionError):
                raise Closed(False, self.buffer) from None
            if not more:
                raise Closed(True, self.buffer)
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def ask(self, command, **fields):
        """Sends a command and returns the next line."""
        self.send(command, **fields)
        return self.line()

    def ask_raw(self, text):
        """Sends one line as given and returns the next line."""
        self.send_line(text)
        return self.line()

    def get(self, command, **fields):
        """As ask, parsed."""
        return json.loads(self.ask(command, **fields))

    def nothing_else(self):
        """Asserts that nothing is waiting: a PING is answered next."""
        assert self.ask("PING") == PONG

    def closing(self, deadline_s=None):
        """Waits for the server to close and returns the lines that came before."""
        lines = []
        try:
            while True:
                lines.append(self.line(deadline_s))
        except Closed as closed:
            assert closed.rest == b"", f"half a line before the close: {closed.rest!r}"
            self.closed_cleanly = closed.clean
            return lines

    def close(self):
        self.socket.close()
        if self.udp:
            self.udp.close()

    def vanish(self):
        """Drops the connection without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    # ---- the usual conversations

    def log_in(self, name, password="pw", **extra):
        """With udpAead=[...] in `extra` the keys that were granted are kept for open_udp."""
        reply = self.get("NAME", name=name, password=password, **extra)
        assert reply["command"] == "NAME_OK" and reply["authenticated"] is True, reply
        self.name = name
        self.grant = reply.get("udpAead")
        return self

    def create_room(self, name="Oval"):
        reply = self.get("CREATE_ROOM", name=name)
        assert reply["command"] == "ROOM_CREATED", reply
        self.room_id = reply["roomId"]
        return self.room_id

    def join(self, room_id):
        assert self.ask("JOIN_ROOM", roomId=room_id) == wire({"command": "JOIN_OK", "roomId": room_id})
        self.room_id = room_id
        return self

    def current_room(self):
        return self.get("PLAYER_INFO")["playerInfo"]["currentRoomId"]

    def players_in_room(self):
        return [(p["id"], p["name"]) for p in self.get("GET_ROOM_PLAYERS")["players"]]

    def rooms(self):
        return {room["id"]: room for room in self.get("LIST_ROOMS")["rooms"]}

    def open_udp(self, mode="legacy", host=None):
        """A socket for this player's datagrams. Nothing is sent yet."""
        if mode == "plain":
            seal = Plain()
        elif mode == "legacy":
            seal = Legacy(self.id, self.server.secret)
        else:
            assert self.grant, "the login did not negotiate"
            seal = Aead(self.grant)
        self.udp = Link(self, seal, host or self.host)
        return self.udp

    # ---- messages of this player

    def update(self, **fields):
        return update(self.id, **fields)

    def input(self, **fields):
        return nested_input(self.id, self.room_id, **fields)


class Link:
    """A UDP socket that speaks for a player under one seal."""

    def __init__(self, player, seal, host):
        self.player, self.seal = player, seal
        self.address = (host, player.server.port)
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("::1" if ":" in host else "127.0.0.1", 0))

    def another(self):
        """A second socket of the same player: another port."""
        return Link(self.player, self.seal, self.address[0])

    def send(self, text):
        self.send_raw(self.seal.seal(text))

    def send_raw(self, data):
        self.socket.sendto(data, self.address)

    def receive_raw(self, deadline_s=None):
        self.socket.settimeout(settings.DEADLINE_S if deadline_s is None else deadline_s)
        try:
            data, source = self.socket.recvfrom(65536)
        except socket.timeout:
            raise AssertionError("no datagram in time") from None
        assert source[1] == self.address[1], f"a datagram from a stranger: {source}"
        return data

    def receive(self, deadline_s=None):
        """The next datagram's message, opened under this link's own seal."""
        data = self.receive_raw(deadline_s)
        try:
            return self.seal.open(data)
        except NotMine as error:
            raise AssertionError(f"{type(self.seal).__name__} cannot open {data[:64]!r}: {error}") from error

    def waiting(self):
        """Whatever has arrived already, unopened. Only useful after something that came later was seen."""
        found = []
        self.socket.setblocking(False)
        try:
            while True:
                found.append(self.socket.recv(65536))
        except BlockingIOError:
            return found

    def close(self):
        self.socket.close()


def start_racing(players):
    """Registers everybody's UDP endpoint, one after the other, and reads what that makes the others receive."""
    for i, player in enumerate(players):
        hello = player.update(hello=i)
        player.udp.send(hello)
        for earlier in players[:i]:
            assert earlier.udp.receive() == hello


def delivered(sender, receivers, text):
    """Asserts that a message arrives at every receiver exactly as it was sent, and not at its sender."""
    sender.udp.send(text)
    for receiver in receivers:
        assert receiver.udp.receive() == text
    assert sender.udp.waiting() == []


def marker(player, text=b""):
    """A message that no egress may merge with `text`: an INPUT, unless `text` is one itself."""
    marker.count += 1
    if b'"INPUT"' in text:
        return player.update(mark=marker.count)
    return player.input(mark=marker.count)


marker.count = 0


def dropped(act, sender, receivers, text=b""):
    """Asserts that what `act` sends reaches nobody: the next thing that arrives is what `sender` sends after it."""
    act()
    after = marker(sender, text)
    sender.udp.send(after)
    for receiver in receivers:
        assert receiver.udp.receive() == after
    for everyone in (sender, *receivers):
        assert everyone.udp.waiting() == []


OFFER = {"gcm": [GCM], "cbc": [CBC_HMAC]}
