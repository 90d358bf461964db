"""The server's certificate: made once with every name, or brought along as PFX or PEM."""
import datetime
import re
import socket
import ssl
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness import certificates
from harness.messages import PONG
from harness.settings import PFX_PASSWORD

DEFAULT_PUBLIC_IP = "89.114.116.19"


def load(server, password=PFX_PASSWORD):
    key, certificate, _ = pkcs12.load_key_and_certificates(
        (server.data_dir / "server.pfx").read_bytes(), password.encode())
    return key, certificate


def names(certificate):
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (set(san.get_values_for_type(x509.DNSName)),
            {str(address) for address in san.get_values_for_type(x509.IPAddress)})


def fails_to_start(server):
    """Starts a server that must not come up; returns its log."""
    server.start(wait_ready=False)
    assert server.wait_exit() in (1, 2)
    return server.log()


# ---- made by the server

def test_it_is_made_at_the_first_start_and_kept(new_server):
    server = new_server()
    path = server.data_dir / "server.pfx"
    before, shown = path.read_bytes(), certificates.shown(server)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.restart()
    assert path.read_bytes() == before
    assert certificates.shown(server) == shown == certificates.sha256(load(server)[1])


def test_what_it_says(server):
    key, certificate = load(server)
    assert isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1"
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "racing-server"
    assert certificate.subject == certificate.issuer
    assert certificate.signature_hash_algorithm.name == "sha256"
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH in extended


def test_it_lives_for_five_years(server):
    certificate = load(server)[1]
    now = datetime.datetime.utcnow()
    assert datetime.timedelta(hours=12) < now - certificate.not_valid_before < datetime.timedelta(days=2)
    assert datetime.timedelta(days=5 * 365 - 2) < certificate.not_valid_after - now < datetime.timedelta(days=5 * 366)


def test_names_and_addresses_by_default(server):
    dns, addresses = names(load(server)[1])
    assert {"racing-server", "localhost", "*.racing-server", DEFAULT_PUBLIC_IP, socket.gethostname()} <= dns
    assert {"127.0.0.1", "::1", DEFAULT_PUBLIC_IP} <= addresses


def test_configured_names_and_addresses(new_server):
    server = new_server(tls__hostname="race.example.org", tls__public_ip="203.0.113.9")
    certificate = load(server)[1]
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "race.example.org"
    dns, addresses = names(certificate)
    assert {"race.example.org", "*.race.example.org", "localhost", "203.0.113.9"} <= dns
    assert {"203.0.113.9", "127.0.0.1", "::1"} <= addresses
    assert DEFAULT_PUBLIC_IP not in dns | addresses and "racing-server" not in dns


def test_a_public_ipv6_address(new_server):
    dns, addresses = names(load(new_server(tls__public_ip="2001:db8::5"))[1])
    assert "2001:db8::5" in addresses


def test_an_empty_public_address_means_none(new_server):
    dns, addresses = names(load(new_server(tls__public_ip=""))[1])
    assert DEFAULT_PUBLIC_IP not in dns | addresses and "" not in dns
    assert {"127.0.0.1", "::1"} <= addresses


def test_the_documents_two_variables(new_server):
    server = new_server(start=False)
    server.env = {"SERVER_HOSTNAME": "variable.example", "SERVER_PUBLIC_IP": "203.0.113.77"}
    server.start()
    dns, addresses = names(load(server)[1])
    assert "variable.example" in dns and "203.0.113.77" in addresses


def test_the_products_variable_goes_before_the_documents(new_server):
    server = new_server(start=False, tls__hostname="from-set")
    server.env = {"SERVER_HOSTNAME": "variable", "SERVER_PUBLIC_IP": "203.0.113.77",
                  "SLIPGATE_TLS_PUBLIC_IP": "203.0.113.88", "SLIPGATE_TLS_HOSTNAME": "other"}
    server.start()
    dns, addresses = names(load(server)[1])
    assert "from-set" in dns and {"variable", "other"}.isdisjoint(dns)
    assert "203.0.113.88" in addresses and "203.0.113.77" not in addresses


def test_the_default_public_address_is_warned_about(server, new_server):
    assert re.search(r"public_ip|SERVER_PUBLIC_IP", server.log()), "the default is somebody else's address"
    assert "SERVER_PUBLIC_IP" not in new_server(tls__public_ip="203.0.113.9").log()


def test_a_public_address_that_is_none_is_a_clear_error(new_server):
    server = new_server(start=False, tls__public_ip="300.1.2.3")
    assert "tls.public_ip" in fails_to_start(server)
    assert not (server.data_dir / "server.pfx").exists()


def test_rsa_on_request(new_server):
    key, certificate = load(new_server(tls__key_type="rsa2048"))
    assert isinstance(key, rsa.RSAPrivateKey) and key.key_size == 2048


