"""A new certificate is taken up while the game goes on: by signal and by itself."""
import signal

import pytest

from harness import certificates
from harness.messages import PONG
from harness.player import delivered
from harness.settings import PFX_PASSWORD
from harness.waiting import until


@pytest.fixture
def own(new_server, tmp_path):
    """A server on a PEM pair, and a function that replaces the pair and returns the new fingerprint."""
    paths = tmp_path / "own.crt", tmp_path / "own.key"

    def replace():
        key, certificate = certificates.make()
        certificates.write_pem(key, certificate, *paths)
        return certificates.sha256(certificate)

    first = replace()
    server = new_server(tls__certificate=paths[0], tls__key=paths[1])
    assert certificates.shown(server) == first
    return server, paths, replace


def shows(server, fingerprint):
    until(lambda: certificates.shown(server) == fingerprint, "the new certificate is shown", 30, 0.1)


def test_sighup_shows_the_new_certificate_to_new_connections(own, race):
    server, _, replace = own
    first, second = race("legacy", "gcm", server=server)
    fingerprint = replace()
    server.signal(signal.SIGHUP)
    shows(server, fingerprint)
    for player in (first, second):
        assert player.ask("PING") == PONG
    delivered(first, [second], first.update(x=1))
    delivered(second, [first], second.update(x=2))


def test_a_changed_file_is_noticed_without_a_signal(own, connect):
    server, _, replace = own
    player = connect(server)
    shows(server, replace())
    shows(server, replace())
    assert player.ask("PING") == PONG


def test_a_changed_pfx_is_noticed(new_server, connect):
    server = new_server()
    player = connect(server)
    key, certificate = certificates.make()
    certificates.write_pfx(key, certificate, server.data_dir / "server.pfx", PFX_PASSWORD)
    shows(server, certificates.sha256(certificate))
    assert player.ask("PING") == PONG
    until(lambda: certificates.sha256(certificate) in server.log().replace(":", "").lower(),
          "the new fingerprint is printed for those who pin it")


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["empty", "garbage", "missing"])
def test_a_broken_replacement_keeps_the_old_certificate(own, damage):
    server, (certificate_path, _), replace = own
    before = certificates.shown(server)
    if damage is None:
        certificate_path.unlink()
    else:
        certificates.replace(certificate_path, damage)
    lines = len(server.log_lines())
    server.signal(signal.SIGHUP)
    until(lambda: any("own.crt" in line for line in server.log_lines()[lines:]), "the failure is logged")
    assert certificates.shown(server) == before
    shows(server, replace())


def test_a_certificate_whose_key_comes_later(own):
    """Between the two writes the pair does not fit; the old one stays until it does."""
    server, (certificate_path, key_path), _ = own
    before = certificates.shown(server)
    key, certificate = certificates.make()
    spare = certificate_path.with_name("spare.crt"), certificate_path.with_name("spare.key")
    certificates.write_pem(key, certificate, *spare)
    spare[0].replace(certificate_path)
    server.signal(signal.SIGHUP)
    server.wait_log(r"own\.(crt|key)|tls\.key", "the failure is logged")
    assert certificates.shown(server) == before
    spare[1].replace(key_path)
    shows(server, certificates.sha256(certificate))
