"""Mail servers that behave as the minute demands: in the network of this process, each on an address of its own, with
a certificate of its own."""

import random
import socket
import ssl
import subprocess
import threading
import time

CA_CONFIG = """
[ca]
default_ca = here
[here]
dir = {folder}
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
email_in_dn = no
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""


class Authority:
    """A CA that also issues what has run out."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "index").touch()
        (folder / "serial").write_text("2A17C0FFEE01\n")
        (folder / "ca.conf").write_text(CA_CONFIG.format(folder=folder))
        self.root = folder / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                      "-keyout", folder / "ca.key", "-out", self.root, "-subj", "/O=Example Trust/CN=Example Root R1")

    def _openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, cwd=self.folder, capture_output=True)

    def context(self, name, days, newest=None):
        """A server's TLS with a certificate that ends in so many days, or ended before."""
        at = self.folder / name
        now = time.time()
        stamp = lambda moment: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(moment))
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-addext", f"subjectAltName=DNS:{name}", "-keyout", f"{at}.key", "-out", f"{at}.csr")
        # Half an hour more: it shows as whole days all the while.
        self._openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key",
                      "-startdate", stamp(now - (90 - min(days, 80)) * 86400), "-enddate", stamp(now + days * 86400 + 1800),
                      "-in", f"{at}.csr", "-out", f"{at}.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{at}.pem", f"{at}.key")
        if newest:
            context.maximum_version = newest
        return context


class MailServer:
    """`mood(share)` tells what is different at that share of the story (0 to 1): `refuses`, `starttls` (False: not
    offered), `rcpt` (the reply), `slow` (seconds more at RCPT)."""

    def __init__(self, name, address, pace, context, story, mood=lambda share: {}):
        self.name, self.address, self.pace, self.context = name, address, pace, context
        self.story, self.mood = story, mood
        self.random = random.Random(name)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        listener = None
        while True:
            if self.mood(self.story()).get("refuses"):
                if listener:
                    listener.close()
                listener = None
                time.sleep(0.1)
                continue
            if listener is None:
                family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
                listener = socket.create_server((self.address, 25), family=family)
                listener.settimeout(0.2)
            try:
                one = listener.accept()[0]
            except TimeoutError:
                continue
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.settimeout(20)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._talk(connection, self.mood(self.story()))
        except OSError:
            pass
        finally:
            connection.close()

    def _talk(self, connection, mood):
        def say(text, share=1.0, more=0.0):
            time.sleep(self.pace * share * self.random.lognormvariate(0, 0.18) + more)
            connection.sendall(text.replace("\n", "\r\n").encode() + b"\r\n")

        secure = False
        say(f"220 {self.name} ESMTP Postfix", 2)
        lines = connection.makefile("rb")
        while line := lines.readline().decode("latin-1").strip():
            word = line.split(" ")[0].upper()
            if word == "EHLO":
                more = "250-AUTH PLAIN LOGIN\n" if secure else "250-STARTTLS\n" if mood.get("starttls", True) else ""
                say(f"250-{self.name}\n250-PIPELINING\n250-SIZE 52428800\n{more}250-ENHANCEDSTATUSCODES\n250-8BITMIME\n"
                    "250-DSN\n250 SMTPUTF8", 0.4)
            elif word == "STARTTLS":
                say("220 2.0.0 Ready to start TLS", 0.3)
                time.sleep(self.pace)
                connection, secure = self.context.wrap_socket(connection, server_side=True), True
                lines = connection.makefile("rb")
            elif word == "MAIL":
                say("250 2.1.0 Ok", 0.5)
            elif word == "RCPT":
                to = line[len("RCPT TO:"):]
                ours = to.endswith(".net>")
                say(mood.get("rcpt", "250 2.1.5 Ok").format(to=to) if ours else f"554 5.7.1 {to}: Relay access denied",
                    3, mood.get("slow", 0.0))
            elif word == "QUIT":
                say("221 2.0.0 Bye", 0.2)
                return
            else:
                say("502 5.5.2 Error: command not recognized", 0.2)
