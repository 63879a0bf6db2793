"""The Debian packages and the image as their users meet them. The Dockerfile's stages are made in clean roots, so that the
packages tested are those that the declared build packages suffice for; then a Debian of its own, with a systemd of its
own (machine.py), installs, upgrades and purges them. The order of `Life` is that of an installation."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import debs
import dockerfile
import machine
import peers
import root

TREE = HERE.parent.parent
FAKE_SERVER = os.environ["SMTP_FAKE_SERVER"]
DOCKERFILE = (TREE / "deploy/docker/Dockerfile").read_text()
UNIT = "smtp_probe_exporter.service"
CONFIG = "/etc/smtp-probe/smtp-probe.yml"
CHECK = "/usr/lib/nagios/plugins/check_smtp_probe"
PLACE = "/usr/lib/nagios/plugins/check_smtp"
NAMES = ["check-smtp-probe", "smtp-probe-exporter", "smtp-probe-dashboards"]
REVISION = "0123456789ab"

BUILD, DEBS, FOLDER = None, {}, None


def setUpModule():
    global BUILD, FOLDER
    os.nice(10)  # a compiler, beside tests that look at clocks
    root.tidy()
    begun = time.monotonic()
    root.minimal()
    took = {"minimal system": time.monotonic() - begun}
    begun = time.monotonic()
    BUILD = dockerfile.Build(DOCKERFILE, TREE, {"SMTPPROBE_REVISION": REVISION})
    unittest.addModuleCleanup(BUILD.close)
    took["stages of the Dockerfile"] = time.monotonic() - begun
    print(", ".join(f"{what}: {seconds:.1f} s" for what, seconds in took.items()), flush=True)
    FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="debs-", dir=root.ROOTS))
    unittest.addModuleCleanup(shutil.rmtree, FOLDER, ignore_errors=True)
    for deb in sorted(BUILD.roots["packages"].upper.glob("*.deb")):
        DEBS[deb.name.split("_")[0]] = deb


class Linted(unittest.TestCase):

    def test_the_dockerfile_has_no_findings(self):
        self.assertEqual(dockerfile.findings(DOCKERFILE), [])

    def test_the_checks_find_what_they_are_for(self):
        bad = ("FROM debian\nRUN apt-get update && sudo apt-get install g++\nRUN cd /x && make\nWORKDIR src\n"
               "ENV DEBIAN_FRONTEND=noninteractive\nFROM debian:latest\nUSER root\nCMD run me\n")
        said = {(line, what.split(":")[0]) for line, what in dockerfile.findings(bad)}
        self.assertEqual(said, {
            (1, "a base image without a tag"), (2, "sudo"), (2, "the apt lists stay in the layer"),
            (2, "recommended packages"), (3, "cd in place of WORKDIR"), (4, "a relative WORKDIR"),
            (5, "DEBIAN_FRONTEND stays in the image"), (6, "the tag latest changes by itself"),
            (6, "not one ENTRYPOINT"), (7, "USER is not a number other than 0"), (8, "CMD in the shell's form")})
        for word in ("ADD x /", "HEALTHCHECK x", "FRUM x"):
            with self.assertRaises(ValueError):
                dockerfile.parse(word)

    def test_lintian_has_nothing_to_say(self):
        words = ["lintian", "--allow-root", "--fail-on", "error,warning", "--display-info", *DEBS.values()]
        said = root.checked(root.run(words), words)
        self.assertNotIn("hardening-", said)
        self.assertNotRegex(said, "(?m)^[EW]:")

    def test_each_package_says_what_it_needs(self):
        self.assertEqual(sorted(DEBS), sorted(NAMES))
        self.assertEqual([debs.field(DEBS[name], "Architecture") == "all" for name in NAMES], [False, False, True])
        self.assertRegex(debs.field(DEBS["check-smtp-probe"], "Depends"), r"^libc6 \(>= [\d.]+\)$")
        self.assertRegex(debs.field(DEBS["smtp-probe-exporter"], "Depends"), r"adduser, .*libssl3 .*libyaml-cpp")
        self.assertRegex(debs.field(DEBS["smtp-probe-exporter"], "Recommends"), r"\bcheck-smtp-probe, libcurl4$")
        linked = root.Root(root.minimal())
        self.addCleanup(linked.close)
        linked.copy_in(DEBS["check-smtp-probe"], "/tmp")
        linked.shell("dpkg -i /tmp/check-smtp-probe_*.deb")
        listed = linked.shell("cat /usr/share/doc/check-smtp-probe/statically-linked")
        self.assertRegex(listed, r"(?m)^libssl-dev 3\.\S+$")
        self.assertRegex(listed, r"(?m)^libstdc\+\+-12-dev \S+$")
        self.assertEqual(len(listed.splitlines()), len(set(listed.splitlines())))
        # The manual's loop sees that this is up to date, and when it is not.
        loop, = re.findall(r"(?s)(while read -r package version.*?statically-linked)\n```",
                           (TREE / "docs/packages.md").read_text())
        linked.shell("apt-get update -qq")
        self.assertEqual(linked.shell(loop), "")
        linked.shell("sed -i 's/^libssl-dev .*/libssl-dev 3.0.1-1/' /usr/share/doc/check-smtp-probe/statically-linked")
        self.assertRegex(linked.shell(loop), r"^libssl-dev: linked 3\.0\.1-1, now 3\.\S+\n$")

    def test_each_file_is_where_it_belongs(self):
        expected = {
            "check-smtp-probe": [CHECK, "/usr/bin/check_smtp_probe", "/usr/share/man/man8/check_smtp_probe.8.gz",
                                 "/usr/share/bash-completion/completions/check_smtp_probe",
                                 "/etc/nagios-plugins/config/smtp_probe.cfg"],
            "smtp-probe-exporter": [
                "/usr/bin/smtp_probe_exporter", "/usr/share/man/man8/smtp_probe_exporter.8.gz",
                "/usr/share/man/man5/smtp-probe.yml.5.gz", f"/usr/lib/systemd/system/{UNIT}", CONFIG,
                "/etc/default/smtp_probe_exporter", "/usr/share/bash-completion/completions/smtp_probe_exporter"],
            "smtp-probe-dashboards": [f"/usr/share/smtp-probe/dashboards/{name}" for name in (
                "smtp_overview.json", "smtp_target.json", "smtp_alerts.yml", "smtp_rules.yml")]}
        for folder, name in (("nagios", "check-smtp-probe"), ("icinga2", "check-smtp-probe"),
                             ("prometheus", "smtp-probe-exporter"), ("kubernetes", "smtp-probe-exporter")):
            expected[name] += [f"/usr/share/smtp-probe/{one.relative_to(TREE / 'deploy')}"
                               for one in (TREE / "deploy" / folder).rglob("*") if one.is_file()]
        for name in ("check-smtp-probe", "smtp-probe-exporter"):
            expected[name] += [f"/usr/share/doc/{name}/{one.relative_to(TREE)}"
                               for one in (TREE / "README.md", *(TREE / "docs").glob("*.md"))]
        examples = "/usr/share/doc/smtp-probe-exporter/examples"
        expected["smtp-probe-exporter"] += [f"{examples}/{one}" for one in (
            "smtp-probe.yml", "smtp_probe_exporter.default", "web-config.example.yml")]
        for name, paths in expected.items():
            files = debs.contents(DEBS[name])
            with self.subTest(name):
                self.assertEqual([path for path in paths if path not in files], [])
                self.assertEqual({owner for _, owner in files.values()}, {"root/root"})
                self.assertEqual([path for path, (mode, _) in files.items()
                                  if mode[0] != "l" and ("w" in mode[5:] or mode[7] != "r")], [])
                conffiles = root.run(["dpkg-deb", "--info", DEBS[name], "conffiles"]).stdout.split()
                self.assertEqual(sorted(path for path in files if path.startswith("/etc/")),
                                 sorted(path for path in conffiles if path.startswith("/etc/")))


class Image(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.user, cls.entrypoint, cls.flags = BUILD.command()
        cls.root = root.Root(BUILD.roots["image"].upper)
        cls.addClassCleanup(cls.root.close)

    def test_it_has_no_shell_and_nothing_writable(self):
        image = BUILD.roots["image"].upper
        files = [one for one in image.rglob("*") if not one.is_symlink()]
        self.assertEqual([one for one in files if one.name in ("sh", "bash", "dash", "busybox", "apt-get")], [])
        self.assertEqual([one for one in files if (one.stat().st_mode & 0o022 or one.stat().st_uid)
                          and one != image / "tmp"], [])
        self.assertLess(sum(one.stat().st_size for one in files if one.is_file()), 60 << 20)

    def test_the_certificates_are_found_by_their_hashes(self):
        certs = BUILD.roots["image"].upper / "etc/ssl/certs"
        self.assertGreater(len(list(certs.glob("*.0"))), 100)
        self.assertEqual([one for one in certs.iterdir() if one.is_symlink()], [])
        self.assertEqual(os.readlink(BUILD.roots["image"].upper / "usr/lib/ssl/certs"), "/etc/ssl/certs")

    def test_what_it_is_made_of_is_on_record(self):
        records = BUILD.roots["image"].upper / "var/lib/dpkg/status.d"
        self.assertRegex((records / "libssl3").read_text(), r"(?m)^Version: 3\.")
        for one in records.iterdir():
            self.assertTrue((BUILD.roots["image"].upper / "usr/share/doc" / one.name / "copyright").is_file(), one)

    def test_it_serves_under_its_number(self):
        port, = peers.free_ports(1)
        words = self.root.words([*self.entrypoint, *self.flags, f"--web.listen-address=127.0.0.1:{port}"], self.user)
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**self.root.environment(), **self.root.mounts()})

            def get(path):
                try:
                    return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60).read().decode()
                except urllib.error.URLError:
                    self.assertIsNone(process.poll(), log.seek(0) or log.read())
                    return None
            try:
                metrics = peers.wait_until(lambda: get("/metrics"), "the image's exporter", 120)
                self.assertIn(f'revision="{REVISION}"', metrics)
                closed = peers.closed_port()
                refused = get(f"/probe?target=127.0.0.1:{closed}")
                self.assertIn('probe_failure_info{step="connect",reason="connection_refused"} 1', refused)
                self.assertIn("no_open_relay", get("/config"))
                child, = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                status = pathlib.Path(f"/proc/{child}/status").read_text()
                self.assertRegex(status, r"(?m)^Uid:\t65532\t65532\t65532")
                os.kill(int(child), signal.SIGTERM)
                self.assertEqual(process.wait(60), 0, log.seek(0) or log.read())
            finally:
                process.kill()
                process.wait()

    def test_the_check_and_the_push_are_in_it(self):
        port = peers.closed_port()
        done = self.root.run([CHECK, "-H", "127.0.0.1", "-p", port], user=self.user)
        self.assertEqual(done.returncode, 2, done.stdout)
        done = self.root.run([*self.entrypoint, "--once", f"127.0.0.1:{port}", "--push.url", f"http://127.0.0.1:{port}"],
                             user=self.user)
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn("Failed to connect", done.stdout)


class WithoutSystemd(unittest.TestCase):
    """As in a container, whose first process is another one."""

    def test_it_installs_runs_and_goes(self):
        one = root.Root(root.minimal())
        self.addCleanup(one.close)
        for deb in DEBS.values():
            one.copy_in(deb, "/debs")
        one.shell("apt-get update -qq && apt-get install -y -qq --no-install-recommends /debs/*.deb")
        self.assertIn("smtp-probe:", one.shell("getent passwd smtp-probe"))
        one.shell("runuser -u smtp-probe -- smtp_probe_exporter --version")
        port = peers.closed_port()
        done = one.run([CHECK, "-H", "127.0.0.1", "-p", port])
        self.assertEqual((done.returncode, done.stdout[:13]), (2, "SMTP CRITICAL"), done.stdout)
        self.assertIn("check_smtp_probe v", one.run(["check_smtp_probe", "--version"]).stdout)  # found by PATH
        # In the place of check_smtp, by the manual's commands, and back again.
        take, back = (block.replace("sudo ", "") for block in re.findall(
            r"```sh\n([^`]*dpkg-divert[^`]*)```", (TREE / "docs/nagios.md").read_text()))
        one.shell(f"echo old >{PLACE}; {take}")
        self.assertEqual(one.shell(f"readlink -f {PLACE}").strip(), CHECK)
        said = one.shell("dpkg --remove check-smtp-probe 2>&1")
        self.assertEqual([line for line in said.splitlines() if line.startswith("check-smtp-probe:")], [
            f"check-smtp-probe: {PLACE} is a link to it. To have the old one back: rm {PLACE};"
            f" dpkg-divert --local --rename --remove {PLACE}"])
        self.assertEqual(one.shell(f"{back} cat {PLACE}; rm {PLACE}").splitlines()[-1], "old")
        one.shell("apt-get install -y -qq --no-install-recommends /debs/check-smtp-probe_*.deb")
        self.assertNotIn("is a link", one.shell(f"apt-get purge -y -qq {' '.join(NAMES)} 2>&1"))
        self.assertEqual(one.run(["getent", "passwd", "smtp-probe"]).returncode, 2)
        self.assertEqual(one.run(["sh", "-c", "ls -d /etc/smtp-probe /etc/default/smtp_probe* /usr/share/smtp-probe"
                                  " 2>/dev/null"]).stdout, "")


class Life(unittest.TestCase):
    """One machine from the first installation to the purge; a test begins where the one before it ended."""

    failed = False

    @classmethod
    def setUpClass(cls):
        cls.machine = machine.Machine(*root.with_packages("systemd"))
        cls.addClassCleanup(cls.machine.close)
        cls.do("apt-get update -qq")
        cls.before = cls.files()

    @classmethod
    def do(cls, line, **how):
        words = ["sh", "-ec", line]
        return root.checked(cls.machine.run(words, **how), words)

    @classmethod
    def files(cls):
        """Everything but what apt and dpkg note of their own doings, and what runs."""
        listed = cls.do("find / -xdev ! -type d -o -xdev -type d -empty")
        return {one for one in listed.splitlines() if not re.match(
            r"/(proc|sys|dev|run|tmp|debs)(/|$)|/var/(log|cache|lib/(apt|dpkg|systemd))(/|$)"
            r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|/etc/ld\.so\.cache$|/etc/\.pwd\.lock$", one)}

    def run(self, result=None):
        bad = len(result.failures) + len(result.errors)
        super().run(result)
        Life.failed |= len(result.failures) + len(result.errors) > bad

    def setUp(self):
        if Life.failed:
            self.fail("a step before this one failed")

    def install(self, *debs):
        """By apt, unattended; what it printed."""
        shutil.rmtree(self.machine.shared / "debs", ignore_errors=True)
        (self.machine.shared / "debs").mkdir()
        for deb in debs:
            shutil.copy(deb, self.machine.shared / "debs")
        return self.do("apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confdef"
                       " -o Dpkg::Options::=--force-confold /run/shared/debs/*.deb 2>&1")

    def higher(self, version, change=lambda folder: None):
        return debs.repacked(DEBS["smtp-probe-exporter"], version, FOLDER, change)

    def property(self, name):
        return self.do(f"systemctl show --property {name} --value {UNIT}").strip()

    def check(self, *words):
        return self.machine.run([CHECK, "-H", "127.0.0.1", *words], own_network=True)

    def journal(self):
        return self.do(f"journalctl --no-pager -u {UNIT}")

    def test_1_a_first_installation_serves(self):
        self.install(*DEBS.values())
        self.assertEqual((self.property("ActiveState"), self.property("UnitFileState")), ("active", "enabled"),
                         self.journal())
        status, text = self.machine.fetch("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("smtp_probe_exporter_config_last_reload_successful 1", text)
        self.assertIn("process_start_time_seconds ", text)
        self.assertIn("no_open_relay", self.machine.fetch("/config")[1])
        process = self.property("MainPID")
        self.assertEqual(self.do(f"stat -c %U /proc/{process}").strip(), "smtp-probe")
        self.assertRegex(self.do("getent passwd smtp-probe"), r":/nonexistent:/usr/sbin/nologin$")

    def test_2_the_service_is_shut_in(self):
        # Ten times the exposure: 2.0 is the most.
        said = self.do(f"systemd-analyze security --offline=true --threshold=20 /usr/lib/systemd/system/{UNIT}"
                       " --no-pager 2>&1")
        print(said.strip().splitlines()[-1], flush=True)

    def test_3_both_programs_probe(self):
        lines = self.machine.peer([FAKE_SERVER, "--mail", "--until-eof"], "ready")
        port = dict(line.split() for line in lines)["mail"]
        good = self.check("-p", port, "-f", "a@example.net", "--to", "postmaster@example.net")
        self.assertEqual((good.returncode, good.stdout[:7]), (0, "SMTP OK"), good.stdout)
        bad = self.check("-p", port, "-f", "a@example.net", "--to", "unknown@example.net")
        self.assertEqual((bad.returncode, bad.stdout[:24]), (2, "SMTP CRITICAL - rcpt: 55"), bad.stdout)
        # A name server, as the service sees it after a restart.
        self.machine.name_server()
        self.do(f"echo 'nameserver 127.0.0.1' >/etc/resolv.conf; systemctl restart {UNIT}")
        status, text = self.machine.fetch(f"/probe?target=good.test:{port}")
        self.assertEqual(status, 200)
        self.assertIn("probe_success 1", text)
        self.assertIn("probe_success 0", self.machine.fetch("/probe?target=127.0.0.1:1")[1])

    def test_4_secrets_sockets_and_a_reload(self):
        self.do("groupadd --system dovecot; mkdir -p /run/dovecot; mkdir -m 755 /run/shared/dovecot;"
                "mount --bind /run/shared/dovecot /run/dovecot")
        self.machine.peer([FAKE_SERVER, "--listen", f"unix:{self.machine.shared}/dovecot/lmtp", "--until-eof",
                           TREE / "tests/transcripts/lmtp.txt"], "ready")
        self.do("chgrp dovecot /run/dovecot/lmtp; chmod 660 /run/dovecot/lmtp; mkdir -p /etc/systemd/system/"
                f"{UNIT}.d; printf '[Service]\\nSupplementaryGroups=dovecot\\n' >/etc/systemd/system/{UNIT}.d/lmtp.conf")
        self.do(f"""
            (umask 027; echo very-secret >/etc/smtp-probe/password); chgrp smtp-probe /etc/smtp-probe/password
            sed -i '1i allowed_targets: ["*", "0.0.0.0/0", "::/0", "unix:/run/dovecot/lmtp"]' {CONFIG}
            cat >>{CONFIG} <<END
  local_mailbox: {{protocol: lmtp, helo: probe.test}}
  login:
    tls: {{mode: starttls, verify: require}}
    auth: {{username: u, password_file: /etc/smtp-probe/password, targets: ["mail.example.net:587"]}}
