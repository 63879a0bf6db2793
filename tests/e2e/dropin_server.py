"""Servers for two clients that say different things: each answers by the verb, whatever the order. One table of them."""

import contextlib
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import warnings

import peers

CLOSE = object()   # in place of a reply: the connection ends
SILENT = object()  # nothing more is said
GARBAGE = object()  # of STARTTLS: 220, and plain text where the ServerHello is due
PATIENCE = 60

GOOD = {
    "banner": "220 mx.test ESMTP",
    "EHLO": "250-mx.test\n250-SIZE 1000000\n250-8BITMIME\n250 HELP",
    "HELO": "250 mx.test",
    "LHLO": "250-mx.test\n250 SIZE 1000000",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 End data with <CR><LF>.<CR><LF>",
    ".": "250 2.0.0 Queued",
    "RSET": "250 2.0.0 Ok",
    "NOOP": "250 2.0.0 Ok",
    "HELP": "214 2.0.0 See RFC 5321",
    "STARTTLS": "502 5.5.1 Not implemented",
    "AUTH": "502 5.5.1 Not implemented",
    "secret": "235 2.7.0 Authentication successful",
    "QUIT": "221 2.0.0 Bye",
    "other": "500 5.5.2 Command not recognised",
}
TLS = {"EHLO": "250-mx.test\n250-STARTTLS\n250 HELP", "STARTTLS": "220 2.0.0 Ready to start TLS"}
AUTH = {"EHLO": "250-mx.test\n250-AUTH LOGIN\n250 HELP", "AUTH": "334 VXNlcm5hbWU6"}

