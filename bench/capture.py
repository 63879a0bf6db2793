"""What was on the wire between a client and a server on the loopback, and when, by the kernel's own stamps: a packet
socket, as tcpdump's. Needs root."""

import collections
import ctypes
import socket
import struct

ETH_P_ALL, SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 3, 26, 33, 35
PACKET_HOST, PACKET_OUTGOING = 0, 4
SYN, ACK = 0x02, 0x10
BUFFER = 256 << 20  # read when there is time: the stamps are the kernel's

Segment = collections.namedtuple("Segment", "at from_client flags payload sequence")


def port_filter(port):
    """Classic BPF: IPv4 without options, TCP, from or to `port`; the first 96 bytes of each."""
    code = [(0x28, 0, 0, 12), (0x15, 0, 7, 0x0800), (0x30, 0, 0, 23), (0x15, 0, 5, 6),
            (0x28, 0, 0, 34), (0x15, 2, 0, port), (0x28, 0, 0, 36), (0x15, 0, 1, port), (0x06, 0, 0, 96),
            (0x06, 0, 0, 0)]
    program = b"".join(struct.pack("HBBI", *one) for one in code)
    return ctypes.create_string_buffer(program), len(code)


class Capture:
    """Between the constructor and stop(): {address of the server: [Segment]} of all that spoke with `port`, each as
    the client's side of the wire saw it."""

    def __init__(self, port):
        self._port = port
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        program, length = port_filter(port)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                                struct.pack("HL", length, ctypes.addressof(program)))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind(("lo", ETH_P_ALL))
        self.connections = collections.defaultdict(list)

    def stop(self):
        self._socket.setblocking(False)
        while True:
            try:
                frame, extra, _, address = self._socket.recvmsg(128, 64)
            except BlockingIOError:
                break
            self._take(frame, extra, address[2])
        self._socket.close()
        return self.connections

    def _take(self, frame, extra, direction):
        total, = struct.unpack_from("!H", frame, 16)
        source, target = frame[26:30], frame[30:34]
        source_port, _, sequence = struct.unpack_from("!HHI", frame, 34)
        from_client = source_port != self._port
        # Each packet passes twice: as it leaves, and as it arrives.
        if direction != (PACKET_OUTGOING if from_client else PACKET_HOST):
            return
        payload = total - 20 - (frame[46] >> 4) * 4
        seconds, nanoseconds = struct.unpack("qq", extra[0][2])
        server = socket.inet_ntoa(target if from_client else source)
        self.connections[server].append(
            Segment(seconds + nanoseconds * 1e-9, from_client, frame[47], payload, sequence))
