#!/usr/bin/env python3
"""Makes seeds for the fuzz targets: of the transcripts, the configurations and what tests hold.

Usage: seeds.py FOLDER     (FOLDER/TARGET/..., raw; scripts/fuzz.sh --merge keeps what adds coverage)
"""
import base64
import pathlib
import re
import shlex
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEPARATOR = b"\xff"


class Seeds:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def add(self, target, data):
        data = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
        folder = self.folder / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"seed-{len(list(folder.iterdir())):04}").write_bytes(data)


def unescaped(text):
    text = re.sub(rb"\\\*", b"*", text)
    return re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", lambda m: {
        b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}.get(
            m[1], bytes.fromhex(m[1][1:].decode()) if m[1][:1] == b"x" else m[1]), text)


def events_of(lines):
    """What the server says and does, as the chunks of tests/fuzz/play.h, and its bare words."""
    events, words = [], b""
    for line in lines:
        how = re.match(rb"(?:drip \S+ |repeat (\d+): |raw)?", line)
        slow = line.startswith(b"drip ")
        line = re.sub(rb"^(drip \S+|repeat \d+:) ", b"", line)
        if line.startswith(b"S: "):
            words += line[3:] + b"\r\n"
            if how[1]:
                events.append(b"R" + bytes([min(int(how[1]) // 16 + 1, 254)]) + line[3:])
            else:
                events.append((b"B" if slow else b"L") + line[3:] + (b"\r\n" if slow else b""))
        elif line.startswith((b"S> ", b"raw> ")):
            text = unescaped(line.split(b"> ", 1)[1])
            words += text
            events += [b"X\x02"] if line.startswith(b"raw") else [
                (b"F" if i else b"S") + part for i, part in enumerate(text.split(SEPARATOR))]
        elif line.startswith(b"TLS-FAIL"):
            events.append(b"T\x03tls: " + line[9:])
        elif line.startswith(b"TLS"):
            events.append(b"T\x00TLSv1.3, CN=mx.test")
        elif line.startswith(b"wait "):
            events.append(b"W\x07")
        elif line.startswith(b"silence"):
            events.append(b"D")
        elif line.startswith((b"close", b"cut", b"reset")):
            events.append(b"X\x01" if line.startswith(b"reset") else b"X\x00")
    return events, words


def settings_of(lines):
    for line in lines:
        if line.startswith(b"plan:"):
            text = line[5:].decode("utf-8", "surrogateescape")
            for word in shlex.split(text.replace("\\", "\\\\")):
                yield b"p" + word.encode("utf-8", "surrogateescape")


def from_transcripts(seeds):
    for path in sorted((ROOT / "tests/transcripts").glob("*.txt")):
        lines = [line for line in path.read_bytes().split(b"\n") if line and line[:1] != b"#"]
        events, words = events_of(lines)
        play = SEPARATOR.join([*settings_of(lines), *events])
        for target in ("dialogue", "rendering"):
            seeds.add(target, play)
            if events and events[-1][:1] == b"L":  # one that talks too early
                seeds.add(target, play.replace(SEPARATOR + b"L250", SEPARATOR + b"S250 x\r\n250", 1))
        # The reply comes when a half of the command, or of the message, is sent; the rest follows.
        half = play.replace(SEPARATOR + b"L", SEPARATOR + b"P\x03" + SEPARATOR + b"s")
        seeds.add("dialogue", half.replace(SEPARATOR, b"\r\n" + SEPARATOR))
        seeds.add("dialogue", play.replace(SEPARATOR + b"L", SEPARATOR + b"P\x02" + SEPARATOR + b"L"))
        seeds.add("reply", b"\x00\x05" + words[:2000])
        for reply in re.findall(rb"250-[^\n]*\n(?:250[- ][^\n]*\n)+", words):
            seeds.add("extensions", re.sub(rb"(?m)^250[- ]|\r", b"", reply))


LOGIN = [b"ptls=implicit", b"puser=u", b"pinsecure=yes", b"T\x00TLSv1.3", b"L220 mx"]


def of_login(seeds):
    """Challenges of every mechanism, and servers that say what they were told."""
    exchanges = {
        "PLAIN": [b"L235 2.7.0 in"], "LOGIN": [b"CUsername:", b"CPassword:", b"L235 2.7.0 in"],
        "CRAM-MD5": [b"C<1@mx.test>", b"L235 2.7.0 in"],
        "SCRAM-SHA-1": [b"Nserver,s=QSXCR+Q6sek8bf92,i=4096", b"Cv=rmF9pqV8S7suAoZWja4dJRkFsKQ="],
        "SCRAM-SHA-256": [b"Nserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", b"Ce=other-error"],
        "XOAUTH2": [b'C{"status":"401"}', b"L535 5.7.8 no"],
        "OAUTHBEARER": [b'C{"status":"invalid_token"}', b"L535 5.7.8 no"],
    }
    for number, (name, exchange) in enumerate(exchanges.items()):
        secret = b"ptoken=x" if "AUTH2" in name or "BEARER" in name else b"ppassword=x"
        offer = b"L250-mx\r\n250 AUTH " + name.encode()
        start = [b"pauth=" + name.encode(), secret, *LOGIN, offer]
        for end in ([], [b"E550 "], [b"E535-5.7.8 ", b"e535 "], [b"e550 "], [b"E501-"], [b"Ctoo much"] * 9):
            for target in ("dialogue", "rendering"):
                seeds.add(target, SEPARATOR.join([*start, *exchange[:-1], *end, exchange[-1], b"L221 bye"]))
        for handshake in (b"T\x00", b"T\x01", b"T\x02"):  # without leave to go on unverified
            play = SEPARATOR.join([*start, *exchange]).replace(b"pinsecure=yes", b"ptimeout=9000ms")
            seeds.add("dialogue", play.replace(b"T\x00", handshake))
        challenges = [part[1:] if part[:1] == b"C" else part for part in exchange if part[:1] in b"CN"]
        seeds.add("sasl", bytes([number]) + SEPARATOR.join(challenges))
        seeds.add("sasl", bytes([number]) + b"B" + base64.b64encode(b"no challenge") + SEPARATOR + b"=" * 40)


def of_texts(seeds):
    for text in ("mx.test", "mx.test:25", "[2001:db8::1]:587", "2001:db8::1", "fe80::1%eth0", "192.0.2.1:24",
                 "smtp://mx.test", "SMTPS://mx.test:465/", "submission://[::1]", "submissions://a.b", "lmtp://h:24",
                 "unix:/run/lmtp", "unix:///run/lmtp", "http://mx.test", "mx:example.net", "a@b.test",
                 "<\"a b\"@b.test>", "postmaster", "[IPv6:2001:db8::1]", "[192.0.2.1]", "HELP me", "10", "10:", "~:10",
                 "10:20", "@10:20", ":5.75", "1e3", "250", "5xx", "5.7.1", "500ms", "21d", "36500d", "STARTTLS",
                 "999.1.1.1", "1.2.3.4:0", "xn--bcher-kva.test", "a..b", "-a.test", "smtp://u:p@h/?q#f", "421", "4.7.0"):
        seeds.add("target", text)
    for entry, target in (("*.example.net", "mx.example.net"), ("192.0.2.0/24", "192.0.2.7"),
                          ("2001:db8::/32", "[2001:db8::7]:25"), ("::ffff:192.0.2.1", "192.0.2.1"),
                          ("unix:/run/lmtp", "unix:/run/lmtp"), ("m?.*", "MX.test.")):
        seeds.add("target", entry.encode() + SEPARATOR + target.encode())
    for raw in (b"plain", "\u00fc\u20ac\U0001f600".encode(), b"\xc3\x28\xed\xa0\x80\xf4\x90\x80\x80", b"a|b\\x41\\", b"<b>&\"'",
                b"\x1b[31m\x00\x7f\xc2\x85", "\u202e\u200b\u2028\ufeff".encode(), b"\xe2\x82", b"x" * 300):
        for bound in (b"\x04\x00", b"\x0a\x00", b"\x00\x20"):
            seeds.add("printable", bound + raw)
    for body in (b"Hello\n.\n..x\r.\r\n", b".", b"", b"\r\n.\r\n", "\u00fcber\n".encode() * 9, b"a" * 1200, b"\0"):
        seeds.add("message", b"subject" + SEPARATOR + b"X-Probe" + SEPARATOR + b"value" + SEPARATOR + body)
        seeds.add("message", "\u00fc".encode() * 60 + SEPARATOR + b"Subject" + SEPARATOR + b"v" + SEPARATOR + body)
    for kind in range(4):
        for first, second in ((0, 0), (1, 1), (0, 1), (2, 0)):
            end = bytes(range(16)) + b"\x10\x19"
            seeds.add("proxy_header", bytes([kind, first]) + end + bytes([second]) + end)


def of_secrets(seeds):
    for secret in (b"Hemmelig7Zq", b"abc", b"0123456789abcdef", b"a" * 40, "p\u00e4ssw\u00f6rd 12".encode()):
        for text in (b"535 5.7.8 \xfe\x01 is wrong", b"535-\xfe\x11\r\n535 5.7.8 \xfe\x25", b"\xfe\x0a \xfe\x1c:\xfe\x99",
                     b"535 " + secret.upper() + b" " + secret[1:] + b" " + secret[:-1],
                     b"\n".join(b"5.7.8 " + secret[i:i + 2] for i in range(0, len(secret), 2)),
                     b":".join(b"%02X" % byte for byte in secret), b"%".join(b"%02x" % byte for byte in secret),
                     base64.b64encode(b"x" + secret + b"y"), b"no secret here"):
            for end in (b"\0", b"\1"):
                seeds.add("secret_mask", secret + SEPARATOR + b"\0user\0" + secret + SEPARATOR + end + text)


def of_requests(seeds):
    for target in ("/probe?target=mx.test", "/probe?target=mx.test:587&module=submission&debug=true",
                   "/probe?target=smtps%3A%2F%2Fmx.test&hostname=mx.test", "/probe?target=smtps%253A%252F%252Fmx.test",
                   "/probe?target=a&target=b", "/probe?target=", "/probe?target=a&module=none", "/probe?target=unix:/run/x",
                   "/probe?target=a+b&view=page", "/probe?target=%00", "/probe?target=%zz", "/", "/metrics", "/config",
                   "/logs?id=1", "/logs?id=x", "/logs?id=99999999999999999999", "/-/healthy", "/-/ready", "/-/reload",
                   "http://exporter:9725/probe?target=mx.test", "HTTPS://h", "*", "//x/probe", "/probe%3Ftarget=a", "/%70robe",
                   "/probe?target=[::1]&module=lmtp", "/nothing"):
        for method, scrape in ((0, "10"), (1, ""), (2, "1e300"), (0, "0.1"), (0, "-1"), (0, "nan"), (0, "0.6")):
            parts = (target.encode(), scrape.encode(), b"gzip;q=0.5, identity;q=0, *")
            seeds.add("request", bytes([method]) + SEPARATOR.join(parts))


def of_configurations(seeds):
    def raw_strings(path):
        return [text for text in re.findall(r'R"\((.*?)\)"', (ROOT / path).read_text(), re.S) if ":" in text]

    def files_in_place(text):
        text = re.sub(r"(file|FILE)(:?\s*)/[^\s,}]*", r"\1\2@/body", text)
        return text.replace("SECRET", "@/secret").replace("TOKEN", "@/token").replace("FOLDER", "@/").replace(
            "FILE", "@/body")

    example = (ROOT / "deploy/smtp-probe.yml").read_text()
    whole = [example, re.sub(r"(?m)^( *)#(?! )", r"\1", example)]
    for path in ("tests/unit/config_test.cc", "tests/unit/config_writer_test.cc"):
        whole += raw_strings(path)
    for text in whole:
        text = files_in_place(text)
        text = re.sub(r"(password_file: )\S+", r"\1@/secret", text)
        seeds.add("config", text)
        for module in re.findall(r"(?m)^  \w+:\n(?:    .*\n)+", text):
            seeds.add("config", "modules:\n" + module)
    for text in ("modules: {a: {auth: {username: u, password_file: @/secret, targets: [mx.test]}}}",
                 "a: &a [1, *a]", "modules: {a: &x {until: ehlo}, b: *x}", "? [a]\n: b", "--- \n---\nmodules:", "\ufeffmodules:",
                 "modules: {a: {helo: \"\\x01\"}}", "!!binary aGk=", "modules: {a: {timeout: 1500ms, ip_protocol: ipv6}}",
                 "modules: {a: {mail: {from: \"\", to: b}, message: {subject: \"\u00fc\", headers: {X: y}}}}",
                 "modules: {a: {tls: {expiry: {critical: 36h}}, expect: {rcpt: 5xx, quit: [\"221\"]}}}"):
        seeds.add("config", text)
    seeds.add("web_config", (ROOT / "docs/web-config.example.yml").read_text())
    for text in raw_strings("tests/exporter/web_config_test.cc"):
        seeds.add("web_config", text)
    for text in ("basic_auth_users: {a: HASH}", "rate_limit: {interval: 1s, burst: 20}",
                 "http_server_config: {headers: {X-Frame-Options: deny}, http2: false}", "HASH",
                 "tls_server_config: {cert: x, key: y, cipher_suites: [TLS_AES_128_GCM_SHA256], curve_preferences: [X25519]}"):
        seeds.add("web_config", text)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    seeds = Seeds(sys.argv[1])
    from_transcripts(seeds)
    of_login(seeds)
    of_texts(seeds)
    of_secrets(seeds)
    of_requests(seeds)
    of_configurations(seeds)


main()
