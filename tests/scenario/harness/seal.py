"""The forms a racing datagram can have, written from the protocol's document.

A seal turns a message into a datagram and a datagram back into its message. `open` raises NotMine for
whatever is not exactly of its form.
"""
import base64
import gzip
import hashlib
import hmac
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .settings import DEFAULT_SECRET

GCM = "aes-256-gcm"
CBC_HMAC = "aes-256-cbc-hmac-sha256"


class NotMine(Exception):
    """The datagram is not of this form, or not under this key."""


def _cbc_encrypt(key, iv, text):
    pad = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return cipher.update(pad.update(text) + pad.finalize()) + cipher.finalize()


def _cbc_decrypt(key, iv, data):
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    strip = padding.PKCS7(128).unpadder()
    try:
        return strip.update(cipher.update(data) + cipher.finalize()) + strip.finalize()
    except ValueError as error:
        raise NotMine(str(error)) from error


class Plain:
    """JSON and a line feed."""

    def seal(self, text):
        return text + b"\n"

    def open(self, data):
        if not (data.startswith(b"{") and data.endswith(b"}\n")):
            raise NotMine("not JSON and one LF")
        return data[:-1]


class Legacy:
    """AES-256-CBC under a key made of the session id and a shared secret; the IV is half of that key."""

    def __init__(self, session_id, secret=DEFAULT_SECRET):
        digest = hashlib.sha256(session_id.encode("ascii") + secret.encode("utf-8")).digest()
        self.key, self.iv = digest, digest[16:]

    def seal(self, text):
        return self.frame(_cbc_encrypt(self.key, self.iv, text))

    @staticmethod
    def frame(ciphertext):
        return struct.pack("<i", len(ciphertext)) + ciphertext

    def open(self, data):
        if len(data) < 20 or len(data) % 16 != 4 or struct.unpack("<i", data[:4])[0] != len(data) - 4:
            raise NotMine("not a length and whole blocks")
        text = _cbc_decrypt(self.key, self.iv, data[4:])
        if not (text.startswith(b"{") and text.endswith(b"}")):
            raise NotMine("not one JSON object")
        return text


class Aead:
    """The negotiated form: "MPG1", connection id, sequence, ciphertext, tag; a key for each direction."""

    HEADER = struct.Struct(">4s8sQ")

    def __init__(self, grant):
        """`grant` is the member "udpAead" of the login's reply."""
        assert list(grant) in (["alg", "connId", "c2s", "s2c"], ["alg", "connId", "c2s", "s2c", "pack"]), grant
        self.alg = grant["alg"]
        self.conn_id = bytes.fromhex(grant["connId"])
        self.c2s = base64.b64decode(grant["c2s"], validate=True)
        self.s2c = base64.b64decode(grant["s2c"], validate=True)
        assert len(grant["connId"]) == 16 and self.alg in (GCM, CBC_HMAC)
        assert len(self.c2s) == len(self.s2c) == (36 if self.alg == GCM else 64)
        self.sequence = 0
        self.seen = set()

    def seal(self, text):
        self.sequence += 1
        header = self.HEADER.pack(b"MPG1", self.conn_id, self.sequence)
        if self.alg == GCM:
            nonce = self.c2s[32:] + header[12:]
            return header + AESGCM(self.c2s[:32]).encrypt(nonce, text, header)
        iv = os.urandom(16)
        body = header + iv + _cbc_encrypt(self.c2s[:32], iv, text)
        return body + hmac.new(self.c2s[32:], body, hashlib.sha256).digest()[:16]

    def open(self, data):
        if len(data) < 36 or data[:4] != b"MPG1" or data[4:12] != self.conn_id:
            raise NotMine("not this connection's form")
        header, body = data[:20], data[20:]
        sequence = self.HEADER.unpack(header)[2]
        assert sequence not in self.seen, f"the server used sequence {sequence} twice under one key"
        if self.alg == GCM:
            try:
                text = AESGCM(self.s2c[:32]).decrypt(self.s2c[32:] + header[12:], body, header)
            except InvalidTag as error:
                raise NotMine("tag does not fit") from error
        else:
            expected = hmac.new(self.s2c[32:], data[:-16], hashlib.sha256).digest()[:16]
            if not hmac.compare_digest(expected, data[-16:]):
                raise NotMine("tag does not fit")
            text = _cbc_decrypt(self.s2c[:32], body[:16], body[16:-16])
        self.seen.add(sequence)
        return text


class Zipped:
    """gzip inside another form, or bare when there is none."""

    def __init__(self, inner=None):
        self.inner = inner

    def seal(self, text):
        packed = gzip.compress(text)
        return self.inner.seal(packed) if self.inner else packed
