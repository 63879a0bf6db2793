"""Real servers for the end-to-end tests: a private Postfix and a private Dovecot, each in a folder of its own
on high loopback ports, beside whatever the system runs. Both need root and their Debian package; `missing()`
says what is lacking."""

import atexit
import http.server
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import textwrap
import threading
import time
import urllib.parse

HELD = []  # sockets that reserve a port until this process ends
FAKE_SERVER = os.environ.get("SMTP_FAKE_SERVER", "")


def missing(*programs):
    """Why the real servers cannot be started here; None when they can."""
    if os.geteuid() != 0:
        return "needs root"
    lacking = [p for p in programs if shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    return f"not installed: {' '.join(lacking)}" if lacking else None


def reserve(port):
    """Whether the port is now this process' alone among those that ask here, as long as it lives: tests run side by
    side, and a server binds its port later than it is chosen."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0smtp-probe-test-port-{port}")
    except OSError:
        mark.close()
        return False
    HELD.append(mark)
    return True


def free_ports(count):
    """Ports of 127.0.0.1 for servers that cannot be given port 0. They lie below those that the kernel gives to
    clients: one of these could be taken by the next test's connection before the server has bound it."""
    ports = []
    for port in random.sample(range(20000, 32000), 12000):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        if reserve(port):
            ports.append(port)
        if len(ports) == count:
            break
    return ports


def closed_port():
    """A port of every local address that refuses connections as long as this process lives: it is bound, so that nobody
    else gets it, and nobody listens there."""
    try:
        one = socket.socket(socket.AF_INET6)
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind(("::", 0))
    except OSError:  # no IPv6 here
        one = socket.socket()
        one.bind(("0.0.0.0", 0))
    HELD.append(one)
    return one.getsockname()[1]


def cpu_seconds(pid):
    """What the process has used until now; in steps of 10 ms."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(pid):
    """What the process has open, by name. It may open and close files meanwhile: one that is gone is left out."""
    names = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except FileNotFoundError:
            continue
    return names


def listens(port):
    """Whether something listens on the port of 127.0.0.1; asked of the kernel, for a connection would be in
    the server's log and among those that it counts."""
    address = f"0100007F:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(line.split()[1:4:2] == [address, "0A"] for line in table)


def wait_until(true, what, seconds=20):
    """`true()` as soon as it is; a TimeoutError that names `what` when it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = true()
        if answer:
            return answer
        time.sleep(0.02)
    raise TimeoutError(what)


def end(process, seconds=20):
    """Has the process end, by force where it does not."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def make_folder(name):
    # Below /var, for Postfix logs nowhere else; the servers' own users must be able to pass.
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"smtp-probe-{name}-", dir="/var/tmp"))
    folder.chmod(0o755)
    return folder


