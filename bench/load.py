"""What a probe costs an exporter: wrk asks for some seconds, the responder's counts prove that whole dialogues were held,
/proc says what they cost. And how long one takes."""

import pathlib
import socket
import subprocess
import time

import processes
from probes_at_once import is_good_probe, is_whole

HERE = pathlib.Path(__file__).resolve().parent


class TooFewProbes(RuntimeError):
    """To have asked every target once."""


def cpu_per_probe(exporter, responder, module, connections, seconds, targets=0):
    """User and system seconds of the exporter for each probe, under `connections` at once: of one target, or in turn of
    `targets` addresses of the loopback."""
    before, cpu = responder.counts(), exporter.cpu_seconds()
    base = f"http://127.0.0.1:{exporter.port}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", HERE / "wrk_report.lua",
               base + exporter.path(module, responder.target)]
    if targets:
        paths = [exporter.path(module, f"{address}:{responder.port}")
                 for address in processes.loopback_addresses(targets)]
        listed = pathlib.Path(exporter.folder) / f"targets-{exporter.name}"
        listed.write_text("\n".join(paths) + "\n")
        command += ["--", listed]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    processes.wait_until(lambda: responder.counts()["open"] == 0, f"{exporter.name} holds on to connections")
    cpu, after = exporter.cpu_seconds() - cpu, responder.counts()
    requests, errors = map(int, report.partition("report ")[2].split()[:2])
    dialogues = after["dialogues"] - before["dialogues"]
    with_tls = after["tls"] - before["tls"]
    if errors or not requests <= dialogues <= requests + connections:
        raise RuntimeError(f"{exporter.name}: {requests} answers, {errors} errors, {dialogues} dialogues")
    if with_tls < (requests if module == "starttls" else 0):
        raise RuntimeError(f"{exporter.name}: {with_tls} TLS sessions in {requests} probes")
    if requests < targets:
        raise TooFewProbes(f"{exporter.name}: {requests} probes in {seconds} s do not reach {targets} targets")
    return cpu / dialogues


def latencies(exporter, path, count):
    """How long each of `count` probes took, one after the other on one connection; sorted."""
    request = f"GET {path} HTTP/1.1\r\nHost: {exporter.name}\r\n\r\n".encode()
    taken = []
    with socket.create_connection(("127.0.0.1", exporter.port), timeout=30) as connection:
        for _ in range(count):
            began = time.monotonic()
            connection.sendall(request)
            answer = connection.recv(65536)
            while answer and not is_whole(answer):
                answer += connection.recv(65536)
            taken.append(time.monotonic() - began)
            if not is_good_probe(answer):
                raise RuntimeError(f"{exporter.name}: a probe failed:\n{answer.decode()}")
    return sorted(taken)
