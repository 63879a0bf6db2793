"""The mail servers of example.net that the documents speak of: what each host does on the ports of mail. They keep
nothing. Behaves as a well-kept Postfix does, apart from what a host is there to show."""

import base64
import dataclasses
import os
import selectors
import socket
import ssl
import threading
import time

PATIENCE = 60
PROXY_SECONDS = 2  # for the header to come; Postfix has five
PASSWORD, TOKEN = "secret", "token"
PORTS = {25: "smtp", 587: "submission", 465: "submissions", 24: "lmtp"}
OURS = ("example.net",)


@dataclasses.dataclass(frozen=True)
class Host:
    name: str
    address: str
    address6: str = ""
    certificate: str = "good"    # or expired, self-signed
    starttls: bool = True
    listens: bool = True
    proxy: bool = False          # wants a PROXY header
    greylists: bool = False
    relays: bool = False
    banner: str = ""             # in place of 220
    pause: float = 0.0           # before the answer to RCPT


HOSTS = (
    Host("mx.example.net", "192.0.2.25", "2001:db8::25"),
    Host("mx1.example.net", "192.0.2.11", "2001:db8::11"),
    Host("mx2.example.net", "192.0.2.12", "2001:db8::12"),
    Host("mail.example.net", "192.0.2.20", "2001:db8::20"),
    Host("smtp.example.net", "192.0.2.21"),
    Host("relay.example.net", "192.0.2.22"),
    Host("lmtp.example.net", "192.0.2.24"),
    Host("lb.example.net", "192.0.2.30", proxy=True),
    Host("grey.example.net", "192.0.2.40", greylists=True),
    Host("slow.example.net", "192.0.2.41", pause=1.5),
    Host("old.example.net", "192.0.2.42", starttls=False),
    Host("expired.example.net", "192.0.2.43", certificate="expired"),
    Host("self-signed.example.net", "192.0.2.44", certificate="self-signed"),
    Host("down.example.net", "192.0.2.45", listens=False),
    Host("blocked.example.net", "192.0.2.46", banner="554 5.7.1 Service unavailable; client host blocked"),
    Host("open.example.net", "192.0.2.47", relays=True),
)


