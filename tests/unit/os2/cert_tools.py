#!/usr/bin/python3
"""What other programs make of the certificate file, and what we make of theirs: openssl, Python's ssl,
Mono's X509Certificate2 and SslStream. cert_tools.py HELPER; HELPER is built from cert_helper.c."""
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

HELPER = sys.argv.pop(1)
PASSWORD = "a pass-word"

CSHARP = r"""
using System;
using System.IO;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

static class Tool
{
    static int Main(string[] a)
    {
        if (a[0] == "pfx") {
            var c = new X509Certificate2(a[1], a[2]);
            Console.WriteLine(c.HasPrivateKey + " " + c.GetCertHashString() + " " + c.Subject);
            return 0;
        }
        // connect PORT NAME: what is wrong with the server's certificate.
        var tcp = new TcpClient("127.0.0.1", int.Parse(a[1]));
        var errors = SslPolicyErrors.None;
        string hash = "";
        var tls = new SslStream(tcp.GetStream(), false, (sender, cert, chain, e) => {
            errors = e;
            hash = cert.GetCertHashString();
            return true;
        });
        tls.AuthenticateAsClient(a[2]);
        Console.WriteLine(hash + " " + errors);
        return 0;
    }
}
"""


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Opened:
    """What the helper said."""

    def __init__(self, text):
        lines = text.splitlines()
        self.ok = lines[0] == "ok"
        if self.ok:
            self.made, chain, self.sha256, self.key, self.names = lines[1:6]
            self.chain = int(chain)
        else:
            self.code, self.why = lines[1:3]


