"""Sends datagrams that belong to nobody, as steadily as it can: flooder.py PORT PER_SECOND SECONDS SEED."""
import gzip
import random
import socket
import sys
import time


def main(port, per_second, seconds, seed):
    rng = random.Random(seed)
    stranger = "0123456789abcdef0123456789abcdef"
    update = ('{"command":"UPDATE","sessionId":"%s","position":{"x":1,"y":2,"z":3}}' % stranger).encode()
    kinds = [rng.randbytes(40), update, gzip.compress(update), b"MPG1" + rng.randbytes(100),
             b"\x90\0\0\0" + rng.randbytes(144), b"\xb0\x05\0\0" + rng.randbytes(1456), b"", rng.randbytes(1472), b"{" * 1000]
    links = []
    for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        for _ in range(30):
            link = socket.socket(type=socket.SOCK_DGRAM)
            link.bind((address, 0))
            link.connect(("127.0.0.1", port))
            links.append(link)
    start, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - start) < seconds:
        due = int(elapsed * per_second)
        while sent < due:
            try:
                links[sent % len(links)].send(kinds[sent % len(kinds)])
            except ConnectionError:
                pass
            sent += 1
        time.sleep(0.002)
    print(sent)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
