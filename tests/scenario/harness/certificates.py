"""Certificates as files and as what a connection shows."""
import datetime
import hashlib
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from .player import Player


def make(common_name="test.example"):
    """A fresh key and a self-signed certificate for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name),
                                                    x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256()))
    return key, certificate


def write_pem(key, certificate, certificate_path, key_path):
    """Each file is replaced whole, the key first: what a careful administrator does."""
    replace(key_path, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                        serialization.NoEncryption()))
    replace(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))


def write_pfx(key, certificate, path, password):
    encryption = (serialization.BestAvailableEncryption(password.encode()) if password
                  else serialization.NoEncryption())
    replace(path, pkcs12.serialize_key_and_certificates(b"test", key, certificate, None, encryption))


def replace(path, data):
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(data)
    temporary.chmod(0o600)
    temporary.replace(path)


def sha1(certificate):
    return certificate.fingerprint(hashes.SHA1()).hex()


def sha256(certificate):
    return certificate.fingerprint(hashes.SHA256()).hex()


def shown(server):
    """The SHA-256 fingerprint that a new connection sees."""
    player = Player(server)
    try:
        return hashlib.sha256(player.socket.getpeercert(binary_form=True)).hexdigest()
    finally:
        player.close()
