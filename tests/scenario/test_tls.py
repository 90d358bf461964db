"""What the port speaks: TLS 1.2 and 1.3 with forward secrecy, and nothing else."""
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness import settings
from harness.messages import BYE_OK, PONG
from harness.player import client_context
from harness.waiting import until


def raw_connection(server):
    link = socket.create_connection(("127.0.0.1", server.port), timeout=settings.DEADLINE_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def everything(link, deadline_s=None):
    """All bytes until the other side closes."""
    link.settimeout(deadline_s or settings.DEADLINE_S)
    data = b""
    try:
        while more := link.recv(65536):
            data += more
    except ConnectionError:
        pass
    return data


def only(version, **options):
    context = client_context()
    context.minimum_version = context.maximum_version = version
    if version < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
    for name, value in options.items():
        getattr(context, name)(value)
    return context


@pytest.mark.parametrize("version,name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_tls_1_2_and_1_3(connect, version, name):
    player = connect(context=only(version))
    assert player.socket.version() == name
    assert player.ask("PING") == PONG


def accepts(context, certificate):
    """Whether a server that allows everything would talk to this client: shows that the client can speak."""
    allow = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    allow.minimum_version = ssl.TLSVersion.TLSv1
    allow.set_ciphers("ALL:@SECLEVEL=0")
    allow.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            link, _ = listener.accept()
            try:
                allow.wrap_socket(link, server_side=True).close()
            except OSError:
                pass
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=settings.DEADLINE_S) as link:
                context.wrap_socket(link).close()
            return True
        except ssl.SSLError:
            return False
        finally:
            thread.join()


@pytest.fixture(scope="module")
def any_certificate(tmp_path_factory):
    """A throw-away RSA certificate for the server that allows everything."""
    path = tmp_path_factory.mktemp("any") / "any.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=any", "-days", "2",
                    "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + open(f"{path}.crt", "rb").read())
    return path


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
def test_older_versions_are_refused(connect, any_certificate, version):
    context = only(version)
    assert accepts(context, any_certificate), "this client cannot speak the version at all"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(context=context)
    assert connect().ask("PING") == PONG


def test_only_suites_with_forward_secrecy(new_server, connect, any_certificate):
    """With an RSA key a server could agree to key transport; it must not."""
    server = new_server(tls__key_type="rsa2048")
    for suites in ("AES256-GCM-SHA384:AES128-GCM-SHA256", "AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA"):
        context = only(ssl.TLSVersion.TLSv1_2, set_ciphers=suites)
        assert accepts(context, any_certificate), "this client cannot speak these suites at all"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(server, context=context)
    player = connect(server, context=only(ssl.TLSVersion.TLSv1_2))
    assert player.socket.cipher()[0].startswith("ECDHE-RSA-")


def test_plaintext_on_the_port_is_closed_without_a_welcome(server, settled, connect):
    for data in (b'{"command":"PING"}\n', b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"hello\n", b"\0" * 100):
        with raw_connection(server) as link:
            link.sendall(data)
            answer = everything(link)
        assert b"CONNECTED" not in answer and b"{" not in answer
        assert answer == b"" or answer[0] == 0x15, "at most a TLS alert"
    settled(connect())


def test_nothing_is_said_before_the_handshake(server):
    with raw_connection(server) as link:
        link.settimeout(0.5)
        with pytest.raises(socket.timeout):
            link.recv(1)


def client_hello(size=None):
    """The first bytes of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = client_context().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    return outgoing.read()[:size]


def test_a_silent_half_or_dripping_handshake_ends_after_ten_seconds_and_holds_nobody_up(server, connect):
    start = time.monotonic()
    links = {"silent": raw_connection(server), "half a hello": raw_connection(server),
             "hello and silence": raw_connection(server), "a byte now and then": raw_connection(server)}
    links["half a hello"].sendall(client_hello(100))
    links["hello and silence"].sendall(client_hello())
    drip = iter(client_hello())
    ended = {}
    while len(ended) < len(links):
        now = time.monotonic() - start
        assert now < 20, f"still open: {set(links) - set(ended)}"
        for kind, link in links.items():
            if kind in ended:
                continue
            try:
                if kind == "a byte now and then":
                    link.sendall(bytes([next(drip)]))
                link.settimeout(0.05)
                while link.recv(65536):
                    pass
                ended[kind] = time.monotonic() - start
            except socket.timeout:
                pass
            except OSError:
                ended[kind] = time.monotonic() - start
        assert connect().ask("PING") == PONG
        time.sleep(0.4)
    for kind, seconds in ended.items():
        assert 9 <= seconds <= 14, (kind, seconds)
    for link in links.values():
        link.close()


def test_a_reset_in_the_middle_of_a_handshake(server, connect, settled):
    files = server.open_files()
    for size in (0, 1, 5, 60, None):
        link = raw_connection(server)
        link.sendall(client_hello(size))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        link.close()
    until(lambda: server.open_files() <= files, "the server lets go of the connections")
    settled(connect())


def test_the_handshake_in_small_pieces(server):
    """A handshake whose bytes come one by one is as good as any other."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing)
    with raw_connection(server) as link:
        def flush():
            for byte in outgoing.read():
                link.sendall(bytes([byte]))

        def drive(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    flush()
                    incoming.write(link.recv(65536))
                finally:
                    flush()

        drive(tls.do_handshake)
        assert drive(lambda: tls.read(100)).startswith(b"CONNECTED|")
        tls.write(b'{"command":"PING"}\n')
        assert drive(lambda: tls.read(100)) == PONG + b"\n"


def test_no_renegotiation_and_no_compression(connect):
    player = connect(context=only(ssl.TLSVersion.TLSv1_2))
    assert player.socket.compression() is None


def test_garbage_inside_an_established_connection(connect, settled):
    """Bytes that are no TLS record end that connection and no other."""
    player = connect()
    # Under the TLS layer: the socket that it writes to.
    with socket.socket(fileno=socket.dup(player.socket.fileno())) as below:
        below.sendall(b"\x17\x03\x03\x00\x20" + b"\xaa" * 32)
        player.closing()
    settled(connect())


def test_a_client_that_says_goodbye_to_tls_gets_its_last_replies(server):
    """What `printf ... | openssl s_client` does: lines, then the end."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing)
    with raw_connection(server) as link:
        def step(action):
            while True:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    link.sendall(outgoing.read())
                    data = link.recv(65536)
                    incoming.write(data) if data else incoming.write_eof()
        step(tls.do_handshake)
        tls.write(b'{"command":"PING"}\n{"command":"PING"}\n')
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        link.sendall(outgoing.read())  # the handshake's end, two lines and the goodbye, in one write
        answer = b""
        while not answer.endswith(PONG + b"\n" + PONG + b"\n"):
            data = link.recv(65536)
            assert data, f"closed after {answer!r}"
            incoming.write(data)
            with pytest.raises((ssl.SSLWantReadError, ssl.SSLZeroReturnError)):
                while True:
                    answer += tls.read(65536)


def test_a_client_that_says_goodbye_to_tls_leaves_its_room(join_server):
    host, guest = join_server(), join_server()
    guest.join(host.create_room())
    try:
        host.socket.unwrap()
    except OSError:
        pass  # the server may be quicker to close than this client to read its goodbye
    until(lambda: guest.players_in_room() == [(guest.id, guest.name)], "the host has left")


def test_the_guides_openssl_line(server):
    """Lines piped through the tool that the guide names for looking at the port."""
    lines = b'{"command":"PING"}\n{"command":"BYE"}\n'
    result = subprocess.run(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{server.port}",
                             "-servername", "localhost"], input=lines, capture_output=True,
                            timeout=2 * settings.DEADLINE_S)
    assert result.stdout[:10] == b"CONNECTED|" and result.stdout[43:] == PONG + b"\n" + BYE_OK + b"\n", result


def test_a_resumed_tls_session_is_a_new_player(server, connect):
    context = only(ssl.TLSVersion.TLSv1_2)
    first = connect(context=context)
    with socket.create_connection(("127.0.0.1", server.port), timeout=settings.DEADLINE_S) as raw:
        with context.wrap_socket(raw, session=first.socket.session) as again:
            welcome = again.recv(100)
            assert welcome.startswith(b"CONNECTED|") and len(welcome) == 43
            assert welcome[10:42].decode() != first.id
            again.sendall(b'{"command":"PLAYER_INFO"}\n')
            assert b'"name":"Anonymous"' in again.recv(1000)