def test_the_documents_export_recipe(server, tmp_path):
    out = tmp_path / "server-public.pem"
    subprocess.run(["openssl", "pkcs12", "-in", server.data_dir / "server.pfx", "-clcerts", "-nokeys", "-out", out,
                    "-passin", f"pass:{PFX_PASSWORD}"], check=True, capture_output=True)
    certificate = x509.load_pem_x509_certificate(out.read_bytes())
    assert certificates.sha256(certificate) == certificates.shown(server)


def test_a_client_that_trusts_the_export_verifies_every_name(server, tmp_path):
    subprocess.run(["openssl", "pkcs12", "-in", server.data_dir / "server.pfx", "-clcerts", "-nokeys",
                    "-out", tmp_path / "ca.pem", "-passin", f"pass:{PFX_PASSWORD}"], check=True, capture_output=True)
    for name in ("localhost", "127.0.0.1", "racing-server", DEFAULT_PUBLIC_IP):
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            with context.wrap_socket(raw, server_hostname=name) as tls:
                assert tls.recv(100).startswith(b"CONNECTED|")
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(raw, server_hostname="elsewhere.example")


def test_a_password_of_ones_own(new_server):
    server = new_server(tls__password="my own password")
    load(server, "my own password")
    server.restart()
    assert certificates.shown(server) == certificates.sha256(load(server, "my own password")[1])


def test_fingerprints_are_printed_at_the_start(server):
    certificate = load(server)[1]
    log = server.log().replace(":", "").lower()
    assert certificates.sha1(certificate) in log
    assert certificates.sha256(certificate) in log


# ---- brought along

def test_own_pem_pair(new_server, connect, tmp_path):
    key, certificate = certificates.make("own.example")
    certificates.write_pem(key, certificate, tmp_path / "own.crt", tmp_path / "own.key")
    server = new_server(tls__certificate=tmp_path / "own.crt", tls__key=tmp_path / "own.key")
    assert certificates.shown(server) == certificates.sha256(certificate)
    assert connect(server).ask("PING") == PONG
    assert not (server.data_dir / "server.pfx").exists(), "nothing is made where one was given"


@pytest.mark.parametrize("password,configured", [("own secret", "own secret"), (PFX_PASSWORD, None), ("", None)],
                         ids=["configured", "the document's", "none"])
def test_own_pfx(new_server, tmp_path, password, configured):
    key, certificate = certificates.make("own.example")
    certificates.write_pfx(key, certificate, tmp_path / "own.pfx", password)
    options = {"tls__password": configured} if configured else {}
    server = new_server(tls__certificate=tmp_path / "own.pfx", **options)
    assert certificates.shown(server) == certificates.sha256(certificate)


def test_own_pfx_in_the_place_of_the_made_one(new_server):
    server = new_server(start=False)
    key, certificate = certificates.make("own.example")
    path = server.data_dir / "server.pfx"
    certificates.write_pfx(key, certificate, path, PFX_PASSWORD)
    before = path.read_bytes()
    server.start()
    assert certificates.shown(server) == certificates.sha256(certificate)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: b"garbage", lambda d: d[:200],
                                    lambda d: d[:100] + bytes([d[100] ^ 0xff]) + d[101:]],
                         ids=["empty", "garbage", "cut", "flipped"])
def test_a_damaged_file_ends_the_start_and_is_left_alone(new_server, damage):
    server = new_server()
    server.stop()
    path = server.data_dir / "server.pfx"
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    log = fails_to_start(server)
    assert "server.pfx" in log
    assert path.read_bytes() == damaged


def test_a_wrong_password_ends_the_start(new_server, tmp_path):
    key, certificate = certificates.make()
    path = tmp_path / "own.pfx"
    certificates.write_pfx(key, certificate, path, "right")
    before = path.read_bytes()
    log = fails_to_start(new_server(start=False, tls__certificate=path, tls__password="wrong"))
    assert "own.pfx" in log and "right" not in log.replace("copyright", "")
    assert path.read_bytes() == before


def test_a_missing_file_ends_the_start(new_server, tmp_path):
    assert "nowhere.pem" in fails_to_start(new_server(
        start=False, tls__certificate=tmp_path / "nowhere.pem", tls__key=tmp_path / "nowhere.key"))


def test_a_key_of_another_certificate_ends_the_start(new_server, tmp_path):
    certificates.write_pem(*certificates.make(), tmp_path / "a.crt", tmp_path / "a.key")
    certificates.write_pem(*certificates.make(), tmp_path / "b.crt", tmp_path / "b.key")
    log = fails_to_start(new_server(start=False, tls__certificate=tmp_path / "a.crt", tls__key=tmp_path / "b.key"))
    assert "b.key" in log or "tls.key" in log
