"""The one table of hostile and broken servers: what each does, what is demanded, and the servers that do it.
hostile_test.py runs them all; `hostile_rows.py --write` makes docs/hostile-servers.md of it."""

import dataclasses
import pathlib
import re
import shlex
import sys

import hostile_peers as peers
from hostile_peers import CLEAR, IMPLICIT, STARTTLS

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRANSCRIPTS = ROOT / "tests" / "transcripts"
DOCUMENT = ROOT / "docs" / "hostile-servers.md"

STEPS = ("resolve", "connect", "tls", "banner", "ehlo", "starttls", "ehlo_tls", "auth", "mail", "rcpt", "data", "message",
         "quit")
BOTH_TLS = (IMPLICIT, STARTTLS)
EVERYWHERE = (CLEAR, *BOTH_TLS)
SHORT = {"timeout": "1s"}


def ok():
    return ("ok", None, None)


def critical(step, reason):
    return ("critical", step, reason)


@dataclasses.dataclass(frozen=True)
class Script:
    """A transcript, in clear as it stands; and in TLS of both kinds, where it can be moved there."""
    name: str
    tls: bool = True

    @property
    def path(self):
        return TRANSCRIPTS / f"{self.name}.txt"

    def settings(self, kind):
        lines = [one[len(kind):] for one in self.path.read_text().splitlines() if one.startswith(kind)]
        return [tuple(word.split("=", 1)) for one in lines for word in shlex.split(one)]

    def outcome(self, mode):
        said = dict(self.settings("outcome:"))
        if said["state"] == "ok":
            return ok()
        step = said["step"]
        return said["state"], "ehlo_tls" if mode == STARTTLS and step == "ehlo" else step, said["reason"]

    def modes(self):
        own = dict(self.settings("plan:")).get("tls", "off")
        if own != "off":
            return (own,)  # as it is written
        return (CLEAR, *(mode for mode in BOTH_TLS if self.tls and self.moved(mode) is not None))

    def moved(self, mode):
        """The text of the same server in TLS; None where what it does comes before the TLS of that kind."""
        head, events = [], []
        for one in self.path.read_text().splitlines():
            (events if events or not one.startswith(("#", "plan:", "outcome:")) else head).append(one)
        if "raw>" in "\n".join(events):
            return None
        head.append(f"plan: tls={mode}")
        if mode == IMPLICIT:
            return "\n".join([*head, "TLS", *events]) + "\n"
        first = next((i for i, one in enumerate(events) if one.startswith("C: ")), None)
        if first is None or events[first] not in ("C: EHLO probe.test", "C: LHLO probe.test"):
            return None
        if dict(self.settings("outcome:")).get("step") == "banner":
            return None
        begun = [events[first], "S: 250-mx.test", "S: 250 STARTTLS", "C: STARTTLS", "S: 220 2.0.0 go", "TLS"]
        return "\n".join([*head, *events[:first], *begun, *events[first:]]) + "\n"


@dataclasses.dataclass(frozen=True)
class Peer:
    """A server made of a function of hostile_peers.py. `at_answer` outcomes name the step `answer`: the banner, and
    behind STARTTLS EHLO."""
    title: str
    serve: object
    result: tuple
    modes_of: tuple = (CLEAR,)
    plan: tuple = ()         # settings of the module: (("timeout", "1s"), ...)
    certificate: str = "server"
    text: str = ""           # what the finding or a detail must contain

    def modes(self):
        return self.modes_of

    def outcome(self, mode):
        state, step, reason = self.result
        if step == "answer":
            step = "ehlo_tls" if mode == STARTTLS else "banner"
        return state, step, reason


@dataclasses.dataclass(frozen=True)
class Place:
    """An address where no server can be reached. `make` holds a port; or `target` is fixed and `alone` runs the
    programs in a network of their own, in which there is nothing."""
    title: str
    result: tuple
    make: object = None
    target: str = ""
    alone: bool = False
    plan: tuple = ()
    text: str = ""

    def modes(self):
        return (CLEAR,)

    def outcome(self, _mode):
        return self.result


@dataclasses.dataclass(frozen=True)
class Row:
    id: str
    title: str
    demand: str
    cases: tuple = ()
    elsewhere: tuple = ()    # (file of the tree, a name in it, what it holds)
    not_built: str = ""