END
            systemctl daemon-reload; systemctl restart {UNIT}""")
        self.assertIn("login", self.machine.fetch("/config")[1], self.journal())
        self.assertIn("probe_success 1", self.machine.fetch("/probe?target=unix:/run/dovecot/lmtp&module=local_mailbox")[1],
                      self.journal())
        # A secret that root alone can read is no secret of the service's; the old configuration stays.
        process = self.property("MainPID")
        self.do(f"chown root:root /etc/smtp-probe/password; echo '  later: {{}}' >>{CONFIG}; systemctl reload {UNIT}")
        peers.wait_until(lambda: "config_last_reload_successful 0" in self.machine.fetch("/metrics")[1], "a bad reload", 60)
        self.do(f"chgrp smtp-probe /etc/smtp-probe/password; systemctl reload {UNIT}")
        peers.wait_until(lambda: "config_last_reload_successful 1" in self.machine.fetch("/metrics")[1], "a good reload", 60)
        self.assertIn("later", self.machine.fetch("/config")[1])
        self.assertEqual(self.property("MainPID"), process)

    def test_5_an_upgrade_keeps_what_was_edited_and_restarts(self):
        process = self.property("MainPID")
        # Flags without quotes, as systemd takes them; a file that the service may read by a group of its own.
        self.do(f"echo 'ARGS=--config.file={CONFIG} --log.level=debug' >/etc/default/smtp_probe_exporter;"
                "chgrp dovecot /etc/smtp-probe/password")

        def change(folder):
            sample = folder / CONFIG[1:]
            sample.write_text(sample.read_text() + "\n# A newer sample.\n")
        said = self.install(self.higher("0.2.0-1", change))
        self.assertNotIn("smtp-probe-exporter:", said)
        self.assertNotIn(self.property("MainPID"), (process, "0"))
        self.assertIn("--log.level=debug", self.do(f"tr '\\0' ' ' </proc/{self.property('MainPID')}/cmdline"))
        self.assertEqual(self.property("ActiveState"), "active")
        self.assertIn("later", self.machine.fetch("/config")[1])
        edited = self.do(f"cat {CONFIG}; ls {CONFIG}.dpkg-dist")
        self.assertIn("local_mailbox", edited)
        self.assertNotIn("A newer sample", edited)

    def test_6_an_upgrade_with_a_broken_configuration_lets_the_old_one_serve(self):
        process = self.property("MainPID")
        self.do(f"cp {CONFIG} /tmp/good; sed -i '1a nonsense: 1' {CONFIG}")
        said = self.install(self.higher("0.3.0-1"))
        lines = [line for line in said.splitlines() if line.startswith("smtp-probe-exporter:")]
        self.assertEqual(len(lines), 1, said)
        self.assertRegex(lines[0], rf"not restarted, the old version goes on: .*{CONFIG}:2: nonsense: unknown key")
        self.assertEqual((self.property("ActiveState"), self.property("MainPID")), ("active", process))
        self.assertIn("later", self.machine.fetch("/config")[1])
        self.assertIn("nonsense", self.do(f"cat {CONFIG}"))
        self.assertIn("ok installed", self.do("dpkg-query -W -f '${Status}' smtp-probe-exporter"))
        # And where nothing runs that could go on.
        self.do(f"systemctl stop {UNIT}")
        lines = [line for line in self.install(self.higher("0.3.1-1")).splitlines() if "smtp-probe-exporter:" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], rf"^smtp-probe-exporter: not started: .*{CONFIG}:2: nonsense: unknown key")
        self.do(f"systemctl stop {UNIT}; cp /tmp/good {CONFIG}")
        self.install(self.higher("0.3.2-1"))
        self.assertEqual(self.property("ActiveState"), "active")

    def test_7_what_the_administrator_switched_off_stays_off(self):
        self.do(f"systemctl disable --now {UNIT} 2>&1")
        self.install(self.higher("0.4.0-1"))
        self.assertEqual((self.property("ActiveState"), self.property("UnitFileState")), ("inactive", "disabled"))
        self.do(f"systemctl enable --now {UNIT} 2>&1")

    def test_8_a_removal_stops_it_and_keeps_the_configuration(self):
        self.do(f"apt-get remove -y -qq {' '.join(NAMES)} 2>&1")
        self.assertEqual(self.property("ActiveState"), "inactive")
        self.assertEqual(self.property("LoadState"), "not-found")
        self.assertIn("local_mailbox", self.do(f"cat {CONFIG}"))
        self.do(f"test ! -e {CHECK} && test ! -e /usr/bin/smtp_probe_exporter")
        # Again, where the machine's policy is that nothing is started.
        self.do("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d")
        self.install(*DEBS.values())
        self.assertEqual((self.property("ActiveState"), self.property("UnitFileState")), ("inactive", "enabled"))
        self.do("rm /usr/sbin/policy-rc.d")

    def test_9_a_purge_leaves_nothing(self):
        said = self.do(f"apt-get purge -y -qq {' '.join(NAMES)} 2>&1; apt-get autoremove --purge -y -qq 2>&1")
        # The administrator's own are not ours to remove.
        self.do(f"rm -r /etc/smtp-probe/password /etc/systemd/system/{UNIT}.d; rmdir /etc/smtp-probe;"
                "groupdel dovecot; umount /run/dovecot")
        after = self.files()
        self.assertEqual(sorted(after - self.before), [], said)
        self.assertEqual(self.machine.run(["getent", "passwd", "smtp-probe"]).returncode, 2)
        self.assertEqual(self.machine.run(["getent", "group", "smtp-probe"]).returncode, 2)


if __name__ == "__main__":
    unittest.main()