class Session:
    """One connection."""

    def __init__(self, host, kind, connection, contexts):
        self.host, self.kind, self.connection, self.contexts = host, kind, connection, contexts
        self.tls = self.authenticated = False
        self.sender = None
        self.recipients = []

    def say(self, text):
        self.connection.sendall(text.replace("\n", "\r\n").encode() + b"\r\n")

    def read(self):
        line = self.lines.readline(8192)
        if not line:
            raise OSError("gone")
        return line.rstrip(b"\r\n").decode("latin-1")

    def start_tls(self):
        self.connection = self.contexts[self.host.certificate].wrap_socket(self.connection, server_side=True)
        self.lines = self.connection.makefile("rb")
        self.tls = True

    def proxy_header(self):
        first = b""
        self.connection.settimeout(PROXY_SECONDS)
        try:
            first = self.lines.read(6)
        except TimeoutError:
            pass
        self.connection.settimeout(PATIENCE)
        if first.startswith(b"PROXY "):
            self.lines.readline()
        elif first == b"\r\n\r\n\0\r":
            rest = self.lines.read(10)
            self.lines.read(int.from_bytes(rest[8:10], "big"))
        else:
            self.say(f"421 4.3.0 {self.host.name} No PROXY header")
            raise OSError("no header")

    def serve(self):
        self.lines = self.connection.makefile("rb", 0 if self.host.proxy else -1)
        if self.host.proxy:
            self.proxy_header()
        if self.kind == "submissions":
            self.start_tls()
        self.say(self.host.banner or f"220 {self.host.name} {'LMTP' if self.kind == 'lmtp' else 'ESMTP'}")
        while True:
            verb, _, rest = self.read().partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            if self.host.banner:
                self.say("503 5.5.1 Error: no service here")
                continue
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler is None:
                self.say("502 5.5.2 Error: command not recognized")
            else:
                handler(rest.strip())

    def on_ehlo(self, name):
        if self.kind == "lmtp":
            self.say("500 5.5.1 Error: LHLO is spoken here")
        elif not name:
            self.say("501 Syntax: EHLO hostname")
        else:
            self.greet()

    def on_lhlo(self, _name):
        self.greet()

    def on_helo(self, _name):
        self.say(f"250 {self.host.name}")

    def greet(self):
        words = ["PIPELINING", "SIZE 10485760"]
        if self.host.starttls and not self.tls and self.kind != "lmtp":
            words.append("STARTTLS")
        if self.kind.startswith("submission") and self.tls:
            words.append("AUTH PLAIN LOGIN XOAUTH2")
        words += ["ENHANCEDSTATUSCODES", "8BITMIME", "DSN"]
        self.say("\n".join([f"250-{self.host.name}", *(f"250-{one}" for one in words[:-1]), f"250 {words[-1]}"]))

    def on_starttls(self, _rest):
        if not self.host.starttls or self.tls:
            self.say("502 5.5.1 Error: command not implemented")
            return
        self.say("220 2.0.0 Ready to start TLS")
        self.start_tls()

    def ask(self, prompt):
        self.say("334 " + base64.b64encode(prompt.encode()).decode())
        return base64.b64decode(self.read())

    def on_auth(self, rest):
        if not self.tls or not self.kind.startswith("submission"):
            self.say("503 5.5.1 Error: authentication not enabled")
            return
        mechanism, _, initial = rest.partition(" ")
        answer = base64.b64decode(initial) if initial else self.ask("Username:" if mechanism == "LOGIN" else "")
        if mechanism == "LOGIN":
            answer = self.ask("Password:")
        self.authenticated = answer.endswith(PASSWORD.encode()) or TOKEN.encode() in answer
        self.say("235 2.7.0 Authentication successful" if self.authenticated else
                 "535 5.7.8 Error: authentication failed: bad credentials")

    def on_mail(self, rest):
        if self.kind.startswith("submission") and not self.authenticated:
            self.say("530 5.7.0 Must issue a STARTTLS command first" if not self.tls else
                     "530 5.7.0 Authentication required")
            return
        self.sender = rest[5:]
        self.say("250 2.1.0 Ok")

    def on_rcpt(self, rest):
        if self.sender is None:
            self.say("503 5.5.1 Error: need MAIL command")
            return
        address = rest[rest.find("<") + 1:rest.find(">")]
        local, _, domain = address.partition("@")
        time.sleep(self.host.pause)
        if domain not in OURS and not self.authenticated and not self.host.relays:
            self.say(f"554 5.7.1 <{address}>: Relay access denied")
        elif local.startswith(("unknown", "nobody", "no-such")):
            self.say(f"550 5.1.1 <{address}>: Recipient address rejected: User unknown")
        elif local.startswith("grey") or self.host.greylists:
            self.say(f"450 4.7.1 <{address}>: Recipient address rejected: Greylisted, try again")
        else:
            self.recipients.append(address)
            self.say("250 2.1.5 Ok")

    def on_data(self, _rest):
        if not self.recipients:
            self.say("503 5.5.1 Error: need RCPT command")
            return
        self.say("354 End data with <CR><LF>.<CR><LF>")
        while self.read() != ".":
            pass
        for one in self.recipients if self.kind == "lmtp" else ("",):
            self.say(f"250 2.0.0 <{one}> Saved" if one else "250 2.0.0 Ok: queued as 4XyZ12")
        self.forget()

    def forget(self):
        self.sender, self.recipients = None, []

    def on_rset(self, _rest):
        self.forget()
        self.say("250 2.0.0 Ok")

    def on_noop(self, _rest):
        self.say("250 2.0.0 Ok")

    def on_vrfy(self, _rest):
        self.say("252 2.0.0 Ok")


class MailServers:
    """Every host of HOSTS on its ports, in the network of the calling thread, until close()."""

    def __init__(self, certificates):
        """`certificates`: name -> (chain file, key file)."""
        self.contexts = {}
        for name, (chain, key) in certificates.items():
            self.contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.contexts[name].load_cert_chain(chain, key)
        self.selector = selectors.DefaultSelector()
        self.listeners = []
        for host in HOSTS:
            for port, kind in PORTS.items():
                for address in (host.address, host.address6):
                    if host.listens and address:
                        family = socket.AF_INET6 if ":" in address else socket.AF_INET
                        self._listen(socket.create_server((address, port), family=family), host, kind)
        threading.Thread(target=self._accept, daemon=True).start()

    def _listen(self, listener, host, kind):
        self.listeners.append(listener)
        self.selector.register(listener, selectors.EVENT_READ, (host, kind))

    def listen_on(self, path):
        """LMTP on a unix socket, which anybody may use."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        os.chmod(path, 0o666)
        listener.listen(64)
        self._listen(listener, next(one for one in HOSTS if one.name == "lmtp.example.net"), "lmtp")

    def _accept(self):
        while True:
            try:
                ready = self.selector.select(0.5)
                for key, _ in ready:
                    threading.Thread(target=self._serve, args=(key.fileobj.accept()[0], *key.data), daemon=True).start()
            except (OSError, ValueError, RuntimeError):
                if not self.listeners:
                    return

    def _serve(self, connection, host, kind):
        session = Session(host, kind, connection, self.contexts)
        try:
            connection.settimeout(PATIENCE)
            session.serve()
        except (OSError, ValueError):
            pass
        finally:
            session.connection.close()

    def close(self):
        listeners, self.listeners = self.listeners, []
        for one in listeners:
            self.selector.unregister(one)
            one.close()