def scripts(*names, tls=True):
    return tuple(Script(name, tls) for name in names)


def limited(*more):
    return (("timeout", "1s"), *more)


REQUIRE = (("verify", "require"),)
SCRAM = (("auth", {"mechanism": "SCRAM-SHA-256", "username": "probe", "password": "secret"}),)


def scram(title, reason, **change):
    return Peer(title, peers.scram(**change), critical("auth", reason), EVERYWHERE, SCRAM)


def with_certificate(title, name, reported=("ok", None, None), required=None, text=""):
    """Once with the default, which shows what is wrong, and once where it has to be right."""
    walk = peers.at_answer(peers.walk)
    return (Peer(title, walk, reported, BOTH_TLS, certificate=name),
            Peer(title + ", and it has to be right", walk, required or ok(), BOTH_TLS, REQUIRE, certificate=name,
                 text=text))


FAULTS = "tests/e2e/faults_test.py"
ANSWER_CLOSED = critical("answer", "connection_closed")

ROWS = (
    Row("H1", "a byte now and then, for ever", "The deadline is the reply's, not the read's; the bytes so far are told.",
        (*scripts("drip-for-ever", "drip-at-rcpt", "silence-after-half-banner"),
         Peer("a byte every 100 ms, without end", peers.at_answer(peers.endless_drip), critical("answer", "timeout"),
              EVERYWHERE, limited(), text="no line end"))),
    Row("H2", "lines without end", "128 lines or 64 KiB end it, at once and without QUIT.",
        (*scripts("banner-never-ends", "banner-fat-lines", "ehlo-never-ends"),
         Peer("as many lines as the network takes", peers.at_answer(peers.flood_in_reply),
              critical("answer", "reply_too_long"), EVERYWHERE))),
    Row("H3", "one line without end", "Over 4096 bytes it ends; over 512 and complete it is noted.",
        (*scripts("banner-endless-line", "rcpt-endless-line", "long-line"),
         Peer("a line of 128 MiB", peers.at_answer(peers.endless_line), critical("answer", "reply_line_too_long"),
              EVERYWHERE))),
    Row("H4", "NUL in a reply", "A byte like any other, shown as \\x00, noted.",
        scripts("nul-in-replies", "control-characters")),
    Row("H5", "bare LF, bare CR", "LF alone ends a line, noted; CR inside one is text.", scripts("bare-lf", "bare-cr")),
    Row("H6", "several codes in one reply", "Refused; none of them is believed.",
        scripts("mixed-codes", "mixed-codes-at-rcpt")),
    Row("H7", "the text begins with digits", "Legal, accepted.", scripts("text-begins-with-digits")),
    Row("H8", "what is no reply", "Refused, its beginning shown, with a hint at HTTP, SSH, FTP, POP, IMAP and TLS.",
        scripts("banner-malformed-http", "banner-malformed-ssh", "banner-malformed-pop", "banner-malformed-imap",
                "ftp-banner", "banner-malformed-glued-letter", "banner-malformed-short-code",
                "banner-malformed-empty-line", "banner-malformed-leading-blank")),
    Row("H9", "a code out of range", "Refused.",
        scripts("banner-malformed-code-1xx", "banner-malformed-code-999", "banner-malformed-low-code",
                "banner-malformed-high-code", "banner-malformed-second-digit")),
    Row("H10", "a code and nothing else", "Legal, accepted.", scripts("banner-bare-code")),
    Row("H11", "a reply of several lines that stops", "The time is up; how many lines there were is told.",
        scripts("unfinished-reply")),
    Row("H12", "the connection ends", "The step is named and what was said of the reply is kept.",
        scripts("close-at-banner", "close-at-ehlo", "close-at-mail", "close-at-rcpt", "close-at-data",
                "close-at-message", "close-in-the-reply", "starttls-close", "auth-close")),
    Row("H13", "the connection is reset", "A reason of its own, with the step.",
        scripts("reset-at-banner", "reset-at-ehlo", "reset-at-mail", "reset-at-rcpt", "reset-at-data",
                "reset-at-message")),
    Row("H14", "accepts, and never speaks", "The time is up; how long the connection took is told.",
        scripts("silence-at-banner", "silence-at-ehlo", "silence-at-mail", "silence-at-rcpt", "overall-limit",
                "implicit-tls-no-banner")),
    Row("H15", "cannot be connected to", "Refused, unreachable and filtered are three reasons; our own faults are UNKNOWN.",
        (Place("SYNs are dropped", critical("connect", "connect_timeout"), peers.Filtered, plan=limited()),
         Place("nobody listens", critical("connect", "connection_refused"), peers.Nobody),
         Place("no route to it", critical("connect", "host_unreachable"), target="192.0.2.1:25", alone=True),
         Place("no IPv6 on this host", ("unknown", "connect", "local_error"), target="[2001:db8::1]:25", alone=True),
         Place("a source address that is not ours", ("unknown", "connect", "local_error"), peers.Nobody,
               plan=(("source_address", "192.0.2.77"),))),
        (("tests/net/connect_test.cc", "NoDescriptorLeftIsLocal", "no descriptor left"),)),
    Row("H16", "shuts its side, still reads", "The connection is closed, as far as an answer goes.",
        (Peer("before the answer", peers.at_answer(peers.half_close), ANSWER_CLOSED, EVERYWHERE),
         Peer("inside the answer", peers.at_answer(peers.half_close_in_reply), ANSWER_CLOSED, EVERYWHERE))),
    Row("H17", "421 at any step", "A refusal like another, QUIT or not; one whose text or enhanced status names a limit on our "
        "address is WARNING, and so is any other 4yz that does.",
        scripts("banner-421", "421-at-ehlo", "starttls-421", "421-at-auth", "421-at-mail", "421-at-rcpt", "421-at-data",
                "421-at-message", "banner-421-timeout", "banner-421-rate", "421-at-rcpt-rate", "ehlo-421-rate",
                "limit-none-421", "limit-none-ports-busy", "limit-none-permanent", "limit-maximum-concurrent",
                "limit-microsoft-651", "limit-mail", "limit-unusual-rate")),
    Row("H18", "refuses at the banner", "CRITICAL, then QUIT alone; with -e 220 a text with 220 in it is no 220 (WARNING, as any "
        "banner that -e does not name).",
        scripts("banner-554", "banner-521", "banner-220-in-the-text-only", "implicit-tls-554")),
    Row("H19", "says the whole dialogue at once", "What was there before we spoke is no answer.",
        scripts("early-talker-whole-dialogue", "early-talker-banner")),
    Row("H20", "more than the answer",
        "Seen before the next command, at every step, in the segment of the answer and behind it. What comes only after "
        "our next command cannot be told from its answer; the surplus then comes up at a later step.",
        scripts("early-talker-empty-line", "early-talker-fragment", "early-talker-behind-501",
                "early-talker-after-refusal", "early-talker-after-ehlo", "early-talker-after-auth",
                "early-talker-after-challenge", "early-talker-after-mail", "early-talker-after-rcpt",
                "early-talker-after-data", "early-talker-after-message", "early-talker-later-banner",
                "early-talker-later-ehlo", "early-talker-later-auth", "early-talker-later-mail",
                "early-talker-later-rcpt", "early-talker-later-data", "early-talker-later-message", "tls-early-talker"),
        (("tests/unit/dialogue_boundary_test.cc", "EarlyTalkers", "every step × segment × kind of bytes, pure"),)),
    Row("H21", "plaintext lines behind the 220 to STARTTLS", "The end, before anything else is said; what it was is shown.",
        (*scripts("starttls-injected", "starttls-injected-later", "starttls-injected-with-handshake"),
         # Too late for the look before the handshake it stands where the ServerHello should: H23, CRITICAL as well.
         Peer("after the ClientHello, before the ServerHello", peers.injected_apart, critical("tls", "tls_not_tls"), (STARTTLS,))),
        (("tests/unit/dialogue_boundary_test.cc", "StarttlsBoundary", "any byte, any cut, keywords forgotten, pure"),)),
    Row("H22", "a fragment behind the 220 to STARTTLS", "As H21; nothing of it reaches the first reply in TLS.",
        scripts("starttls-fragment", "starttls-fragment-later"),
        (("tests/unit/dialogue_boundary_test.cc", "StarttlsBoundary", "any byte, any cut, keywords forgotten, pure"),)),
    Row("H23", "plain text where the ServerHello is due", "Named, its first bytes shown.",
        scripts("tls-garbage", "implicit-tls-spoken-in-clear")),
    Row("H24", "the handshake hangs", "The time is up at tls.", scripts("tls-hang", "implicit-tls-hang")),
    Row("H25", "a TLS alert", "Named with its number; protocol_version is tls_version.",
        (*scripts("tls-alert", "implicit-tls-alert"),
         *(Peer(f"alert {number}", peers.alert(number), critical("tls", reason), BOTH_TLS, text=f"(alert {number})")
           for number, reason in ((10, "tls_alert"), (47, "tls_alert"), (70, "tls_version"), (71, "tls_alert"),
                                  (80, "tls_alert"), (112, "tls_alert"), (116, "tls_alert"), (200, "tls_alert"))))),
    Row("H26", "an old TLS alone", "tls_version for a version, else tls_handshake; --tls-legacy and tls.legacy are named.",
        (Peer("TLS 1.0 by the book", peers.at_answer(peers.walk), critical("tls", "tls_version"), BOTH_TLS,
              certificate="old", text="--tls-legacy"),
         Peer("TLS 1.0 by the book, with tls.legacy", peers.at_answer(peers.walk), ok(), BOTH_TLS,
              (("legacy", True),), certificate="old"),
         Peer("a ServerHello of TLS 1.0", peers.after_hello(peers.record(22, peers.server_hello(b"\3\1"), b"\3\1")),
              critical("tls", "tls_version"), BOTH_TLS, text="--tls-legacy"),
         Peer("no secure renegotiation (RFC 5746)",
              peers.after_hello(peers.record(22, peers.server_hello(extensions=b""))),
              critical("tls", "tls_handshake"), BOTH_TLS, text="--tls-legacy")),
        (("tests/net/tls_legacy_test.cc", "TlsLegacyTest", "a small Diffie-Hellman group, SHA-1, in TLS and in certificates"),)),
    Row("H27", "plaintext or a bad MAC inside TLS", "tls_record; no QUIT.",
        (*scripts("tls-record"),
         *(Peer(title, peers.tampered(change), critical("answer", "tls_record"), BOTH_TLS)
           for title, change in (("a changed byte", peers.flip_last_byte), ("an oversized record",
                                 peers.oversized_record), ("plaintext in a record of its own",
                                                           peers.plaintext_record))))),
    Row("H28", "TLS ends without close_notify", "Behind QUIT OK with a note, elsewhere the connection was closed.",
        scripts("tls-cut", "tls-cut-after-quit", "tls-close")),
    Row("H29", "a flood of what TLS allows", "Renegotiation is declined, the rest costs no memory; the deadline ends it.",
        (Peer("500 KeyUpdates that want one back", peers.flood("key_update", 500), ok(), BOTH_TLS),
         # One kind of channel each: a flood costs its server as much as the client.
         Peer("KeyUpdates without end", peers.flood("key_update", None), critical("answer", "timeout"), (IMPLICIT,),
              limited()),
         Peer("2000 NewSessionTickets", peers.flood("ticket", 2000), ok(), BOTH_TLS),
         Peer("NewSessionTickets without end", peers.flood("ticket", None), critical("answer", "timeout"), (STARTTLS,),
              limited()),
         Peer("HelloRequests without end, TLS 1.2", peers.flood("hello_request", None, tls12=True),
              critical("answer", "timeout"), (IMPLICIT,), limited()))),
    Row("H30", "certificates beyond all measure",
        "100 KiB are read, 10 certificates and 64 names shown; what cannot be read is cert_malformed; dates have 64 bits.",
        (Peer("a chain of 400", peers.at_answer(peers.walk), critical("tls", "tls_handshake"), BOTH_TLS,
              certificate="huge-chain"),
         Peer("10,000 names", peers.at_answer(peers.walk), critical("tls", "tls_handshake"), BOTH_TLS,
              certificate="10000-names"),
         *with_certificate("a chain of 60", "long-chain"),
         *with_certificate("3000 names", "3000-names"),
         *with_certificate("until the end of the year 9999", "year-9999"),
         *with_certificate("of the year 0", "year-0", required=critical("tls", "cert_expired")),
         *with_certificate("ends before it begins", "end-before-begin", required=critical("tls", "cert_expired")),
         *with_certificate("dates that are none", "no-date", required=critical("tls", "cert_malformed")),
         *with_certificate("no names", "no-names", required=critical("tls", "cert_name_mismatch")),
         *with_certificate("a zero byte in the name", "zero-in-name", required=critical("tls", "cert_name_mismatch")),
         Peer("garbage for a certificate", peers.unreadable_certificate(b"garbage"), critical("tls", "cert_malformed"),
              BOTH_TLS),
         Peer("ASN.1 that ends too early", peers.unreadable_certificate(b"\x30\x82\xff\xff\x30\x82\xff\xf0\x02\x01"),
              critical("tls", "cert_malformed"), BOTH_TLS),
         Peer("ASN.1 of no certificate", peers.unreadable_certificate(b"\x30\x05\x30\x03\x02\x01\x01"),
              critical("tls", "cert_malformed"), BOTH_TLS))),
    Row("H31", "certificate text that breaks outputs", "UTF-8, then the sanitiser; never raw in a label.",
        (*with_certificate("line ends, bars, quotes, ESC, markup", "evil-text"),
         *with_certificate("the same as UTF-16", "evil-bmp"),
         *with_certificate("the hostile one of the scripted server", "hostile"),
         Peer("strings that are not what their type says", "not-its-type", critical("tls", "cert_malformed"), BOTH_TLS))),
    Row("H32", "offers STARTTLS and refuses it", "starttls_refused: strict senders would not deliver.",
        scripts("starttls-refused-454", "starttls-refused-501", "starttls-refused-502", "starttls-refused-503",
                "starttls-refused-554", "starttls-250")),
    Row("H33", "does not offer STARTTLS", "CRITICAL where it is wanted, left out where it is opportunistic.",
        scripts("starttls-not-offered", "starttls-after-helo", "starttls-opportunistic-not-offered")),
    Row("H34", "STARTTLS in the greeting or a text", "No offer.",
        scripts("starttls-in-the-first-line-only", "starttls-in-a-text", "extension-in-the-first-line")),
    Row("H35", "challenges without end", "The mechanism, or the eighth round, ends it; \"*\" and QUIT follow.",
        scripts("auth-endless-challenges", "auth-challenge-after-plain", "auth-cancel-ignored"),
        (("tests/unit/dialogue_test.cc", "EndlessChallengesEnd", "the cap of eight rounds"),)),
    Row("H36", "challenges that are none", "auth_protocol; 12,288 bytes are a line's end.",
        scripts("auth-bad-base64", "auth-cr-in-challenge", "auth-huge-challenge", "auth-malformed-after-334")),
    Row("H37", "SCRAM by an impostor", "Iterations from 4096 to 600,000; without the server's signature no 235 counts.",
        (*scripts("auth-scram"),
         scram("2^31 iterations", "auth_limits", first=peers.iterations(2**31)),
         scram("2,000,000 iterations", "auth_limits", first=peers.iterations(2_000_000)),
         scram("1000 iterations", "auth_limits", first=peers.iterations(1000)),
         scram("another nonce", "auth_protocol", first=peers.another_nonce),
         scram("another signature", "auth_server_signature", final=peers.another_signature),
         scram("another signature and a 235 behind it", "auth_server_signature", final=peers.another_signature_and_success),
         scram("a 235 without signature", "reply_unexpected", final=peers.success_without_signature),
         Peer("and one that is none", peers.scram(), ok(), EVERYWHERE, SCRAM)),
        (("tests/unit/sasl_scram_test.cc", "RefusesWrongAndMissingSignatures", "every kind of signature"),)),
    Row("H38", "235 too early, 250 for 235", "reply_unexpected.", scripts("auth-235-too-early", "auth-250")),
    Row("H39", "AUTH changes with TLS", "What was offered before TLS never counts; the change is noted.",
        scripts("auth-only-before-tls", "auth-changed-after-tls", "extensions-forgotten")),
    Row("H40", "terminal tricks", "Escaped byte by byte, invisible and reordering characters too.",
        scripts("terminal-tricks", "control-characters"),
        (("tests/unit/output_safety_test.cc", "OutputSafety", "random bytes through the whole check"),)),
    Row("H41", "a bar in the text", "U+00A6; the one bar is ours.", scripts("pipe-and-markup"),
        (("tests/unit/output_safety_test.cc", "OutputSafety", "random bytes through the whole check"),)),
    Row("H42", "line ends, quotes and backslashes in the text", "No text of a server's is a label; the rest is escaped.",
        scripts("label-breakers", "pipe-and-markup"),
        (("tests/exporter/output_safety_test.cc", "ExporterSafety", "random bytes in every output of the exporter"),)),
    Row("H43", "another text each time", "The series stay the same.",
        tuple(Peer(f"noise, kind {seed}", peers.random_noise(seed), critical("mail", "reply_5xx"), EVERYWHERE,
                   (("mail", {"from": "a@b.test"}),)) for seed in (1, 2, 3)),
        (("tests/e2e/hostile_test.py", "test_texts_make_no_series", "the same series whatever was said"),)),
    Row("H44", "shell characters and markup", "Text in our pages; for the shell there is illegal_macro_output_chars.",
        scripts("shell-characters", "pipe-and-markup"),
        (("tests/exporter/output_safety_test.cc", "ExporterSafety", "random bytes in every output of the exporter"),)),
    Row("H45", "a very long text", "512 bytes to the bar, less than 4 KiB by default.", scripts("very-long-refusal")),
    Row("H46", "hostile DNS", "Length checks before each field, at most 16 addresses, names escaped.",
        elsewhere=(("tests/e2e/dns_test.py", "test_every_way_to_fail",
                    "answers that are short, long, torn, looped, hostile and random, in both programs"),
                   ("tests/e2e/dns_test.py", "test_thousands_of_addresses", "as many addresses as a message holds"),
                   ("tests/e2e/dns_test.py", "test_search_list", "search domains that refuse, fail, are empty or silent"),
                   ("tests/e2e/dns_test.py", "test_one_family_never_hides_the_other", "A or AAAA dropped or failing"),
                   ("tests/net/resolver_test.cc", "AtMostSixteenAddressesAndNoneTwice", "caps and malformed answers")),
        not_built="MX of many exchangers and TLSA: the product resolves addresses alone; no DANE."),
    Row("H47", "a hostile policy host", "-", not_built="No MTA-STS: the product does not fetch policies."),
    Row("H48", "a legal tarpit", "A text of its own; with the time it needs it is OK.",
        scripts("slow-banner", "tarpit-banner")),
    Row("H49", "takes the message, never answers", "It may have been accepted: that is said.",
        scripts("silence-at-message")),
    Row("H50", "no 354, another one, or a refusal behind it", "Without 354 no text is sent.",
        scripts("silence-at-data", "data-250", "data-503", "data-354-then-554", "mail-354")),
    Row("H51", "another number of LMTP replies", "Too many are reply_count, too few a timeout.",
        scripts("lmtp-too-many-replies", "lmtp-too-few-replies", "lmtp-greylisted-then-closed")),
    Row("H52", "an enhanced status of another class, or none", "None counts; noted.",
        scripts("esc-mismatch", "esc-trailing-letters")),
    Row("H53", "TLS and clear confused", "Named, with a hint.",
        scripts("banner-tls-record", "implicit-tls-spoken-in-clear", "implicit-tls-no-banner"),
        (("tests/unit/verdict_test.cc", "ASilentPort465IsExplained", "the hint at port 465"),)),
    Row("H54", "the exporter as a way in", "allowed_targets; control characters and CR LF in no parameter.",
        elsewhere=(("tests/unit/allowed_targets_test.cc", "AllowedTargets", "the list and its notations"),
                   ("tests/unit/target_test.cc", "BadOnes", "what is no target"),
                   ("tests/e2e/exporter_probe_test.py", "test_allowed_targets", "403, over HTTP"))),
    Row("H55", "a storm of scrapes", "Turns at each address, a cap on all, counted.",
        elsewhere=((FAULTS, "Storm", "many targets that hang"),
                   ("tests/e2e/exporter_probe_test.py", "test_in_flight", "503 over the cap"))),
    Row("H56", "signals, EPIPE, ENOSPC", "SIGPIPE is ignored, a write that fails is exit 3.",
        elsewhere=((FAULTS, "Signals", "full disks, closed pipes, signals"),
                   ("tests/e2e/process_test.py", "test_output_that_nobody_takes_is_unknown", "the check's streams"))),
    Row("H57", "our EHLO name is refused, early or late", "config, UNKNOWN, with the name as it was sent; a demand to say EHLO "
        "at all, or a look-up that failed over there, is the server's affair.",
        scripts("helo-command-rejected", "helo-requires-domain", "helo-at-the-dot", "helo-first", "helo-lookup-failed")),
    Row("H58", "the codes of greylisting without its words", "A refusal like another: a dead milter says them too.",
        scripts("rcpt-450-client-host", "rcpt-451-network", "message-451-milter", "rcpt-450-greylist-in-the-address",
                "rcpt-450-greylisted", "rcpt-421-greylisted")),
    Row("H59", "AUTH without a mechanism", "auth_not_offered, and that AUTH is there.", scripts("auth-bare-keyword")),
    Row("H60", "another code of the right class", "Senders go by the first digit, and so does the probe: WARNING; 200 is OK.",
        scripts("banner-200", "banner-250", "mail-259", "rcpt-200", "data-352", "message-259", "data-352-expected")),
    Row("H61", "EHLO refused, HELO accepted", "OK with a note after 500, 502 and 504, else WARNING.",
        scripts("helo-fallback-502", "helo-after-550", "helo-after-501", "ehlo-550", "ehlo-451")),
    Row("H62", "a 421 that nobody asked for", "It is the reply to the next command (RFC 5321 s3.8).",
        scripts("421-unsolicited-after-ehlo", "421-unsolicited-before-the-text", "421-unsolicited-after-the-last-step")),
    Row("H63", "a reply too many, so that each later one belongs to the command before", "early_talker, whenever it arrives.",
        scripts("early-talker-behind-quit", "helo-answered-with-keywords"),
        elsewhere=(("tests/unit/dialogue_fault_test.cc", "ASurplusReplyIsNeverTakenForAnAnswer", "at every step and every delay"),)),
    Row("H64", "a refusal while the message is sent, in one piece or several", "Its code; the rest is not sent, QUIT is not said.",
        elsewhere=(("tests/net/prober_test.cc", "ARefusalInTheMiddleOfTheMessageIsHeard", "while a large message is sent"),
                   ("tests/unit/dialogue_fault_test.cc", "EveryFaultAtEveryAction", "after none, some and all of its bytes"))),
    Row("H65", "an expected refusal before the message", "CRITICAL: what was planned after it did not run.",
        scripts("expected-refusal-before-the-message")),
    Row("H66", "LMTP with several refusals", "Every output names the worst of them.", scripts("lmtp-250-440-550")),
)


