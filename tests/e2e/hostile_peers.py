"""Servers that no transcript can describe: endless ones, broken TLS below OpenSSL's interface, certificates that nobody
would sign, SASL with the client's own nonce in it. Each is a function of a channel and of the code that is due there."""

import base64
import contextlib
import ctypes
import hashlib
import hmac
import os
import socket
import ssl
import struct
import time

CLEAR, IMPLICIT, STARTTLS = "clear", "implicit", "starttls"
MEBIBYTE = b"x" * (1 << 20)


def line(channel):
    """What the client says up to its next line end; empty at its end. Unbuffered: what follows may be TLS."""
    said = b""
    while not said.endswith(b"\n"):
        one = channel.recv(1)
        if not one:
            return b""
        said += one
    return said


def drain(channel):
    with contextlib.suppress(OSError):
        while channel.recv(65536):
            pass


def reach_handshake(connection, mode):
    if mode == STARTTLS:
        connection.sendall(b"220 mx.test ESMTP\r\n")
        line(connection)
        connection.sendall(b"250-mx.test\r\n250 STARTTLS\r\n")
        line(connection)
        connection.sendall(b"220 2.0.0 Ready to start TLS\r\n")


def reach_answer(connection, mode, context):
    """The channel at the first point where an answer is due, and the code due there: the banner's, and behind
    STARTTLS EHLO's."""
    reach_handshake(connection, mode)
    if mode == CLEAR:
        return connection, b"220"
    channel = context.wrap_socket(connection, server_side=True)
    if mode == IMPLICIT:
        return channel, b"220"
    line(channel)
    return channel, b"250"


def at_answer(behaviour):
    """A server that behaves until the first answer over its kind of channel."""
    return lambda connection, mode, context: behaviour(*reach_answer(connection, mode, context))


def walk(channel, code):
    """All of a plain dialogue, by a server that is well from here on."""
    channel.sendall(code + b" mx.test\r\n")
    while said := line(channel):
        channel.sendall(b"221 bye\r\n" if said.upper().startswith(b"QUIT") else b"250 mx.test\r\n")


# Bytes without end.

def endless_line(channel, code):
    channel.sendall(code + b" ")
    for _ in range(128):
        channel.sendall(MEBIBYTE)


def endless_drip(channel, code):
    channel.sendall(code + b" ")
    while True:
        channel.sendall(b"x")
        time.sleep(0.1)


def half_close(channel, _code):
    channel.shutdown(socket.SHUT_WR)
    drain(channel)


def half_close_in_reply(channel, code):
    channel.sendall(code + b"-mx.test\r\n" + code[:2])
    half_close(channel, code)


def flood_in_reply(channel, code):
    """As many bytes as the network takes, from before the client speaks."""
    while True:
        channel.sendall(code + b"-" + b"x" * 60 + b"\r\n")


def injected_apart(connection, _mode, _context):
    """Plaintext in a segment of its own, after the 220 was read and before any ServerHello."""
    reach_handshake(connection, STARTTLS)
    connection.recv(1, socket.MSG_PEEK)  # the ClientHello
    connection.sendall(b"250 AUTH PLAIN\r\n")
    drain(connection)


def random_noise(seed):
    def behave(channel, code):
        # The same noise for whoever connects, so that both programs see the same server.
        noise = b"".join(hashlib.sha256(bytes([seed, i])).digest() for i in range(20)).replace(b"\n", b"")
        channel.sendall(code + b" " + noise + b"\r\n")
        while said := line(channel):
            greeted = said.upper().startswith(b"EHLO")
            channel.sendall((b"250 " if greeted else b"550 5.7.1 ") + noise[::-1] + b"\r\n")
    return at_answer(behave)


# TLS below OpenSSL's interface.

def record(kind, body, version=b"\3\3"):
    return bytes([kind]) + version + struct.pack(">H", len(body)) + body


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def server_hello(version=b"\3\3", extensions=b"\0\5\xff\1\0\1\0"):
    # TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, secure renegotiation.
    return message(2, version + b"r" * 32 + b"\0" + b"\xc0\x2b" + b"\0" + extensions)


def certificates(*ders):
    whole = b"".join(len(one).to_bytes(3, "big") + one for one in ders)
    return message(11, len(whole).to_bytes(3, "big") + whole)


