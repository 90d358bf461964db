#!/usr/bin/env python3
"""A player program as the protocol's client guide describes it for Python: asyncio, no checks, no retries.

Its habits are the point, so do not make it better than a guide's reader would:
- it opens TLS to a host name with every check off, and takes the part behind the bar of the first line as its id;
- it logs in with NAME and then just waits half a second; whoever is not logged in by then does nothing more;
- replies are read by a task of their own, which prints them and acts on four commands;
- its UDP socket is IPv4, is never bound, and sends to the same host *name*, sealed once the login said so.

Run: guide_client.py HOST PORT NAME PASSWORD [--wait-before-start]
With --wait-before-start it waits for a line on standard input between creating the room and starting the game.
"""
import asyncio
import hashlib
import json
import socket
import ssl
import struct
import sys

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SHARED_SECRET = "RacingServerUDP2024!"
LOGIN_WAIT_S = 0.5
UPDATES = 10
UPDATE_EVERY_S = 0.1


def say(*words):
    print(*words, flush=True)


class DatagramSeal:
    """The guide's AES-256-CBC: key and IV out of one hash of the id and the shared secret."""

    def __init__(self, session_id):
        digest = hashlib.sha256((session_id + SHARED_SECRET).encode()).digest()
        self._cipher = Cipher(algorithms.AES(digest), modes.CBC(digest[16:]))

    def seal(self, text):
        pad = padding.PKCS7(algorithms.AES.block_size).padder()
        encrypt = self._cipher.encryptor()
        body = encrypt.update(pad.update(text.encode()) + pad.finalize()) + encrypt.finalize()
        return struct.pack("<I", len(body)) + body


class GuideClient:
    def __init__(self, host, port):
        self.host, self.port = host, port
        self.session_id = None
        self.logged_in = False
        self.room_id = None
        self.games_started = 0
        self.udp = None
        self.seal = None
        self._listener = None

    async def connect(self):
        trust_everybody = ssl.create_default_context()
        trust_everybody.check_hostname = False
        trust_everybody.verify_mode = ssl.CERT_NONE
        self._reader, self._writer = await asyncio.open_connection(self.host, self.port, ssl=trust_everybody)
        greeting = (await self._reader.readline()).decode().strip()
        if not greeting.startswith("CONNECTED|"):
            return False
        self.session_id = greeting.split("|")[1]
        say("id", self.session_id)
        self._listener = asyncio.create_task(self._listen())
        return True

    async def login(self, name, password):
        await self._command(command="NAME", name=name, password=password)
        await asyncio.sleep(LOGIN_WAIT_S)
        return self.logged_in

    async def create_room(self, name):
        if self.logged_in:
            await self._command(command="CREATE_ROOM", name=name)

    async def start_game(self):
        if self.logged_in:
            await self._command(command="START_GAME")

    def send_position(self, x, y, z, rx, ry, rz, rw):
        if not self.logged_in or self.udp is None:
            return
        text = json.dumps({"command": "UPDATE", "sessionId": self.session_id,
                           "position": {"x": x, "y": y, "z": z},
                           "rotation": {"x": rx, "y": ry, "z": rz, "w": rw}})
        self.udp.sendto(self.seal.seal(text) if self.seal else text.encode(), (self.host, self.port))
        say("datagram", text)

    async def _command(self, **members):
        self._writer.write((json.dumps(members) + "\n").encode())
        await self._writer.drain()

    async def _listen(self):
        while line := await self._reader.readline():
            text = line.decode().strip()
            say("line", text)
            self._act(json.loads(text))

    def _act(self, message):
        command = message.get("command")
        if command == "NAME_OK":
            self.logged_in = message.get("authenticated", False)
            if self.logged_in and message.get("udpEncryption", False):
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self.seal = DatagramSeal(self.session_id)
        elif command == "ROOM_CREATED":
            self.room_id = message.get("roomId")
        elif command == "GAME_STARTED":
            self.games_started += 1

    def disconnect(self):
        if self.udp:
            self.udp.close()
        self._listener.cancel()
        self._writer.close()


async def main(host, port, name, password, wait=None):
    client = GuideClient(host, int(port))
    if await client.connect():
        if await client.login(name, password):
            await client.create_room("Python Test Room")
            if wait == "--wait-before-start":
                await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            await client.start_game()
            for i in range(UPDATES):
                client.send_position(i, 0, 0, 0, 0, 0, 1)
                await asyncio.sleep(UPDATE_EVERY_S)
        say("logged in" if client.logged_in else "not logged in")
        client.disconnect()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