def write_certificates(folder):
    """ca.pem, server.pem, server.key for mx.test and 127.0.0.1, and the broken ones."""
    folder.mkdir(exist_ok=True)
    subprocess.run([FAKE_SERVER, "--write-certs", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder


class Postfix:
    """Listeners by name in `ports`; the log by `log()`."""

    LISTENERS = {
        "starttls": [],
        "implicit": ["smtpd_tls_wrappermode=yes"],
        "clear": ["smtpd_tls_security_level=none"],
        "reject": ["{ smtpd_recipient_restrictions ="
                   " check_recipient_access static:{550 5.1.1 No such user here} }"],
        "defer": ["{ smtpd_recipient_restrictions ="
                  " check_recipient_access static:{450 4.7.1 Greylisted, try again later} }"],
        "mail530": ["smtpd_delay_reject=no",
                    "{ smtpd_sender_restrictions ="
                    " check_sender_access static:{530 5.7.0 Authentication required} }"],
        "banner554": ["smtpd_delay_reject=no", "smtpd_client_restrictions=reject"],
        "ehlo": ["smtpd_delay_reject=no", "smtpd_helo_required=yes",
                 "{ smtpd_helo_restrictions ="
                 " check_helo_access static:{550 5.7.1 Not with that name} }"],
        "proxy": ["smtpd_upstream_proxy_protocol=haproxy", "smtpd_upstream_proxy_timeout=2s"],
        # As Postfix has them where main.cf says nothing.
        "relay_default": ["{ smtpd_relay_restrictions ="
                          " permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination }"],
        "slow": ["{ smtpd_recipient_restrictions = sleep 2, permit_auth_destination, reject }"],
        "auth": ["smtpd_sasl_auth_enable=yes", "smtpd_tls_auth_only=yes"],
        "auth_clear": ["smtpd_sasl_auth_enable=yes", "smtpd_tls_auth_only=no",
                       "smtpd_tls_security_level=none"],
        "helo_only": ["smtpd_discard_ehlo_keywords=starttls,auth,size,dsn,silent-discard"],
        "small": ["message_size_limit=300"],
        "rate": ["smtpd_client_connection_rate_limit=1"],
    }

    def __init__(self, sasl_socket="/nonexistent"):
        self.folder = make_folder("postfix")
        atexit.register(self.stop)  # also when the tests are interrupted
        self.started = False
        self.certificates = write_certificates(self.folder / "certificates")
        self.config = self.folder / "config"
        self.queue = self.folder / "queue"
        self.data = self.folder / "data"
        for one in (self.config, self.queue, self.data):
            one.mkdir()
        shutil.chown(self.data, "postfix", "postfix")
        self.ports = dict(zip(self.LISTENERS, free_ports(len(self.LISTENERS))))
        self.log_file = self.folder / "maillog"
        self._write_config(sasl_socket)
        try:
            self.started = True
            self._postfix("start")
            for name, port in self.ports.items():
                wait_until(lambda: listens(port), f"Postfix does not listen as {name}: {self.log()}")
        except (RuntimeError, TimeoutError):
            self.stop()
            raise

    def _write_config(self, sasl_socket):
        for name in ("postfix-files", "dynamicmaps.cf"):
            shutil.copy(f"/etc/postfix/{name}", self.config / name)
        for name in ("postfix-files.d", "dynamicmaps.cf.d"):
            shutil.copytree(f"/etc/postfix/{name}", self.config / name)
        (self.config / "main.cf").write_text(textwrap.dedent(f"""\
            compatibility_level = 3.6
            queue_directory = {self.queue}
            data_directory = {self.data}
            meta_directory = {self.config}
            command_directory = /usr/sbin
            daemon_directory = /usr/lib/postfix/sbin
            mail_owner = postfix
            setgid_group = postdrop
            maillog_file = {self.log_file}
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            myhostname = mx.test
            mydestination = example.test, localhost
            mynetworks = 192.0.2.0/24
            local_recipient_maps =
            local_transport = discard:
            default_transport = discard:
            alias_maps =
            alias_database =
            biff = no
            append_dot_mydomain = no
            smtpd_peername_lookup = no
            smtpd_relay_restrictions = permit_auth_destination, reject
            smtpd_tls_cert_file = {self.certificates}/server.pem
            smtpd_tls_key_file = {self.certificates}/server.key
            smtpd_tls_security_level = may
            smtpd_sasl_type = dovecot
            smtpd_sasl_path = {sasl_socket}
            smtpd_sasl_security_options = noanonymous
            smtpd_client_connection_rate_limit = 0
            """))
        services = textwrap.dedent("""\
            postlog   unix-dgram n - n - 1 postlogd
            pickup    unix n - n 60 1 pickup
            cleanup   unix n - n - 0 cleanup
            qmgr      unix n - n 300 1 qmgr
            tlsmgr    unix - - n 1000? 1 tlsmgr
            rewrite   unix - - n - - trivial-rewrite
            bounce    unix - - n - 0 bounce
            defer     unix - - n - 0 bounce
            trace     unix - - n - 0 bounce
            verify    unix - - n - 1 verify
            flush     unix n - n 1000? 0 flush
            proxymap  unix - - n - - proxymap
            proxywrite unix - - n - 1 proxymap
            error     unix - - n - - error
            retry     unix - - n - - error
            discard   unix - - n - - discard
            anvil     unix - - n - 1 anvil
            """)
        for name, options in self.LISTENERS.items():
            services += f"127.0.0.1:{self.ports[name]} inet n - n - - smtpd\n"
            services += f"  -o syslog_name={name}\n"
            services += "".join(f"  -o {option}\n" for option in options)
        (self.config / "master.cf").write_text(services)

    def _postfix(self, command):
        done = subprocess.run(["/usr/sbin/postfix", "-c", str(self.config), command],
                              capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"postfix {command}: {done.stdout}{done.stderr}{self.log()}")

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def sessions(self, listener):
        """The line with which Postfix closes its book on each session of the listener."""
        return [line for line in self.log().splitlines()
                if f" {listener}/smtpd[" in line and ": disconnect from " in line]

    def connects(self, listener):
        """How many sessions of the listener were begun."""
        return sum(f" {listener}/smtpd[" in line and ": connect from " in line for line in self.log().splitlines())

    def stop(self):
        atexit.unregister(self.stop)
        try:
            if self.started:
                self._postfix("stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


class TokenServer:
    """Answers Dovecot's question whether an OAuth token is good."""

    def __init__(self, good):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                known = query.get("token", [""])[0] == good
                body = json.dumps({"email": "probe", "active": True} if known else
                                  {"error": "invalid_token"}).encode()
                self.send_response(200 if known else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Dovecot:
    """SASL for Postfix on `sasl_socket`, LMTP on `lmtp_port` and `lmtp_socket`. User `probe`, password
    `correct horse`, token `good-token`."""

    USER, PASSWORD, TOKEN = "probe", "correct horse", "good-token"

    def __init__(self):
        self.folder = make_folder("dovecot")
        self.tokens = TokenServer(self.TOKEN)
        self.sasl_socket = self.folder / "sasl"
        self.lmtp_socket = self.folder / "lmtp"
        (self.lmtp_port,) = free_ports(1)
        (self.folder / "mail").mkdir()
        shutil.chown(self.folder / "mail", "mail", "mail")
        (self.folder / "users").write_text(
            f"{self.USER}:{{PLAIN}}{self.PASSWORD}:mail:mail::{self.folder}/mail/probe::\n"
            f"second:{{PLAIN}}{self.PASSWORD}:mail:mail::{self.folder}/mail/second::\n"
            f"{self.USER}@example.test:{{PLAIN}}{self.PASSWORD}:mail:mail::{self.folder}/mail/probe::\n"
            f"second@example.test:{{PLAIN}}{self.PASSWORD}:mail:mail::{self.folder}/mail/second::\n")
        (self.folder / "oauth2.conf").write_text(textwrap.dedent(f"""\
            tokeninfo_url = http://127.0.0.1:{self.tokens.port}/?token=
            introspection_mode =
            username_attribute = email
            force_introspection = no
            """))
        self.log_file = self.folder / "log"
        (self.folder / "dovecot.conf").write_text(textwrap.dedent(f"""\
            base_dir = {self.folder}/run
            state_dir = {self.folder}/state
            log_path = {self.log_file}
            protocols = lmtp
            ssl = no
            listen = 127.0.0.1
            first_valid_uid = 1
            mail_location = maildir:~/Maildir
            auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer
            disable_plaintext_auth = no
            auth_failure_delay = 0
            passdb {{
              driver = oauth2
              mechanisms = xoauth2 oauthbearer
              args = {self.folder}/oauth2.conf
            }}
            passdb {{
              driver = passwd-file
              mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
              args = {self.folder}/users
            }}
            userdb {{
              driver = passwd-file
              args = {self.folder}/users
            }}
            service auth {{
              unix_listener {self.sasl_socket} {{
                mode = 0666
              }}
            }}
            service anvil {{
              chroot =
              unix_listener anvil-auth-penalty {{
                mode = 0
              }}
            }}
            service lmtp {{
              inet_listener lmtp {{
                address = 127.0.0.1
                port = {self.lmtp_port}
              }}
              unix_listener {self.lmtp_socket} {{
                mode = 0666
              }}
            }}
            """))
        self.process = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", str(self.folder / "dovecot.conf")],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        atexit.register(self.stop)  # also when the tests are interrupted
        try:
            wait_until(lambda: listens(self.lmtp_port) or self.process.poll() is not None, "nobody listens")
            wait_until(self.lmtp_socket.exists, "no unix socket", 5)
        except TimeoutError as error:
            log = self.log()
            self.process.kill()
            complaint = self.process.stderr.read().decode()
            self.stop()
            raise RuntimeError(f"Dovecot: {error}: {complaint}{log}") from None

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def delivered(self, user):
        folder = self.folder / "mail" / user / "Maildir" / "new"
        return [one.read_text() for one in folder.iterdir()] if folder.exists() else []

    def stop(self):
        atexit.unregister(self.stop)
        end(self.process)
        self.process.stderr.close()
        self.tokens.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