def outcome_words(outcome):
    state, step, reason = outcome
    return state.upper() if reason is None else f"{state.upper()} {step} {reason}"


def case_words(case):
    """What it was seen to come to, and over which channels."""
    seen = {}
    for mode in case.modes():
        seen.setdefault(outcome_words(case.outcome(mode)), []).append(mode)
    title = f"`{case.name}`" if isinstance(case, Script) else case.title
    return title + ": " + "; ".join(f"{words} ({', '.join(modes)})" for words, modes in seen.items())


def document():
    out = ["# Hostile and broken servers", "",
           "Generated by `tests/e2e/hostile_rows.py --write` from the table in it; `tests/e2e/hostile_test.py` runs every row",
           "against both programs and fails when one says something else, takes longer than its deadline, needs more than",
           "2 MiB for a session, or prints what it must not. Names in `code` are files of `tests/transcripts`; those run through",
           "the pure dialogue too. `clear`, `implicit` and `starttls` are the channels it was seen over.", ""]
    for row in ROWS:
        out += [f"## {row.id}: {row.title}", "", f"Demanded: {row.demand}" if row.demand != "-" else "Demanded: nothing.", ""]
        out += [f"- {case_words(case)}" for case in row.cases]
        out += [f"- held by `{file}`" + (f" (`{name}`)" if name else "") + f": {what}" for file, name, what in row.elsewhere]
        out += [f"- not built: {row.not_built}"] if row.not_built else []
        out.append("")
    return "\n".join(out)


def main():
    if sys.argv[1:] != ["--write"]:
        print("usage: hostile_rows.py --write", file=sys.stderr)
        return 2
    DOCUMENT.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
