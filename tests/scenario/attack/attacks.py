"""Attacks from many addresses. Each is a function of (port, seconds, given) that runs in a process of its own
and returns {what: how many}. Addresses are those of 10.64.0.0/13, all of which the namespace's loopback has."""
import asyncio
import collections
import json
import random
import selectors
import socket
import ssl
import time

from harness.attacks import hello
from harness.messages import update
from harness.player import client_context

TARGET = "127.0.0.1"
CONTEXT = client_context()


def address(i, block=66):
    """The i-th of a block's addresses."""
    return f"10.{block}.{i // 250 % 250}.{i % 250 + 1}"


# ---- guessing

async def _guess(port, source, name, password, found):
    """One connection, one guess: counts how it ended."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(
            TARGET, port, ssl=CONTEXT, local_addr=(source, 0)), 10)
    except (OSError, asyncio.TimeoutError):
        found["connection refused"] += 1
        return
    try:
        await asyncio.wait_for(reader.readline(), 10)
        writer.write(json.dumps({"command": "NAME", "name": name, "password": password}).encode() + b"\n")
        reply = json.loads(await asyncio.wait_for(reader.readline(), 30))
        found[reply.get("message", "").split(" for another")[0] or reply["command"]] += 1
    except (OSError, ValueError, asyncio.TimeoutError):
        found["connection closed"] += 1
    finally:
        writer.transport.abort()


async def _guessing(port, seconds, guesses, at_once):
    found, end = collections.Counter(), time.monotonic() + seconds

    async def work():
        for source, name, password in guesses:
            if time.monotonic() > end:
                return
            await _guess(port, source, name, password, found)
    workers = [asyncio.ensure_future(work()) for _ in range(at_once)]
    await asyncio.wait(workers, timeout=seconds)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return dict(found)


def spraying(port, seconds, given):
    """A common password tried on one account after the other, each time from another of 1,000 addresses."""
    guesses = ((address(i % 1000), given["names"][i % len(given["names"])], f"Summer{2000 + i // 1000}")
               for i in range(10 ** 6))
    return asyncio.run(_guessing(port, seconds, guesses, 200))


def stuffing(port, seconds, given):
    """A list of passwords tried on one account and on the administrator's, from four addresses."""
    guesses = ((address(i % 4, 67), given["victims"][i % 2], f"leaked-{i}") for i in range(10 ** 6))
    return asyncio.run(_guessing(port, seconds, guesses, 40))


# ---- holding connections