def after_hello(answer):
    """Answers the ClientHello with these bytes and is silent then."""
    def serve(connection, mode, _context):
        reach_handshake(connection, mode)
        head = connection.recv(5, socket.MSG_WAITALL)
        connection.recv(int.from_bytes(head[3:], "big"), socket.MSG_WAITALL)
        connection.sendall(answer)
        drain(connection)
    return serve


def alert(number):
    return after_hello(record(21, bytes([2, number])))


def unreadable_certificate(der):
    return after_hello(record(22, server_hello()) + record(22, certificates(der)))


def certificate_and_silence(pem):
    """Over TLS 1.2: the certificate is read, and the handshake never goes on."""
    return unreadable_certificate(ssl.PEM_cert_to_DER_cert(pem))


def tampered(change):
    """A handshake, and then an answer whose record was changed on its way."""
    def serve(connection, mode, context):
        reach_handshake(connection, mode)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)

        def until_done(step):
            while True:
                try:
                    result = step()
                    connection.sendall(outgoing.read())
                    return result
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    got = connection.recv(65536)
                    if not got:
                        raise ConnectionError from None
                    incoming.write(got)
        until_done(tls.do_handshake)
        if mode == STARTTLS:
            until_done(lambda: tls.read(4096))
        tls.write(b"220 mx.test\r\n" if mode == IMPLICIT else b"250 mx.test\r\n")
        connection.sendall(change(outgoing.read()))
        drain(connection)
    return serve


def flip_last_byte(sealed):
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


def oversized_record(_sealed):
    return b"\x17\3\3\xff\xff" + b"x" * 4096


def plaintext_record(_sealed):
    return record(23, b"250 mx.test\r\n")


# OpenSSL itself, for what Python's ssl has no call for.

class Library:
    """libssl as far as the floods need it."""
    KEY_UPDATE_REQUESTED = 1
    TLS1_2 = 0x0303

    def __init__(self):
        self.ssl = ctypes.CDLL("libssl.so.3")
        for name, result, arguments in (
                ("TLS_server_method", "P", ""), ("SSL_CTX_new", "P", "P"), ("SSL_CTX_free", "", "P"),
                ("SSL_CTX_ctrl", "l", "PilP"), ("SSL_CTX_use_certificate_chain_file", "i", "Pz"),
                ("SSL_CTX_use_PrivateKey_file", "i", "Pzi"), ("SSL_new", "P", "P"), ("SSL_free", "", "P"),
                ("SSL_set_fd", "i", "Pi"), ("SSL_accept", "i", "P"), ("SSL_write", "i", "Pzi"),
                ("SSL_read", "i", "PPi"), ("SSL_key_update", "i", "Pi"), ("SSL_do_handshake", "i", "P"),
                ("SSL_renegotiate", "i", "P"), ("SSL_new_session_ticket", "i", "P")):
            kinds = {"P": ctypes.c_void_p, "z": ctypes.c_char_p, "i": ctypes.c_int, "l": ctypes.c_long, "": None}
            call = getattr(self.ssl, name)
            call.restype = kinds[result]
            call.argtypes = [kinds[one] for one in arguments]


class OpensslChannel:
    """A socket in TLS with OpenSSL's own handle."""

    def __init__(self, connection, folder, tls12):
        library = Library()
        self.ssl = library.ssl
        self.connection = connection
        connection.settimeout(None)  # the descriptor has to block: OpenSSL reads and writes it
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 20, 0))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 20, 0))
        self.context = self.ssl.SSL_CTX_new(self.ssl.TLS_server_method())
        if tls12:
            self.ssl.SSL_CTX_ctrl(self.context, 124, library.TLS1_2, None)  # SSL_CTX_set_max_proto_version
        self.ssl.SSL_CTX_use_certificate_chain_file(self.context, os.fsencode(folder / "server.pem"))
        self.ssl.SSL_CTX_use_PrivateKey_file(self.context, os.fsencode(folder / "server.key"), 1)
        self.handle = self.ssl.SSL_new(self.context)
        self.ssl.SSL_set_fd(self.handle, connection.fileno())

    def __enter__(self):
        if self.ssl.SSL_accept(self.handle) != 1:
            raise ConnectionError("no handshake")
        return self

    def __exit__(self, *_):
        self.ssl.SSL_free(self.handle)
        self.ssl.SSL_CTX_free(self.context)

    def sendall(self, data):
        if self.ssl.SSL_write(self.handle, data, len(data)) <= 0:
            raise ConnectionError("not taken")

    def recv(self, size):
        buffer = ctypes.create_string_buffer(size)
        got = self.ssl.SSL_read(self.handle, buffer, size)
        return buffer.raw[:max(0, got)]

    def key_update(self):
        return self.ssl.SSL_key_update(self.handle, Library.KEY_UPDATE_REQUESTED) == 1 and self._handshake()

    def hello_request(self):
        return self.ssl.SSL_renegotiate(self.handle) == 1 and self._handshake()

    def ticket(self):
        return self.ssl.SSL_new_session_ticket(self.handle) == 1 and self._handshake()

    def _handshake(self):
        return self.ssl.SSL_do_handshake(self.handle) == 1