# name -> what differs from GOOD; `certificate`, `pause` (seconds before the banner), `nobody` (the port is closed).
SERVERS = {
    "good": {},
    "multi-line": {"banner": "220-mx.test ESMTP\n220-no spam\n220 please", "HELO": "250-mx.test\n250 hello"},
    "IPv6": {"address": "::1"},
    "nobody": {"nobody": True},
    "slow": {"pause": 1.2},
    # The banner.
    "closes": {"banner": CLOSE},
    "silent": {"banner": SILENT},
    "banner 421": {"banner": "421 4.3.2 Busy", "then": CLOSE},
    "banner 554, closes": {"banner": "554 5.7.1 Go away", "then": CLOSE},
    "banner 554": {"banner": "554 5.7.1 Go away", "other": "503 5.5.1 Out of order", "HELO": "503 5.5.1 No",
                         "EHLO": "503 5.5.1 No"},
    "banner 554 with 220": {"banner": "554 Call 220 for help", "HELO": "503 5.5.1 No", "EHLO": "503 5.5.1 No"},
    "banner 450": {"banner": "450 4.3.0 Later", "HELO": "503 5.5.1 No", "EHLO": "503 5.5.1 No"},
    "ssh": {"banner": "SSH-2.0-OpenSSH_9.2", "then": CLOSE},
    # HELO and EHLO.
    "helo only": {"EHLO": "502 5.5.1 Not implemented"},
    "ehlo only": {"HELO": "502 5.5.1 Not implemented"},
    "ehlo 550": {"EHLO": "550 5.7.1 Not with that name", "HELO": "550 5.7.1 Not with that name"},
    "ehlo 450": {"EHLO": "450 4.3.2 Later", "HELO": "450 4.3.2 Later"},
    "ehlo 550 with 220": {"EHLO": "550 5.7.1 Go away 220", "HELO": "550 5.7.1 Go away 220"},
    "closes at helo": {"EHLO": CLOSE, "HELO": CLOSE, "LHLO": CLOSE},
    "silent at helo": {"EHLO": SILENT, "HELO": SILENT},
    # MAIL.
    "mail 530": {"MAIL": "530 5.7.0 Authentication required"},
    "mail 451": {"MAIL": "451 4.3.0 Milter down"},
    "mail 452": {"MAIL": "452 4.3.1 Disk full"},
    "mail 421 rate": {"MAIL": "421 4.7.0 Too many connections", "then": None},
    "closes at mail": {"MAIL": CLOSE},
    "silent at mail": {"MAIL": SILENT},
    # RCPT and the rest, by -C.
    "rcpt 550": {"RCPT": "550 5.1.1 User doesn't exist", "LHLO": "250 mx.test"},
    "rcpt 450": {"RCPT": "450 4.7.1 Greylisted"},
    "data 554": {"DATA": "554 5.5.1 No valid recipients"},
    "closes at noop": {"NOOP": CLOSE},
    # STARTTLS.
    "tls": TLS,
    "tls, keyword in small letters": TLS | {"EHLO": "250-mx.test\n250 starttls"},
    "tls 454": TLS | {"STARTTLS": "454 4.7.0 TLS not available"},
    "tls 502": TLS | {"STARTTLS": "502 5.5.1 Not implemented"},
    "tls, closes at starttls": TLS | {"STARTTLS": CLOSE},
    "tls, no ServerHello": TLS | {"STARTTLS": GARBAGE},
    "tls, silent at the handshake": TLS | {"STARTTLS": "220 2.0.0 Go", "handshake": SILENT},
    "tls, closes at the handshake": TLS | {"STARTTLS": "220 2.0.0 Go", "handshake": CLOSE},
    "tls 1.0": TLS | {"version": ssl.TLSVersion.TLSv1},
    "tls, mail 530": TLS | {"MAIL": "530 5.7.0 Authentication required"},
    "tls, second ehlo 550": TLS | {"EHLO again": "550 5.7.1 No"},
    "expired": TLS | {"certificate": "expired"},
    "expiring": TLS | {"certificate": "expiring"},
    "not yet valid": TLS | {"certificate": "not-yet-valid"},
    "wrong name": TLS | {"certificate": "wrong-name"},
    "short chain": TLS | {"certificate": "short-chain"},
    "tls, slow": TLS | {"pause": 1.2},
    "self-signed": TLS | {"certificate": "self-signed"},
    # AUTH.
    "auth": AUTH,
    "auth 535": AUTH | {"secret": "535 5.7.8 Authentication failed"},
    "auth 454": AUTH | {"secret": "454 4.7.0 Temporary failure"},
    "auth 504": AUTH | {"AUTH": "504 5.5.4 Unknown mechanism"},
    "auth plain only": AUTH | {"EHLO": "250-mx.test\n250 AUTH PLAIN", "AUTH": "504 5.5.4 Unknown mechanism"},
    "tls, auth": TLS | {"EHLO": "250-mx.test\n250-STARTTLS\n250 AUTH LOGIN", "AUTH": "334 VXNlcm5hbWU6"},
    # LMTP, QUIT.
    "lmtp": {"EHLO": "500 5.5.1 This is LMTP", "HELO": "500 5.5.1 This is LMTP"},
    "quit 500": {"QUIT": "500 5.5.1 Never"},
    "closes at quit": {"QUIT": CLOSE},
    "silent at quit": {"QUIT": SILENT},
}


class Stop(Exception):
    """The server's side is done."""