class _Links:
    """So many connections kept open from many addresses, whatever the server closes opened anew."""

    def __init__(self, port, sources, wanted):
        self.port, self.sources, self.wanted = port, sources, wanted
        self.found, self.links = collections.Counter(), {}
        self.chosen = selectors.DefaultSelector()

    def open(self, number):
        for _ in range(number):
            link = socket.socket()
            link.bind((self.sources[self.found["connections"] % len(self.sources)], 0))
            link.setblocking(False)
            try:
                link.connect((TARGET, self.port))
            except BlockingIOError:
                pass
            self.found["connections"] += 1
            self.links[link] = time.monotonic()
            self.chosen.register(link, selectors.EVENT_READ)

    def notice(self):
        for key, _ in self.chosen.select(0.02):
            link = key.fileobj
            try:
                gone = link.recv(65536) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                self.found["closed by the server"] += 1
                self.chosen.unregister(link)
                del self.links[link]
                link.close()

    def run(self, seconds, talk):
        """talk(link, age_s) sends a little of what the link has to say."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self.open(min(100, self.wanted - len(self.links)))
            self.found["most at once"] = max(self.found["most at once"], len(self.links))
            self.notice()
            for link, since in list(self.links.items()):
                try:
                    talk(link, now - since)
                except OSError:
                    pass
        for link in self.links:
            link.close()
        return dict(self.found)


def half_handshakes(port, seconds, given):
    """Handshakes of 1,000 addresses, begun with half a hello and never finished, 3,000 at once."""
    first, said = hello()[:100], set()

    def talk(link, _):
        if link not in said:
            link.send(first)
            said.add(link)
    return _Links(port, [address(i) for i in range(1000)], 3000).run(seconds, talk)


def slow_bytes(port, seconds, given):
    """Two bytes a second: 800 handshakes, and a line of each of 200 sessions."""
    first, sent, slow = hello(), collections.Counter(), []
    for i in range(200):
        try:
            raw = socket.create_connection((TARGET, port), timeout=10, source_address=(address(i, 68), 0))
            slow.append(CONTEXT.wrap_socket(raw))
        except (OSError, ssl.SSLError):
            pass
    line = b'{"command":"NAME","name":"' + b"s" * 1000

    def talk(link, age_s):
        if sent[link] < min(age_s * 2, len(first)):
            link.send(first[sent[link]:sent[link] + 1])
            sent[link] += 1
        if sent[slow[0]] < age_s * 2:
            for session in slow:
                session.send(line[sent[slow[0]]:sent[slow[0]] + 1])
            sent[slow[0]] += 1
    found = _Links(port, [address(i) for i in range(800)], 800).run(seconds, talk)
    return {"sessions that write their line slowly": len(slow), **found}


# ---- floods

def datagrams_of_strangers(port, seconds, given):
    """Datagrams that belong to nobody, from 1,000 addresses, as fast as one process can."""
    rng, links = random.Random(1), []
    text = update("0123456789abcdef0123456789abcdef", x=1)
    kinds = [rng.randbytes(40), text, b"MPG1" + rng.randbytes(100), rng.randbytes(1472), b"{" * 1000,
             b"\xb0\x05\0\0" + rng.randbytes(1456)]
    for i in range(1000):
        link = socket.socket(type=socket.SOCK_DGRAM)
        link.bind((address(i), 0))
        link.connect((TARGET, port))
        links.append(link)
    end, sent = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for _ in range(200):
            try:
                links[sent % 1000].send(kinds[sent % len(kinds)])
            except OSError:
                pass
            sent += 1
    return {"datagrams": sent}


def datagrams_of_sessions(port, seconds, given):
    """Ten players of one room that send updates as fast as one process can."""
    sealed = [(session.udp.socket, session.udp.address, session.udp.seal.seal(session.update(x=1)))
              for session in given["sessions"]]
    sent, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for link, to, datagram in sealed:
            for _ in range(20):
                link.sendto(datagram, to)
        sent += 20 * len(sealed)
    return {"datagrams": sent}


def relays(port, seconds, given):
    """Twenty players that send RELAY_MESSAGE as fast as they may to one who reads slower than they send."""
    target = given["target"]
    line = json.dumps({"command": "RELAY_MESSAGE", "targetId": target.id, "message": "x" * 4000}).encode() + b"\n"
    found, end = collections.Counter(), time.monotonic() + seconds
    waiting = {session: b"" for session in given["sessions"]}
    for session in (target, *waiting):
        session.socket.settimeout(0)
    while time.monotonic() < end:
        for session in waiting:
            try:
                found["sent"] += session.socket.send(line) > 0
            except (OSError, ssl.SSLError):
                pass
            try:
                waiting[session] += session.socket.recv(65536)
            except (OSError, ssl.SSLError):
                pass
            *lines, waiting[session] = waiting[session].split(b"\n")
            for reply in map(json.loads, lines):
                found[reply.get("message") or reply["command"]] += 1
        try:
            data = b"" if found["target closed"] else target.socket.recv(16384)
            found["bytes the target read"] += len(data)
            found["target closed"] |= not data
        except ssl.SSLWantReadError:
            pass
        except (OSError, ssl.SSLError):
            found["target closed"] = 1
        time.sleep(0.02)
    return dict(found)


ATTACKS = [spraying, stuffing, half_handshakes, slow_bytes, datagrams_of_strangers, datagrams_of_sessions, relays]