def flood(what, count, tls12=False):
    """`count` of what TLS allows and nobody needs, in front of the answer; None: without end, and no answer."""
    def serve(connection, mode, context):
        reach_handshake(connection, mode)
        with OpensslChannel(connection, context.folder, tls12) as channel:
            if mode == STARTTLS:
                line(channel)
            done = 0
            while count is None or done < count:
                if not getattr(channel, what)():
                    break
                done += 1
            walk(channel, b"220" if mode == IMPLICIT else b"250")
    return serve


# SASL with the client's nonce in it.

ITERATIONS, SALT = 4096, b"salt-of-test"


def scram(first=None, final=None):
    """SCRAM-SHA-256 for the password `secret`. `first` and `final` change what the server says."""
    def behave(channel, code):
        channel.sendall(b"220 mx.test\r\n" if code == b"220" else b"250-mx.test\r\n250 AUTH SCRAM-SHA-256\r\n")
        while said := line(channel):
            if said.upper().startswith(b"EHLO"):
                channel.sendall(b"250-mx.test\r\n250 AUTH SCRAM-SHA-256\r\n")
            elif said.upper().startswith(b"AUTH"):
                exchange(channel, base64.b64decode(said.split()[2]))
            elif said.upper().startswith(b"QUIT"):
                channel.sendall(b"221 bye\r\n")
            else:
                channel.sendall(b"501 5.7.0 cancelled\r\n")

    def exchange(channel, client_first):
        bare = client_first[3:]
        nonce = bare.split(b"r=")[1] + b"server"
        server_first = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(SALT), ITERATIONS)
        if first:
            server_first = first(server_first)
        channel.sendall(b"334 " + base64.b64encode(server_first) + b"\r\n")
        said = line(channel).strip()
        if said == b"*":
            channel.sendall(b"501 5.7.0 cancelled\r\n")
            return
        without_proof = base64.b64decode(said).split(b",p=")[0]
        salted = hashlib.pbkdf2_hmac("sha256", b"secret", SALT, ITERATIONS)
        key = hmac.digest(salted, b"Server Key", "sha256")
        signature = hmac.digest(key, bare + b"," + server_first + b"," + without_proof, "sha256")
        last = b"334 " + base64.b64encode(b"v=" + base64.b64encode(signature))
        channel.sendall((final(last) if final else last) + b"\r\n")
        answers = {b"": b"235 2.7.0 ok\r\n", b"*": b"501 5.7.0 cancelled\r\n", b"QUIT": b"221 bye\r\n"}
        channel.sendall(answers[line(channel).strip()])
    return at_answer(behave)


def iterations(number):
    return lambda first: first.replace(b"i=%d" % ITERATIONS, b"i=%d" % number)


def another_nonce(first):
    return b"r=notyours" + first[first.index(b",s="):]


def another_signature(_last):
    return b"334 " + base64.b64encode(b"v=" + base64.b64encode(b"x" * 32))


def success_without_signature(_last):
    return b"235 2.7.0 you are in"


def another_signature_and_success(last):
    return another_signature(last) + b"\r\n235 2.7.0 you are in"


# Servers that are not there.

class Nobody:
    """A port that nobody listens on: bound, so that nobody else can."""

    def __init__(self):
        self.held = socket.socket()
        self.held.bind(("127.0.0.1", 0))
        self.port = self.held.getsockname()[1]

    def close(self):
        self.held.close()


class Filtered(Nobody):
    """A listener whose queue is full: the kernel drops every further SYN, as a firewall does."""

    def __init__(self):
        super().__init__()
        self.held.listen(0)
        self.queued = []
        for _ in range(64):
            one = socket.socket()
            one.settimeout(0.3)
            self.queued.append(one)
            try:
                one.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return
        raise RuntimeError("the queue does not get full")

    def close(self):
        for one in self.queued:
            one.close()
        super().close()
