"""check_smtp_probe against a private Postfix: the true verdict of every listener, and a server's log that shows a
well-behaved client."""

import re
import unittest

import peers
from probe import CRITICAL, OK, UNKNOWN, WARNING, ProbeCase, run, step

MAIL = ("-f", "a@b.test", "--to", "u@example.test")
postfix = None


def setUpModule():
    global postfix
    lacking = peers.missing("postfix")
    if lacking:
        raise unittest.SkipTest(lacking)
    postfix = peers.Postfix()
    unittest.addModuleCleanup(postfix.stop)


class PostfixCase(ProbeCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.trust = ("--ca-file", postfix.certificates / "ca.pem", "--tls-name", "mx.test")

    def probe(self, listener, *options, quits=True, in_sync=True, **how):
        """One probe, and Postfix's book on it: it ended by QUIT (unless the server went first) where the channel
        was in sync."""
        # Sessions of probes before this one may still have to be logged.
        peers.wait_until(lambda: postfix.connects(listener) == len(postfix.sessions(listener)), "a session goes on")
        before = len(postfix.sessions(listener))
        mark = len(postfix.log())
        outcome = self.run_clean("-H", "127.0.0.1", "-p", postfix.ports[listener], "-F", "probe.test",
                                 *options, **how)
        peers.wait_until(lambda: len(postfix.sessions(listener)) > before, "no session in the log")
        sessions = postfix.sessions(listener)[before:]
        self.assertEqual(len(sessions), 1, sessions)
        self.assertEqual(" quit=1 " in sessions[0], quits and in_sync, sessions[0])
        if not in_sync:
            return outcome
        said = postfix.log()[mark:]
        self.assertNotIn("lost connection after", said)
        self.assertNotIn("improper command pipelining", said)
        return outcome

    def both(self, listener, options, state, step_name, reason, code, start, **how):
        """As text, whose first line begins with `start`, and as JSON."""
        outcome = self.probe(listener, *options, **how)
        self.assertEqual(outcome.code, state, outcome.out)
        self.assertEqual(outcome.text[:len(start)], start)
        self.assertRegex(outcome.text, r" - \d+\.\d{3} sec\. response time")
        self.assertRegex(outcome.perfdata["time"], r"^\d+\.\d{6}s;;;0\.000000$")
        whole = self.probe(listener, *options, "--output", "json", **how)
        return self.assert_verdict(whole, state, step_name, reason, code)


class Listeners(PostfixCase):

    def test_plain(self):
        self.both("starttls", (), OK, "ehlo", None, 250, "SMTP OK - ")

    def test_every_step_to_the_recipient(self):
        result = self.both("starttls", MAIL, OK, "rcpt", None, 250, "SMTP OK - ")
        self.assertEqual([(one["step"], one["code"]) for one in result["steps"]],
                         [("connect", None), ("banner", 220), ("ehlo", 250), ("mail", 250), ("rcpt", 250),
                          ("quit", 221)])

    def test_helo(self):
        self.both("starttls", ("--helo",), OK, "ehlo", None, 250, "SMTP OK - ")
        self.assertIn(" helo=1 quit=1 ", postfix.sessions("starttls")[-1])

    def test_starttls(self):
        result = self.both("starttls", ("-S",), OK, "ehlo_tls", None, 250, "SMTP OK - ")
        self.assertEqual([one["step"] for one in result["steps"]],
                         ["connect", "banner", "ehlo", "starttls", "tls", "ehlo_tls", "quit"])

    def test_no_starttls(self):
        self.both("clear", ("-S",), CRITICAL, "starttls", "starttls_not_offered", None,
                  "SMTP CRITICAL - starttls: STARTTLS not offered")

    def test_rejected_recipient(self):
        result = self.both("reject", MAIL, CRITICAL, "rcpt", "reply_5xx", 550,
                           "SMTP CRITICAL - rcpt: 550 5.1.1 <u@example.test>: Recipient address rejected: "
                           "No such user here")
        self.assertEqual(step(result, "rcpt")["status"], "5.1.1")
        self.assertEqual(step(result, "quit")["code"], 221)

    def test_greylisting(self):
        start = " - rcpt: 450 4.7.1 <u@example.test>: Recipient address rejected: Greylisted, try again later"
        self.both("defer", MAIL, WARNING, "rcpt", "greylisted", 450, "SMTP WARNING" + start)
        self.both("defer", (*MAIL, "--greylisting", "critical"), CRITICAL, "rcpt", "greylisted", 450,
                  "SMTP CRITICAL" + start)
        fine = self.probe("defer", *MAIL, "--greylisting", "ok")
        self.assertEqual((fine.code, fine.first[:10]), (OK, "SMTP OK - "), fine.out)

    def test_sender_refused(self):
        self.both("mail530", MAIL, CRITICAL, "mail", "reply_5xx", 530,
                  "SMTP CRITICAL - mail: 530 5.7.0 <a@b.test>: Sender address rejected: Authentication required")
        self.both("mail530", (*MAIL[:2], "--expect", "mail=530"), OK, "mail", None, 530, "SMTP OK - ")

    def test_banner_554(self):
        self.both("banner554", MAIL, CRITICAL, "banner", "reply_5xx", 554, "SMTP CRITICAL - banner: 554 5.7.1 ")
        self.both("banner554", ("-e", "554"), OK, "banner", None, 554, "SMTP OK - ")
        self.both("starttls", ("-e", "no such words"), WARNING, "banner", "reply_unexpected", 220,
                  "SMTP WARNING - banner: ")

    def test_ehlo_refused(self):
        self.both("ehlo", MAIL, UNKNOWN, "ehlo", "config", 550,
                  "SMTP UNKNOWN - ehlo: 550 5.7.1 <probe.test>: Helo command rejected: Not with that name")

    def test_relay_is_refused(self):
        stranger = ("-f", "a@b.test", "--to", "u@elsewhere.test")
        refusal = "rcpt: 554 5.7.1 <u@elsewhere.test>: Recipient address rejected: Access denied"
        self.both("starttls", stranger, CRITICAL, "rcpt", "reply_5xx", 554, "SMTP CRITICAL - " + refusal)
        self.both("starttls", (*stranger, "--expect", "rcpt=554"), OK, "rcpt", None, 554, "SMTP OK - ")
        self.both("starttls", (*stranger, "--expect", "rcpt=550,5.7.1"), OK, "rcpt", None, 554, "SMTP OK - ")
        # An open relay would take it, as this server takes its own recipients.
        self.both("starttls", (*MAIL, "--expect", "rcpt=554"), CRITICAL, "rcpt", "reply_unexpected", 250,
                  "SMTP CRITICAL - rcpt: ")

    def test_relay_is_refused_by_default(self):
        """Postfix's own default says "not now" where it means never; greylisting says it of another code."""
        stranger = ("-f", "a@b.test", "--to", "u@elsewhere.test")
        self.both("relay_default", stranger, CRITICAL, "rcpt", "reply_4xx", 454,
                  "SMTP CRITICAL - rcpt: 454 4.7.1 <u@elsewhere.test>: Relay access denied")
        listed = ("--expect", "rcpt=454,530,550,551,553,554")  # as in all samples
        for listener, code in (("relay_default", 454), ("starttls", 554)):
            self.both(listener, (*stranger, *listed), OK, "rcpt", None, code, "SMTP OK - ")
        self.both("relay_default", (*MAIL, *listed), CRITICAL, "rcpt", "reply_unexpected", 250, "SMTP CRITICAL - rcpt: ")
        self.both("defer", (*MAIL, *listed), WARNING, "rcpt", "greylisted", 450, "SMTP WARNING - rcpt: ")

    def test_slow_recipient(self):
        outcome = self.probe("slow", *MAIL, "--step-warning", "rcpt=1")
        self.assertEqual(outcome.code, WARNING, outcome.out)
        self.assertRegex(outcome.text, r"^SMTP WARNING - rcpt: .*2\.\d+ s.* - 2\.\d{3} sec\. response time")
        self.assertRegex(outcome.perfdata["time_rcpt"], r"^2\.\d{6}s;1\.000000;;0\.000000$")
        whole = self.probe("slow", *MAIL, "--step-critical", "rcpt=1", "--output", "json")
        self.assert_verdict(whole, CRITICAL, "rcpt", "slow", 250)
        total = self.probe("slow", *MAIL, "-w", "1", "-c", "1.5", "--output", "json")
        self.assert_verdict(total, CRITICAL, "rcpt", "slow", 250)
        late = self.probe("slow", *MAIL, "-t", "1", in_sync=False)
        self.assertEqual(late.code, CRITICAL, late.out)
        self.assertTrue(late.text.startswith("SMTP CRITICAL - rcpt: "), late.out)

    def test_too_fast_connections(self):
        first = self.probe("rate")
        self.assertEqual(first.code, OK, first.out)
        self.both("rate", (), WARNING, "banner", "rate_limited", 421,
                  "SMTP WARNING - banner: 421 4.7.0 mx.test Error: too many connections from 127.0.0.1", quits=False)

    def test_small_message_size_limit(self):
        self.both("small", (*MAIL, "--send"), CRITICAL, "message", "reply_5xx", 552,
                  "SMTP CRITICAL - message: 552 5.3.4 Error: message file too big")

    def test_extensions(self):
        self.both("helo_only", ("--require-extension", "SIZE"), CRITICAL, "ehlo", "extension_missing", 250,
                  "SMTP CRITICAL - ehlo: ")
        self.both("helo_only", ("--forbid-extension", "pipelining"), CRITICAL, "ehlo", "extension_forbidden", 250,
                  "SMTP CRITICAL - ehlo: ")
        self.both("helo_only", ("--require-extension", "PIPELINING", "--forbid-extension", "SIZE"), OK, "ehlo", None,
                  250, "SMTP OK - ")
        # After TLS the earlier extensions are forgotten: STARTTLS is no longer among them.
        self.both("starttls", ("-S", "--forbid-extension", "STARTTLS"), OK, "ehlo_tls", None, 250, "SMTP OK - ")

    def test_authentication_not_offered(self):
        self.both("clear", ("-A", "PLAIN", "-U", "u", "-P", "p"), CRITICAL, "auth", "auth_not_offered", None,
                  "SMTP CRITICAL - auth: ")

    def test_no_listener(self):
        port = peers.closed_port()
        outcome = self.run_clean("-H", "127.0.0.1", "-p", port)
        self.assertEqual(outcome.code, CRITICAL)
        self.assertTrue(outcome.first.startswith(
            f"SMTP CRITICAL - connect: connection refused by 127.0.0.1 port {port} - "), outcome.out)
        self.assert_verdict(self.run_clean("-H", "127.0.0.1", "-p", port, "--output", "json"), CRITICAL, "connect",
                            "connection_refused")


class Message(PostfixCase):

    def test_is_delivered(self):
        for options in (("-S",), ()):
            mark = len(postfix.log())
            result = self.both("starttls", (*MAIL, "--send", *options), OK, "message", None, 250, "SMTP OK - ")
            (identifier,) = [line["text"].split()[1] for line in result["transcript"]
                             if line["text"].startswith("Message-ID: ")]
            log = postfix.log()[mark:]
            (queue_id,) = re.findall(r"cleanup\[\d+\]: (\w+): message-id=" + re.escape(identifier), log)
            sent = f"{queue_id}: to=<u@example.test>, relay=none"
            peers.wait_until(lambda: any(sent in line and "status=sent" in line
                                         for line in postfix.log()[mark:].splitlines()), "not delivered")
            self.assertRegex(postfix.log()[mark:], queue_id + r": from=<a@b\.test>, ")

    def test_null_sender_and_two_recipients(self):
        mark = len(postfix.log())
        outcome = self.probe("starttls", "-f", "", "--to", "one@example.test", "--to", "two@example.test", "--send")
        self.assertEqual(outcome.code, OK, outcome.out)
        for user in ("one", "two"):
            peers.wait_until(lambda: re.search(rf"to=<{user}@example\.test>.*status=sent", postfix.log()[mark:]),
                             f"not delivered to {user}")
        self.assertRegex(postfix.log()[mark:], r": from=<>, ")

    def test_one_recipient_of_two_is_refused(self):
        self.both("starttls", ("-f", "a@b.test", "--to", "u@example.test", "--to", "u@elsewhere.test"), CRITICAL,
                  "rcpt", "reply_5xx", 554, "SMTP CRITICAL - rcpt: 554 5.7.1 <u@elsewhere.test>")


class Tls(PostfixCase):

    def test_verified(self):
        for listener, option, last in (("starttls", "-S", "ehlo_tls"), ("implicit", "-s", "ehlo")):
            result = self.both(listener, (option, "--tls-verify", "require", *self.trust), OK, last, None, 250,
                               "SMTP OK - ")
            tls = result["tls"]
            self.assertIs(tls["verified"], True)
            self.assertEqual((tls["version"], tls["problems"]), ("TLSv1.3", []))
            self.assertEqual(tls["chain"][0]["common_name"], "mx.test")
            self.assertGreaterEqual(len(tls["verified_chain"]), 2)

    def test_implicit_order(self):
        result = self.both("implicit", ("-s",), OK, "ehlo", None, 250, "SMTP OK - ")
        self.assertEqual([one["step"] for one in result["steps"]], ["connect", "tls", "banner", "ehlo", "quit"])
        by_scheme = self.run_clean(f"smtps://127.0.0.1:{postfix.ports['implicit']}", "--output", "json")
        self.assertIsNotNone(self.assert_verdict(by_scheme, OK)["tls"])

    def test_address_in_the_certificate(self):
        self.both("starttls", ("-S", "--tls-verify", "require", *self.trust[:2]), OK, "ehlo_tls", None, 250,
                  "SMTP OK - ")

    def test_wrong_name(self):
        wrong = (*self.trust[:2], "--tls-name", "other.test")
        for verify, state in (("report", OK), ("warn", WARNING), ("require", CRITICAL)):
            options = ("-S", "--tls-verify", verify, *wrong)
            if state == OK:
                result = self.both("starttls", options, OK, "ehlo_tls", None, 250, "SMTP OK - ")
            else:
                name = ("SMTP WARNING", "SMTP CRITICAL")[state - 1]
                result = self.both("starttls", options, state, "tls", "cert_name_mismatch", None, name + " - tls: ")
            self.assertIs(result["tls"]["verified"], False)
            self.assertEqual(result["tls"]["problems"][0]["reason"], "cert_name_mismatch")
            self.assertEqual(result["tls"]["chain"][0]["common_name"], "mx.test")

    def test_untrusted(self):
        for listener, option in (("starttls", "-S"), ("implicit", "-s")):
            self.both(listener, (option, "--tls-verify", "require", "--tls-name", "mx.test"), CRITICAL, "tls",
                      "cert_untrusted", None, "SMTP CRITICAL - tls: certificate not trusted: ")
            self.both(listener, (option, "--tls-verify", "warn", "--tls-name", "mx.test"), WARNING, "tls",
                      "cert_untrusted", None, "SMTP WARNING - tls: certificate not trusted: ")
            self.both(listener, (option,), OK, None, None, None, "SMTP OK - ")

    def test_expiry_thresholds(self):
        # The chain is good for 364 days and some hours.
        for days, state in (("30", OK), ("400", WARNING), ("400,30", WARNING), ("500,400", CRITICAL)):
            options = ("-D", days, *self.trust)
            if state == OK:
                result = self.both("starttls", options, OK, "ehlo_tls", None, 250, "SMTP OK - ")
            else:
                name = ("SMTP WARNING", "SMTP CRITICAL")[state - 1]
                result = self.both("starttls", options, state, "tls", "cert_expiring", None, name + " - tls: ")
            self.assertEqual(int(result["tls"]["chain"][0]["days_left"]), 364)
        self.both("starttls", ("-D", "500,400", "--ignore-certificate-expiration"), OK, "ehlo_tls", None, 250,
                  "SMTP OK - ")
        # -D is one more threshold: the dialogue goes on.
        self.both("reject", ("-D", "30", *MAIL), CRITICAL, "rcpt", "reply_5xx", 550, "SMTP CRITICAL - rcpt: 550")

    def test_days_in_the_perfdata(self):
        outcome = self.probe("starttls", "-D", "400,30")
        self.assertEqual(outcome.perfdata["cert_days_left"].split(";")[0], "364", outcome.out)


class ProxyProtocol(PostfixCase):

    def test_headers(self):
        for options in (("--proxy-protocol", "v1"), ("--proxy-protocol", "v2"), ("--proxy-protocol", "local"), ("-r",)):
            self.both("proxy", options, OK, "ehlo", None, 250, "SMTP OK - ")

    def test_no_header(self):
        self.both("proxy", (), CRITICAL, "banner", "reply_4xx", 421, "SMTP CRITICAL - banner: 421 4.3.0 ", quits=False)

    def test_header_that_nobody_awaits(self):
        mark = len(postfix.log())
        outcome = run("-H", "127.0.0.1", "-p", postfix.ports["clear"], "-r", "--output", "json")
        self.assertNotEqual(outcome.code, OK, outcome.out)
        self.assertNotEqual(outcome.code, UNKNOWN, outcome.out)
        # What Postfix says of it must not stand in the log of the next test.
        peers.wait_until(lambda: "disconnect from" in postfix.log()[mark:], "not logged")


class RawCommands(PostfixCase):
    """-C and -R as existing configurations have them."""

    # mailcow's watchdog: a whole message through -C, one -R for three of them.
    WATCHDOG = ("-4", "-f", "watchdog@invalid", "-C", "RCPT TO:watchdog@localhost", "-C", "DATA", "-C", ".",
                "-R", "250")

    def test_whole_message(self):
        for program in (None, self.compatible):
            how = {"program": program} if program else {}
            mark = len(postfix.log())
            outcome = self.probe("starttls", *self.WATCHDOG, **how)
            self.assertEqual(outcome.code, OK, outcome.out)
            self.assertTrue(outcome.first.startswith("SMTP OK - "), outcome.out)
            peers.wait_until(lambda: re.search(r"to=<watchdog@localhost>.*status=sent", postfix.log()[mark:]),
                             "not delivered")

    def test_refused(self):
        self.both("reject", self.WATCHDOG, WARNING, "command", "reply_unexpected", 550, "SMTP WARNING - command: ")
        outcome = self.probe("reject", *self.WATCHDOG, program=self.compatible)
        self.assertEqual(outcome.code, WARNING)
        self.assertRegex(outcome.first, r"^SMTP WARNING - Invalid response '550 5\.1\.1 .*' to command "
                                        r"'RCPT TO:watchdog@localhost'")

    def test_without_an_expectation(self):
        self.both("starttls", ("-C", "XYZZY"), WARNING, "command", "reply_5xx", 500, "SMTP WARNING - command: 500 ")
        self.both("starttls", ("-C", "NOOP", "-C", "XYZZY", "-R", "^250", "-R", "^50[02]"), OK, "command", None, None,
                  "SMTP OK - ")

    def test_starttls_lines(self):
        for options in (("-4", "-S"), ("-4", "-S", "-D", "7")):
            outcome = self.probe("starttls", *options, program=self.compatible)
            self.assertEqual(outcome.code, OK, outcome.out)


class DialectCheckSmtp(PostfixCase):

    def probe(self, listener, *options, **how):
        return super().probe(listener, *options, program=self.compatible, **how)

    def test_fine(self):
        outcome = self.probe("starttls")
        self.assertEqual(outcome.code, OK)
        self.assertRegex(outcome.first, r"^SMTP OK - \d+\.\d{3} sec\. response time.*\|time=\d+\.\d{6}s;;;0\.000000")
        limits = self.probe("starttls", "-w", "5", "-c", "10")
        self.assertRegex(limits.perfdata["time"], r"^\d+\.\d{6}s;5\.000000;10\.000000;0\.000000$")

    def test_no_starttls(self):
        outcome = self.probe("clear", "-S")
        self.assertEqual((outcome.code, outcome.out), (WARNING, "WARNING - TLS not supported by server\n"))

    def test_refused_connection(self):
        port = peers.closed_port()
        outcome = self.run_clean("-H", "127.0.0.1", "-p", port, program=self.compatible)
        lines = outcome.out.splitlines()
        self.assertEqual(outcome.code, CRITICAL)
        self.assertEqual(lines[0], f"connect to address 127.0.0.1 and port {port}: Connection refused")
        self.assertRegex(lines[1], r"^SMTP CRITICAL - .*\d\.\d{3} sec\. response time\|time=")

    def test_unresolvable_name(self):
        outcome = self.run_clean("-H", "no_such_host.invalid", "-t", "3", program=self.compatible)
        self.assertEqual(outcome.code, UNKNOWN)
        self.assertEqual(outcome.first, "check_smtp: Invalid hostname/address - no_such_host.invalid")
        native = self.run_clean("-H", "no_such_host.invalid", "-t", "3")
        self.assertEqual(native.code, UNKNOWN)
        self.assertTrue(native.first.startswith("SMTP UNKNOWN - resolve: "), native.out)

    def test_banner(self):
        refused = self.probe("banner554")
        self.assertEqual(refused.code, WARNING)
        self.assertRegex(refused.first, r"^SMTP WARNING - .*554 5\.7\.1 ")
        other = self.probe("starttls", "-e", "no such words")
        self.assertEqual(other.code, WARNING)
        self.assertRegex(other.first, r"^SMTP WARNING - .*220 mx\.test ESMTP Postfix")

    def test_refusals_are_no_longer_ok(self):
        self.assertEqual(self.probe("ehlo").code, UNKNOWN)
        self.assertEqual(self.probe("mail530", "-f", "a@b.test").code, CRITICAL)

    def test_certificate_lines(self):
        date = r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} \+0000"
        for days, state, text in (
                ("30", OK, rf"OK - Certificate 'mx\.test' will expire on {date}\."),
                ("400", WARNING, rf"WARNING - Certificate 'mx\.test' expires in 364 day\(s\) \({date}\)\."),
                ("500,400", CRITICAL, rf"CRITICAL - Certificate 'mx\.test' expires in 364 day\(s\) \({date}\)\.")):
            outcome = self.probe("starttls", "-D", days)
            self.assertEqual(outcome.code, state, outcome.out)
            self.assertRegex(outcome.text, "^" + text + "$")

    def test_empty_and_boolean_words(self):
        self.assertEqual(self.probe("starttls", "").code, OK)
        slow = self.probe("starttls", "-q", "true", "-w", "0.00000001")
        self.assertEqual(slow.code, WARNING, slow.out)
        joined = self.run_clean("-H", "127.0.0.1", f"-p{postfix.ports['starttls']}", program=self.compatible)
        self.assertEqual(joined.code, OK, joined.out)

    def test_host_by_name(self):
        # Where ::1 comes first, nobody listens there.
        outcome = self.run_clean("-H", "localhost", "-p", postfix.ports["starttls"], "-t", "3",
                                 program=self.compatible)
        self.assertEqual(outcome.code, OK, outcome.out)