class CertificateFiles(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.pfx = self.folder / "server.pfx"

    def open(self, certificate="", key="", password=PASSWORD, public_ip="203.0.113.7", key_type="p256"):
        return Opened(run(HELPER, self.folder, certificate, key, password, "game.example", public_ip, key_type))

    def make(self, **options):
        self.pfx.unlink(missing_ok=True)
        made = self.open(**options)
        self.assertEqual(made.made, "made")
        self.cert = self.folder / "server.crt"
        self.key = self.folder / "server.key"
        run("openssl", "pkcs12", "-in", self.pfx, "-clcerts", "-nokeys", "-out", self.cert, "-passin",
            f"pass:{PASSWORD}")
        run("openssl", "pkcs12", "-in", self.pfx, "-nocerts", "-nodes", "-out", self.key, "-passin",
            f"pass:{PASSWORD}")
        return made

    def fingerprint(self, file, name="sha256"):
        return run("openssl", "x509", "-in", file, "-noout", "-fingerprint", f"-{name}").strip().split("=")[1]

    # ---- ours, read by others

    def test_openssl_reads_and_verifies(self):
        for key_type in ("p256", "rsa2048"):
            with self.subTest(key_type):
                made = self.make(key_type=key_type)
                self.assertEqual(self.fingerprint(self.cert), made.sha256)
                for extra in (["-verify_hostname", "game.example"], ["-verify_hostname", "eu.game.example"],
                              ["-verify_hostname", "localhost"], ["-verify_ip", "203.0.113.7"],
                              ["-verify_ip", "127.0.0.1"], ["-verify_ip", "::1"]):
                    run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", self.cert, *extra,
                        self.cert)
                text = run("openssl", "x509", "-in", self.cert, "-noout", "-text")
                self.assertIn("Version: 3", text)
                self.assertIn("CA:FALSE", text)
                self.assertIn("ecdsa-with-SHA256" if key_type == "p256" else "sha256WithRSAEncryption", text)

    def test_the_file_is_of_the_widely_read_kind(self):
        self.make()
        done = subprocess.run(["openssl", "pkcs12", "-in", self.pfx, "-info", "-noout", "-passin",
                               f"pass:{PASSWORD}"], capture_output=True, text=True, check=True)
        self.assertIn("MAC: sha1", done.stderr)
        self.assertEqual(done.stderr.count("pbeWithSHA1And3-KeyTripleDES-CBC"), 2)

    def serve(self):
        """A TLS server with the made certificate; returns its port. Each link is held until its client leaves."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        listener = self.enterContext(socket.create_server(("127.0.0.1", 0)))

        def accept():
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                with link:
                    link.settimeout(30)
                    try:
                        with context.wrap_socket(link, server_side=True) as tls:
                            tls.recv(1)
                    except OSError:
                        pass

        threading.Thread(target=accept, daemon=True).start()
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        return listener.getsockname()[1]

    def test_python_verifies_names_and_addresses(self):
        names = ["game.example", "eu.game.example", "localhost", "127.0.0.1", "203.0.113.7"]
        for key_type in ("p256", "rsa2048"):
            with self.subTest(key_type):
                self.make(key_type=key_type)
                port = self.serve()
                context = ssl.create_default_context(cafile=self.cert)
                for name in names:
                    with socket.create_connection(("127.0.0.1", port)) as link, \
                            context.wrap_socket(link, server_hostname=name) as tls:
                        der = tls.getpeercert(binary_form=True)
                        self.assertEqual(ssl.DER_cert_to_PEM_cert(der).strip(),
                                         re.search("-----BEGIN.*-----", self.cert.read_text(), re.S).group())
                with socket.create_connection(("127.0.0.1", port)) as link, \
                        self.assertRaises(ssl.SSLCertVerificationError):
                    context.wrap_socket(link, server_hostname="other.example")

    def test_mono_reads_the_file_and_connects(self):
        source, tool = self.folder / "tool.cs", self.folder / "tool.exe"
        source.write_text(CSHARP)
        run("mcs", "-nologo", f"-out:{tool}", source)
        env = {**os.environ, "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        for key_type in ("p256", "rsa2048"):
            with self.subTest(key_type):
                self.make(key_type=key_type)
                sha1 = self.fingerprint(self.cert, "sha1").replace(":", "")
                self.assertEqual(run("mono", tool, "pfx", self.pfx, PASSWORD, env=env).strip(),
                                 f"True {sha1} CN=game.example")
                # Nothing but the unknown root, which the documented client forgives.
                port = self.serve()
                for name in ("game.example", "localhost", "203.0.113.7", "127.0.0.1"):
                    self.assertEqual(run("mono", tool, "connect", port, name, env=env).strip(),
                                     f"{sha1} RemoteCertificateChainErrors", name)

    # ---- others', read by us

    def foreign(self, *export, password=PASSWORD):
        """A PFX that openssl writes from a made key and certificate; returns the certificate's fingerprint."""
        self.make()
        fingerprint = self.fingerprint(self.cert)
        run("openssl", "pkcs12", "-export", "-in", self.cert, "-inkey", self.key, "-out", self.folder / "foreign.pfx",
            "-passout", f"pass:{password}", *export)
        return fingerprint

    def test_reads_every_form_of_pfx(self):
        forms = {
            "openssl 3, PBES2 with AES-256": [],
            "openssl 1.1, RC2 and 3DES": ["-legacy"],
            "RC2 throughout": ["-legacy", "-keypbe", "PBE-SHA1-RC2-40", "-certpbe", "PBE-SHA1-RC2-40"],
            "3DES": ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"],
            "AES-128 and SHA-512": ["-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC", "-macalg", "sha512"],
            "no encryption": ["-keypbe", "NONE", "-certpbe", "NONE"],
            "no MAC": ["-nomac"],
            "no MAC, RC2": ["-nomac", "-legacy"],
        }
        for form, export in forms.items():
            with self.subTest(form):
                fingerprint = self.foreign(*export)
                # The password is tried first, second (the helper's default) and third (none).
                for password, setting in ((PASSWORD, PASSWORD), ("the default", "wrong"), ("", "wrong")):
                    run("openssl", "pkcs12", "-export", "-in", self.cert, "-inkey", self.key, "-out",
                        self.folder / "foreign.pfx", "-passout", f"pass:{password}", *export)
                    found = self.open(self.folder / "foreign.pfx", password=setting)
                    self.assertTrue(found.ok, getattr(found, "why", ""))
                    self.assertEqual(found.sha256, fingerprint)

    def test_a_wrong_password_is_named(self):
        for export in ([], ["-legacy"]):
            self.foreign(*export)
            found = self.open(self.folder / "foreign.pfx", password="wrong")
            self.assertEqual(found.code, "E_CONFIG")
            self.assertIn("tls.password does not open", found.why)
            self.assertNotIn("wrong", found.why)

    def test_a_pfx_lacking_something_is_named(self):
        self.make()
        lacking = self.folder / "lacking.pfx"
        run("openssl", "pkcs12", "-export", "-nokeys", "-in", self.cert, "-out", lacking, "-passout",
            f"pass:{PASSWORD}")
        self.assertIn("holds no private key", self.open(lacking).why)
        run("openssl", "pkcs12", "-export", "-nocerts", "-inkey", self.key, "-out", lacking, "-passout",
            f"pass:{PASSWORD}")
        self.assertIn("holds no certificate", self.open(lacking).why)

    def authority(self):
        """root -> middle -> leaf, as files; the leaf's key is encrypted in leaf.enc."""
        f = self.folder
        ext = f / "ca.ext"
        ext.write_text("basicConstraints=critical,CA:TRUE\n")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f / "root.key", "-out", f / "root.crt",
            "-subj", "/CN=root", "-days", "30")
        for name, issuer, extra in (("middle", "root", ["-extfile", ext]), ("leaf", "middle", [])):
            run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f / f"{name}.key", "-out", f / f"{name}.csr",
                "-subj", f"/CN={name}")
            run("openssl", "x509", "-req", "-in", f / f"{name}.csr", "-CA", f / f"{issuer}.crt", "-CAkey",
                f / f"{issuer}.key", "-CAcreateserial", "-out", f / f"{name}.crt", "-days", "30", *extra)
        run("openssl", "pkcs8", "-topk8", "-in", f / "leaf.key", "-out", f / "leaf.enc", "-passout", f"pass:{PASSWORD}")
        run("openssl", "rsa", "-aes128", "-traditional", "-in", f / "leaf.key", "-out", f / "leaf.old", "-passout",
            f"pass:{PASSWORD}")
        # Out of order and with a stranger: what is sent must be leaf, middle, root all the same.
        (f / "full.crt").write_text("".join((f / n).read_text() for n in ("leaf.crt", "root.crt", "middle.crt")))

    def test_reads_pem_pairs(self):
        self.authority()
        f = self.folder
        (f / "one.pem").write_text((f / "leaf.key").read_text() + (f / "full.crt").read_text())
        leaf = self.fingerprint(f / "leaf.crt")
        for certificate, key, chain in (("leaf.crt", "leaf.key", 0), ("full.crt", "leaf.key", 2),
                                        ("full.crt", "leaf.enc", 2), ("full.crt", "leaf.old", 2)):
            with self.subTest(f"{certificate} {key}"):
                found = self.open(f / certificate, f / key)
                self.assertTrue(found.ok, getattr(found, "why", ""))
                self.assertEqual((found.sha256, found.chain, found.key), (leaf, chain, "RSA 2048"))
        self.assertEqual(self.open(f / "one.pem").chain, 2)

    def test_reads_a_pfx_with_a_chain(self):
        self.authority()
        f = self.folder
        run("openssl", "pkcs12", "-export", "-in", f / "leaf.crt", "-inkey", f / "leaf.key", "-certfile", f / "full.crt",
            "-out", f / "chain.pfx", "-passout", f"pass:{PASSWORD}")
        found = self.open(f / "chain.pfx")
        self.assertEqual((found.sha256, found.chain), (self.fingerprint(f / "leaf.crt"), 2))

    def test_wrong_pem_is_named(self):
        self.authority()
        f = self.folder
        (f / "broken.crt").write_text((f / "leaf.crt").read_text().replace("MII", "!!!", 1))
        (f / "tail.crt").write_text((f / "full.crt").read_text()[:-200])
        for certificate, key, password, why in (
                ("leaf.crt", "middle.key", PASSWORD, "does not belong"),
                ("middle.crt", "leaf.key", PASSWORD, "does not belong"),
                ("leaf.crt", "leaf.enc", "wrong", "tls.password does not open it"),
                ("leaf.crt", "leaf.old", "wrong", "tls.password does not open it"),
                ("leaf.crt", "", PASSWORD, "holds no readable PEM private key"),
                ("leaf.crt", "leaf.crt", PASSWORD, "holds no readable PEM private key"),
                ("leaf.crt", "absent.key", PASSWORD, "tls.key"),
                ("leaf.key", "leaf.key", PASSWORD, "holds no certificate"),
                ("broken.crt", "leaf.key", PASSWORD, "damaged certificate"),
                ("tail.crt", "leaf.key", PASSWORD, "damaged certificate")):
            with self.subTest(f"{certificate} {key}"):
                found = self.open(f / certificate, f / key if key else "", password=password)
                self.assertFalse(found.ok)
                self.assertEqual(found.code, "E_CONFIG")
                self.assertIn(why, found.why)
                self.assertIn(str(f), found.why)
        run("openssl", "pkcs12", "-export", "-in", f / "leaf.crt", "-inkey", f / "leaf.key", "-out", f / "leaf.pfx",
            "-passout", f"pass:{PASSWORD}")
        self.assertIn("tls.key is set", self.open(f / "leaf.pfx", f / "leaf.key").why)


if __name__ == "__main__":
    unittest.main()