class Session:
    """One connection, by a row of SERVERS."""

    def __init__(self, connection, rows, context, said):
        self.connection, self.rows, self.context, self.said = connection, rows, context, said
        self.in_tls = False

    def run(self):
        time.sleep(self.rows.get("pause", 0))
        self.say("banner")
        if self.rows.get("then") is CLOSE:
            return
        while said := self.line():
            verb = said.split()[0].upper() if said.split() else ""
            self.said.append(verb)
            self.answer(verb)

    def line(self):
        """Byte by byte: what follows may be TLS."""
        said = b""
        while not said.endswith(b"\n"):
            one = self.connection.recv(1)
            if not one:
                raise Stop
            said += one
        return said.decode("latin-1")

    def say(self, key):
        reply = self.rows[key]
        if reply is CLOSE:
            raise Stop
        if reply is SILENT:
            self.drain()
            raise Stop
        self.connection.sendall(reply.replace("\n", "\r\n").encode() + b"\r\n")
        return reply

    def drain(self):
        while self.connection.recv(4096):
            pass

    def answer(self, verb):
        if verb == "STARTTLS":
            return self.starttls()
        if verb == "EHLO" and self.in_tls and "EHLO again" in self.rows:
            return self.say("EHLO again")
        said = self.say(verb if verb in self.rows else "other")
        if verb == "DATA" and said.startswith("354"):
            while self.line() != ".\r\n":
                pass
            self.say(".")
        if verb == "AUTH" and said.startswith("334"):
            self.line()
            self.connection.sendall(b"334 UGFzc3dvcmQ6\r\n")
            self.line()
            self.say("secret")
        if verb == "QUIT":
            raise Stop
        return said

    def starttls(self):
        if self.rows["STARTTLS"] is GARBAGE:
            self.connection.sendall(b"220 2.0.0 Go\r\n")
            self.connection.recv(5)
            self.connection.sendall(b"this is no TLS at all, whatever you may think\r\n")
            raise Stop
        if not self.say("STARTTLS").startswith("220"):
            return
        if self.rows.get("handshake") is SILENT:
            self.drain()
        if "handshake" in self.rows:
            raise Stop
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.in_tls = True


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, changes, certificates, port=0):
        """`changes` as in SERVERS."""
        rows = GOOD | changes
        self.rows, self.context, self.said = rows, None, []
        self.done = threading.Event()  # with a connection
        self.address_family = socket.AF_INET6 if "address" in rows else socket.AF_INET
        if "STARTTLS" in changes:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            kind = rows.get("certificate", "server")
            self.context.load_cert_chain(certificates / f"{kind}.pem", certificates / f"{kind}.key")
            if "version" in rows:
                self.context.set_ciphers("DEFAULT:@SECLEVEL=0")
                with warnings.catch_warnings():  # that it is an old one is the point
                    warnings.simplefilter("ignore", DeprecationWarning)
                    self.context.minimum_version = self.context.maximum_version = rows["version"]
        super().__init__((rows.get("address", "127.0.0.1"), port), None)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def finish_request(self, request, client_address):
        request.settimeout(PATIENCE)
        session = Session(request, self.rows, self.context, self.said)
        with contextlib.suppress(Stop, OSError):
            session.run()
        if session.connection is not request:
            with contextlib.suppress(OSError, ValueError):
                session.connection.unwrap()
            session.connection.close()
        self.done.set()

    def stop(self):
        self.shutdown()
        self.server_close()


class Nobody:
    """A port that is held, and on which nobody listens."""

    def __init__(self):
        self.held = socket.socket()
        self.held.bind(("127.0.0.1", 0))
        self.port = self.held.getsockname()[1]

    def stop(self):
        self.held.close()


def write_certificates(folder):
    """The usual ones, and one whose issuer expires before it."""
    peers.write_certificates(folder)
    issuer = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-x509"]

    def request(name, days, *more):
        subprocess.run(["openssl", "req", *issuer, "-subj", f"/CN={name}", "-days", str(days), *more], check=True,
                       capture_output=True, cwd=folder, timeout=60)
    request("Short CA", 5, "-keyout", "short-ca.key", "-out", "short-ca.pem")
    request("mx.test", 100, "-keyout", "short-chain.key", "-out", "leaf.pem", "-CA", "short-ca.pem", "-CAkey",
            "short-ca.key")
    (folder / "short-chain.pem").write_text((folder / "leaf.pem").read_text() + (folder / "short-ca.pem").read_text())
    return folder


def start_all(names, certificates):
    return {name: Nobody() if "nobody" in SERVERS[name] else Server(SERVERS[name], certificates) for name in names}
