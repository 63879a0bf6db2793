"""check_smtp_probe against a private Dovecot: SASL behind Postfix's listeners, and LMTP over TCP and a unix socket."""

import email
import re
import unittest

import peers
from probe import CRITICAL, OK, UNKNOWN, WARNING, ProbeCase, step

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
OAUTH = ("XOAUTH2", "OAUTHBEARER")
dovecot = None
postfix = None


def setUpModule():
    global dovecot, postfix
    lacking = peers.missing("dovecot", "postfix")
    if lacking:
        raise unittest.SkipTest(lacking)
    dovecot = peers.Dovecot()
    unittest.addModuleCleanup(dovecot.stop)
    postfix = peers.Postfix(dovecot.sasl_socket)
    unittest.addModuleCleanup(postfix.stop)


class Authentication(ProbeCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.trust = ("-S", "--ca-file", postfix.certificates / "ca.pem", "--tls-name", "mx.test")
        for name, content in (("password", dovecot.PASSWORD), ("wrong-password", "Tr0ub4dor"),
                              ("token", dovecot.TOKEN), ("wrong-token", "stale-token-1")):
            (cls.folder / name).write_text(content + "\n")

    def login(self, listener, mechanism, *options, good=True, **how):
        kind = "token" if mechanism in OAUTH else "password"
        secret = self.folder / (kind if good else "wrong-" + kind)
        outcome = self.run_clean("-H", "127.0.0.1", "-p", postfix.ports[listener], "-F", "probe.test",
                                 "-A", mechanism, "-U", dovecot.USER,
                                 "--authpass-file" if kind == "password" else "--authtoken-file", secret, *options,
                                 **how)
        for one in (dovecot.PASSWORD, dovecot.TOKEN, "Tr0ub4dor", "stale-token-1"):
            self.assertNotIn(one, outcome.out)
        return outcome

    def assert_accepted(self, outcome, mechanism):
        result = self.assert_verdict(outcome, OK, "auth", None, 235)
        self.assertEqual(result["auth_mechanism"], mechanism)
        self.assertEqual(step(result, "quit")["code"], 221)
        return result

    def test_good_secret_in_clear(self):
        for mechanism in MECHANISMS + OAUTH:
            with self.subTest(mechanism):
                before = len(postfix.sessions("auth_clear"))
                outcome = self.login("auth_clear", mechanism, "--output", "json", "-vvv")
                self.assert_accepted(outcome, mechanism)
                (session,) = peers.wait_until(lambda: postfix.sessions("auth_clear")[before:], "no session in the log")
                self.assertIn(" ehlo=1 auth=1 quit=1 ", session)

    def test_good_secret_over_verified_tls(self):
        for mechanism in MECHANISMS + OAUTH:
            with self.subTest(mechanism):
                outcome = self.login("auth", mechanism, *self.trust, "--tls-verify", "require", "--output", "json")
                result = self.assert_accepted(outcome, mechanism)
                self.assertIs(result["tls"]["verified"], True)
                self.assertEqual([one["step"] for one in result["steps"]],
                                 ["connect", "banner", "ehlo", "starttls", "tls", "ehlo_tls", "auth", "quit"])

    def test_the_strongest_is_chosen(self):
        for listener, options in (("auth_clear", ()), ("auth", self.trust)):
            self.assert_accepted(self.login(listener, "auto", *options, "--output", "json"), "SCRAM-SHA-256")
        token = self.run_clean("-H", "127.0.0.1", "-p", postfix.ports["auth_clear"], "-U", dovecot.USER,
                               "--authtoken-file", self.folder / "token", "--output", "json")
        self.assertIn(self.assert_verdict(token, OK, "auth", None, 235)["auth_mechanism"], OAUTH)

    def test_text(self):
        outcome = self.login("auth_clear", "PLAIN")
        self.assertEqual(outcome.code, OK)
        self.assertRegex(outcome.text, r"^SMTP OK - \d\.\d{3} sec\. response time, 235 at auth$")

    def test_wrong_password(self):
        for mechanism in MECHANISMS + ("auto",):
            with self.subTest(mechanism):
                outcome = self.login("auth_clear", mechanism, "--output", "json", good=False)
                result = self.assert_verdict(outcome, CRITICAL, "auth", "auth_rejected", 535, "5.7.8")
                self.assertEqual(step(result, "quit")["code"], 221)
        text = self.login("auth", "SCRAM-SHA-256", *self.trust, good=False)
        self.assertEqual(text.code, CRITICAL)
        self.assertTrue(text.text.startswith("SMTP CRITICAL - auth: 535 5.7.8 Error: authentication failed"), text.out)

    def test_wrong_token_shows_the_server_s_json(self):
        for mechanism, said in (("XOAUTH2", '"status":"401"'), ("OAUTHBEARER", '"status":"invalid_token"')):
            with self.subTest(mechanism):
                outcome = self.login("auth_clear", mechanism, good=False)
                self.assertEqual(outcome.code, CRITICAL, outcome.out)
                self.assertTrue(outcome.text.startswith("SMTP CRITICAL - auth: 535 5.7.8 "), outcome.out)
                self.assertIn(said, outcome.text)
                whole = self.login("auth_clear", mechanism, "--output", "json", good=False)
                self.assert_verdict(whole, CRITICAL, "auth", "auth_rejected", 535)

    def test_clear_text_is_refused_by_us(self):
        # The module takes STARTTLS where it is offered, and here it is not.
        module = self.file("verified.yml", "modules: {verified: {tls: {mode: opportunistic, verify: require}}}\n")
        verified = ("--config", module, "--module", "verified", "--output", "json", "-vvv")
        outcome = self.login("auth_clear", "PLAIN", *verified)
        result = self.assert_verdict(outcome, UNKNOWN, "auth", "auth_needs_tls")
        self.assertIsNone(step(result, "auth")["code"] if step(result, "auth") else None)
        self.assertFalse([line for line in result["transcript"] if line["text"].startswith("AUTH ")])
        self.assertEqual(step(result, "quit")["code"], 221)
        # Said to be wanted all the same.
        outcome = self.login("auth_clear", "PLAIN", *verified, "--auth-insecure")
        self.assert_accepted(outcome, "PLAIN")

    def test_untrusted_certificate(self):
        outcome = self.login("auth", "PLAIN", "-S", "--tls-verify", "require", "--output", "json", "-vvv")
        result = self.assert_verdict(outcome, CRITICAL, "tls", "cert_untrusted")
        self.assertIsNone(step(result, "auth"))
        # To a peer on the loopback the certificate is only looked at where nothing else is asked for.
        self.assert_accepted(self.login("auth", "PLAIN", "-S", "--output", "json"), "PLAIN")

    def test_not_offered(self):
        # `auth` offers it within TLS only.
        outcome = self.login("auth", "PLAIN", "--output", "json")
        self.assert_verdict(outcome, CRITICAL, "auth", "auth_not_offered")
        clear = self.login("clear", "SCRAM-SHA-256")
        self.assertEqual(clear.code, CRITICAL)
        self.assertTrue(clear.text.startswith("SMTP CRITICAL - auth: "), clear.out)

    def test_and_then_a_message(self):
        outcome = self.login("auth", "SCRAM-SHA-256", *self.trust, "-f", "a@b.test", "--to", "u@example.test",
                             "--send", "--output", "json")
        result = self.assert_verdict(outcome, OK, "message", None, 250)
        self.assertEqual([one["step"] for one in result["steps"]][-6:],
                         ["auth", "mail", "rcpt", "data", "message", "quit"])

    def test_ini_file(self):
        ini = self.file("probe.ini", f"[mail]\nauthtype = PLAIN\nauthuser = {dovecot.USER}\n"
                                     f"authpass = {dovecot.PASSWORD}\n")
        outcome = self.run_clean("-H", "127.0.0.1", "-p", postfix.ports["auth_clear"],
                                 f"--extra-opts=mail@{ini}", "--output", "json", "-vvv")
        self.assert_accepted(outcome, "PLAIN")
        self.assertNotIn(dovecot.PASSWORD, outcome.out)

    def test_checkmk_s_line(self):
        for program in (self.compatible, None):
            how = {"program": program} if program else {}
            outcome = self.run_clean(
                "-e", "ESMTP", "-p", postfix.ports["auth"], "-C", "NOOP", "-C", "VRFY u@example.test", "-R", "^250",
                "-R", "^25[02]", "-f", "home", "-w", "23.0000", "-c", "42.0000", "-t", "110", "-A", "LOGIN",
                "-U", dovecot.USER, "-P", dovecot.PASSWORD, "-S", "-F", "at.home.world", "-D", "42,23", "-4",
                "-H", "127.0.0.1", **how)
            self.assertEqual(outcome.code, OK, outcome.out)
            self.assertIn("time=", outcome.first)


class Lmtp(ProbeCase):
    TWO = ("--to", "probe@example.test", "--to", "second@example.test")

    def targets(self):
        return (("-H", "127.0.0.1", "-p", dovecot.lmtp_port, "-L"), ("-H", f"unix:{dovecot.lmtp_socket}"),
                (f"lmtp://127.0.0.1:{dovecot.lmtp_port}",), (f"{dovecot.lmtp_socket}",))

    def test_greeting(self):
        for target in self.targets():
            with self.subTest(target):
                self.assert_verdict(self.run_clean(*target, "--output", "json"), OK, "ehlo", None, 250)
                text = self.run_clean(*target, "-vv")
                self.assertEqual(text.code, OK)
                self.assertIn(" C: LHLO ", text.out)

    def test_two_recipients(self):
        for number, target in enumerate(self.targets()):
            with self.subTest(target):
                subject = f"subject {number}"
                outcome = self.run_clean(*target, "-f", "a@b.test", *self.TWO, "--send", "--subject", subject,
                                         "--output", "json")
                result = self.assert_verdict(outcome, OK, "message", None, 250)
                self.assertEqual(step(result, "rcpt")["code"], 250)
                for user in ("probe", "second"):
                    mine = [one for one in dovecot.delivered(user) if f"\nSubject: {subject}\n" in one]
                    self.assertEqual(len(mine), 1, dovecot.log())
                    self.assertIn("Return-Path: <a@b.test>\n", mine[0])
                    self.assertIn("\nAuto-Submitted: auto-generated\n", mine[0])
                    self.assertRegex(mine[0], r"\nDate: \w{3}, ")
                    self.assertRegex(mine[0], r"\nMessage-ID: <\S+@\S+>\n")

    def test_body_and_headers_arrive_as_they_are(self):
        body = self.file("body", "first line\n.\n..two dots\nlast line without its end")
        outcome = self.run_clean("-H", f"unix:{dovecot.lmtp_socket}", "-f", "", "--to", "second@example.test", "--send",
                                 "--body-file", body, "--header", "X-Token: a,b;c", "--subject", "dots")
        self.assertEqual(outcome.code, OK, outcome.out)
        (text,) = [one for one in dovecot.delivered("second") if "\nSubject: dots\n" in one]
        self.assertTrue(text.endswith("\n\nfirst line\n.\n..two dots\nlast line without its end\n"), text)
        self.assertIn("\nX-Token: a,b;c\n", text)
        self.assertIn("Return-Path: <>\n", text)

    def test_bytes_that_no_line_may_have_arrive_encoded(self):
        content = "Gr\u00fc\u00dfe\0\n".encode() + b"x" * 2000 + b"\n"
        outcome = self.run_clean("-H", f"unix:{dovecot.lmtp_socket}", "-f", "", "--to", "second@example.test", "--send",
                                 "--body-file", self.file("odd", content), "--subject", "odd")
        self.assertEqual(outcome.code, OK, outcome.out)
        (text,) = [one for one in dovecot.delivered("second") if "\nSubject: odd\n" in one]
        self.assertTrue(text.isascii() and "\0" not in text, text)
        self.assertEqual(email.message_from_string(text).get_payload(decode=True).replace(b"\r\n", b"\n"), content)

    def test_unknown_user(self):
        for target in self.targets():
            with self.subTest(target):
                outcome = self.run_clean(*target, "-f", "", "--to", "nobody@example.test")
                self.assertEqual(outcome.code, CRITICAL)
                self.assertTrue(outcome.text.startswith("SMTP CRITICAL - rcpt: 550 5.1.1 <nobody@example.test> "
                                                        "User doesn't exist: nobody@example.test - "), outcome.out)
                whole = self.run_clean(*target, "-f", "", "--to", "nobody@example.test", "--output", "json")
                self.assert_verdict(whole, CRITICAL, "rcpt", "reply_5xx", 550, "5.1.1")

    def test_one_of_two_unknown(self):
        for target in self.targets()[:2]:
            before = len(dovecot.delivered("probe"))
            outcome = self.run_clean(*target, "-f", "a@b.test", "--to", "probe@example.test", "--to",
                                     "nobody@example.test", "--send", "--output", "json")
            self.assert_verdict(outcome, CRITICAL, "rcpt", "reply_5xx", 550)
            self.assertEqual(len(dovecot.delivered("probe")), before)

    def test_watchdog_s_line(self):
        line = ("-4", "-H", "127.0.0.1", "-p", dovecot.lmtp_port, "-f", "watchdog@invalid",
                "-C", "RCPT TO:<watchdog@invalid>", "-L", "-R")
        for program in (None, self.compatible):
            how = {"program": program} if program else {}
            outcome = self.run_clean(*line, "User doesn't exist", **how)
            self.assertEqual(outcome.code, OK, outcome.out)
            self.assertTrue(outcome.first.startswith("SMTP OK - "))
            outcome = self.run_clean(*line, "^250", **how)
            self.assertEqual(outcome.code, WARNING, outcome.out)

    def test_connection_ends_in_order(self):
        for target in self.targets()[:2]:
            mark = len(dovecot.log())
            self.run_clean(*target)
            ended = r"Disconnect from (127\.0\.0\.1|local): Logged out"
            peers.wait_until(lambda at=mark: re.search(ended, dovecot.log()[at:]), "no session in the log")
