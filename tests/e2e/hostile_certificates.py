"""Certificates that no honest tool makes: DER written by hand, signed by the openssl program. Each is its own issuer,
so that it can be trusted and what else is wrong with it is told."""

import base64
import subprocess

OID_COMMON_NAME, OID_ORGANIZATION = (2, 5, 4, 3), (2, 5, 4, 10)
OID_ALTERNATIVE_NAME, OID_CONSTRAINTS = (2, 5, 29, 17), (2, 5, 29, 19)
ECDSA_SHA256 = (1, 2, 840, 10045, 4, 3, 2)
UTF8, PRINTABLE, IA5, BMP = 0x0C, 0x13, 0x16, 0x1E
UTC, GENERALIZED = 0x17, 0x18


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def oid(numbers):
    out = bytes([numbers[0] * 40 + numbers[1]])
    for number in numbers[2:]:
        groups = [number & 127]
        while number := number >> 7:
            groups.append(128 | number & 127)
        out += bytes(reversed(groups))
    return der(6, out)


def name(*attributes):
    """(oid, tag, raw bytes) each."""
    return der(0x30, *(der(0x31, der(0x30, oid(kind), der(tag, raw))) for kind, tag, raw in attributes))


def extension(kind, value, critical=False):
    return der(0x30, oid(kind), *([der(1, b"\xff")] if critical else []), der(4, value))


def alternative_names(names):
    return extension(OID_ALTERNATIVE_NAME, der(0x30, *(der(0x82, one) for one in names)))


PLAIN_NAME = ((OID_COMMON_NAME, UTF8, b"mx.test"),)
GOOD_DATES = ((UTC, b"250101000000Z"), (UTC, b"491231235959Z"))


class Maker:
    """Writes NAME.pem and NAME.key into a folder; all certificates have the same key."""

    def __init__(self, folder):
        self.folder = folder
        self.key = folder / "made-by-hand.key"
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        self.public = self._openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")

    @staticmethod
    def _openssl(*words, stdin=b""):
        return subprocess.run(["openssl", *map(str, words)], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True, timeout=30).stdout

    def certificate(self, subject=PLAIN_NAME, dates=GOOD_DATES, names=(b"mx.test",), extensions=()):
        """The PEM text. `names` of None: no such extension."""
        algorithm = der(0x30, oid(ECDSA_SHA256))
        written = name(*subject)
        every = [extension(OID_CONSTRAINTS, der(0x30, der(1, b"\xff")), critical=True), *extensions]
        if names is not None:
            every.append(alternative_names(names))
        body = der(0x30, der(0xA0, der(2, b"\2")), der(2, b"\x11\x22"), algorithm, written,
                   der(0x30, *(der(*one) for one in dates)), written, self.public,
                   der(0xA3, der(0x30, *every)))
        signature = self._openssl("dgst", "-sha256", "-sign", self.key, stdin=body)
        whole = der(0x30, body, algorithm, der(3, b"\0", signature))
        return "-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(whole).decode() + "-----END CERTIFICATE-----\n"

    def write(self, stem, pem):
        (self.folder / f"{stem}.pem").write_text(pem)
        (self.folder / f"{stem}.key").write_bytes(self.key.read_bytes())

    def write_all(self):
        """What the rows H30 and H31 of the table want."""
        plain = self.certificate()
        long_names = [f"host-{i:05}.example.test".encode() for i in range(10000)]
        # Of more than 100 KiB together, and within them but more than are shown.
        self.write("huge-chain", plain + plain * 400)
        self.write("long-chain", plain + plain * 60)
        self.write("10000-names", self.certificate(names=[b"mx.test", *long_names]))
        self.write("3000-names", self.certificate(names=[b"mx.test", *long_names[:3000]]))
        self.write("year-9999", self.certificate(dates=(GOOD_DATES[0], (GENERALIZED, b"99991231235959Z"))))
        self.write("year-0", self.certificate(dates=((GENERALIZED, b"00000101000000Z"), (GENERALIZED, b"00000102000000Z"))))
        self.write("end-before-begin", self.certificate(dates=GOOD_DATES[::-1]))
        self.write("no-date", self.certificate(dates=((UTC, b"2501010"), (GENERALIZED, b"9999-12-31\n"))))
        self.write("no-names", self.certificate(names=None))
        self.write("broken-names", self.certificate(names=None, extensions=(
            extension(OID_ALTERNATIVE_NAME, b"\x30\x82\xff\xff\x82\x01a"),)))
        evil = b"Evil|Org\n\r\"quoted\" \\ \x1b[31m\x1b]8;;http://evil.test\x07 {a=\"b\"} 1\nprobe_success 1"
        markup = "\u202e<script>alert(1)</script>\u2028|\u009b".encode()
        self.write("evil-text", self.certificate(
            subject=(*PLAIN_NAME, (OID_ORGANIZATION, UTF8, evil + markup)),
            names=(b"mx.test", b"evil|\n\"\\\x1b[2J.test", b"<img src=x>.test")))
        self.write("evil-bmp", self.certificate(
            subject=(*PLAIN_NAME, (OID_ORGANIZATION, BMP, "Evil|Org\n\x1b[31m\"\u202e<b>".encode("utf-16-be")))))
        self.write("not-its-type", self.certificate(
            subject=(*PLAIN_NAME, (OID_ORGANIZATION, UTF8, b"\xff\xfe|\n\x00\x9b"), (OID_ORGANIZATION, BMP, b"\x00a\xd8"),
                     (OID_ORGANIZATION, PRINTABLE, b"\x1b|\n\x80")),
            names=(b"mx.test", b"mx.test\x00.evil.test", b"\xff\x9b|\n")))
        self.write("zero-in-name", self.certificate(
            subject=((OID_COMMON_NAME, UTF8, b"mx.test\x00.evil.test"),), names=(b"mx.test\x00.evil.test",)))
        return self.folder
