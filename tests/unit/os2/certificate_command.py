#!/usr/bin/python3
"""`slipgate certificate show|renew` as scripts see it. certificate_command.py SLIPGATE"""
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SLIPGATE = sys.argv.pop(1)


class CertificateCommand(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.pfx = self.folder / "server.pfx"

    def run_it(self, *arguments, code=0, **settings):
        options = {"data.dir": self.folder, **{key.replace("__", "."): value for key, value in settings.items()}}
        command = [SLIPGATE, "certificate", *arguments, "--config", os.devnull]
        for key, value in options.items():
            command += ["--set", f"{key}={value}"]
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("SLIPGATE_", "SERVER_"))}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False, env=clean)
        self.assertEqual(done.returncode, code, done)
        if code:
            self.assertEqual(done.stdout, "")
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            return done.stderr
        self.assertEqual(done.stderr, "")
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    def fingerprint(self, path, name="sha256", password="RacingServer2024!"):
        pem = subprocess.run(["openssl", "pkcs12", "-in", path, "-nokeys", "-passin", f"pass:{password}"],
                             capture_output=True, check=True).stdout
        return subprocess.run(["openssl", "x509", "-noout", "-fingerprint", f"-{name}"], input=pem, capture_output=True,
                              check=True).stdout.decode().strip().split("=")[1]

    def test_show_says_when_there_is_none(self):
        self.assertIn("does not exist yet", self.run_it("show", code=1))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_renew_makes_the_first_one(self):
        made = self.run_it("renew", "--json", tls__hostname="game.example", tls__public_ip="")
        self.assertNotIn("old_file", made)
        self.assertEqual((made["file"], made["subject"], made["key"]), (str(self.pfx), "game.example", "EC P-256"))
        self.assertEqual(made["sha1"], self.fingerprint(self.pfx, "sha1"))
        self.assertEqual(made["sha256"], self.fingerprint(self.pfx))
        self.assertLessEqual({"DNS:game.example", "DNS:localhost", "IP:127.0.0.1"}, set(made["names"]))
        self.assertEqual(made["missing_names"], [])
        self.assertIn(made["days_left"], (1825, 1826))
        after = datetime.datetime.strptime(made["not_after"], "%Y-%m-%dT%H:%M:%SZ")
        before = datetime.datetime.strptime(made["not_before"], "%Y-%m-%dT%H:%M:%SZ")
        self.assertLessEqual(abs(after.replace(year=after.year - 5) - before).days, 2)

    def test_renew_keeps_the_old_one(self):
        old = self.run_it("renew", "--json")
        bytes_before = self.pfx.read_bytes()
        new = self.run_it("renew", "--json", tls__password="another")
        self.assertNotEqual(new["sha256"], old["sha256"])
        self.assertRegex(new["old_file"], re.escape(str(self.pfx)) + r"\.old-\d{8}T\d{6}Z$")
        self.assertEqual(Path(new["old_file"]).read_bytes(), bytes_before)
        self.assertEqual(self.fingerprint(self.pfx, password="another"), new["sha256"])
        self.assertEqual({path.name for path in self.folder.iterdir()},
                         {"server.pfx", Path(new["old_file"]).name})
        for path in self.folder.iterdir():
            self.assertEqual(path.stat().st_mode & 0o7777, 0o600)

    @unittest.skipUnless(os.geteuid() == 0, "only root may give files away")
    def test_renew_by_root_leaves_the_owner(self):
        self.run_it("renew")
        os.chown(self.pfx, 12345, 23456)
        self.run_it("renew")
        self.assertEqual((self.pfx.stat().st_uid, self.pfx.stat().st_gid), (12345, 23456))

    def test_renew_replaces_one_that_cannot_be_read(self):
        self.pfx.write_text("rubbish")
        self.assertIn("server.pfx", self.run_it("show", code=2))
        kept = Path(self.run_it("renew", "--json")["old_file"])
        self.assertEqual(kept.read_text(), "rubbish")

    def test_renew_leaves_all_as_it_was_when_it_fails(self):
        self.run_it("renew")
        before = self.pfx.read_bytes()
        self.assertIn("tls.public_ip", self.run_it("renew", code=2, tls__public_ip="300.1.1.1"))
        self.assertEqual([path.name for path in self.folder.iterdir()], ["server.pfx"])
        self.assertEqual(self.pfx.read_bytes(), before)

    def test_own_files_are_not_renewed(self):
        own = self.folder / "own.pfx"
        self.run_it("renew")
        self.pfx.rename(own)
        self.assertIn("tls.certificate", self.run_it("renew", code=2, tls__certificate=own))
        shown = self.run_it("show", "--json", tls__certificate=own)
        self.assertEqual((shown["sha256"], shown["missing_names"]), (self.fingerprint(own), []))
        self.assertFalse(self.pfx.exists())

    def test_show_in_words(self):
        self.run_it("renew")
        text = self.run_it("show", tls__hostname="other.example")
        self.assertIn(f"SHA-256: {self.fingerprint(self.pfx)}\n", text)
        self.assertIn(f"SHA-1:   {self.fingerprint(self.pfx, 'sha1')}\n", text)
        self.assertIn("missing: other.example", text)
        self.assertNotIn("missing", self.run_it("show"))


if __name__ == "__main__":
    unittest.main()
