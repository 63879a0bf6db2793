"""The text format 0.0.4 of what the exporter tells, and promtool's opinion of it."""

import dataclasses
import re
import subprocess

from probe import environment

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
# Contract of /probe: whatever came of it, no other family.
FAMILIES = {
    "probe_success", "probe_duration_seconds", "probe_timeout_seconds", "probe_dns_lookup_time_seconds",
    "probe_ip_protocol", "probe_ip_addr_hash", "probe_smtp_state", "probe_smtp_step_duration_seconds",
    "probe_smtp_step_reply_code", "probe_smtp_step_enhanced_status_info", "probe_failure_info",
    "probe_smtp_extension_offered", "probe_smtp_size_limit_bytes", "probe_smtp_tls", "probe_smtp_tls_verified",
    "probe_smtp_failed_addresses", "probe_ssl_earliest_cert_expiry", "probe_ssl_last_chain_expiry_timestamp_seconds", "probe_ssl_last_chain_info",
    "probe_tls_version_info", "probe_tls_cipher_info"}
# Those that are there even when nothing was reached.
ALWAYS = {
    "probe_success", "probe_duration_seconds", "probe_timeout_seconds", "probe_dns_lookup_time_seconds",
    "probe_ip_protocol", "probe_ip_addr_hash", "probe_smtp_state", "probe_smtp_step_duration_seconds",
    "probe_smtp_step_reply_code", "probe_smtp_tls", "probe_smtp_tls_verified",
    "probe_smtp_failed_addresses"}


@dataclasses.dataclass
class Sample:
    name: str
    labels: dict
    value: float


class Exposition:
    """The text format 0.0.4, read strictly: HELP and TYPE of each family once and in front of its samples."""

    LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
    LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\n"])*)",?')
    ESCAPES = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}

    def __init__(self, text):
        assert text.endswith("\n") or not text, text
        self.text = text
        self.types = {}
        self.help = {}
        self.all = []
        for line in text.split("\n"):
            if line.startswith("# HELP "):
                name, said = line[7:].split(" ", 1)
                assert name not in self.help and said.strip(), line
                self.help[name] = said
            elif line.startswith("# TYPE "):
                name, kind = line[7:].split(" ")
                assert name not in self.types, line
                self.types[name] = kind
            elif line:
                self.all.append(self._sample(line))
        keys = [(one.name, tuple(sorted(one.labels.items()))) for one in self.all]
        assert len(set(keys)) == len(keys), "a sample is there twice: " + text

    def _sample(self, line):
        match = self.LINE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        pairs, at = {}, 0
        labels = labels or ""
        while at < len(labels):
            one = self.LABEL.match(labels, at)
            assert one and one[1] not in pairs, line
            pairs[one[1]] = re.sub(r"\\.", lambda escape: self.ESCAPES[escape[0]], one[2])
            at = one.end()
        assert self.family(name), f"{line}: no TYPE in front of it"
        return Sample(name, pairs, float(value))

    def family(self, name):
        """The family of a sample's name; None where no TYPE was given."""
        if name in self.types:
            return name
        stem = re.sub(r"_(bucket|sum|count)$", "", name)
        return stem if self.types.get(stem) in ("histogram", "summary") else None

    @property
    def families(self):
        return {self.family(one.name) for one in self.all}

    def samples(self, name, **labels):
        return [one for one in self.all if one.name == name and labels.items() <= one.labels.items()]

    def value(self, name, **labels):
        """The one sample of that name with these labels."""
        found = self.samples(name, **labels)
        assert len(found) == 1, f"{len(found)} samples of {name} {labels} in\n{self.text}"
        return found[0].value

    def sum(self, name, **labels):
        return sum(one.value for one in self.samples(name, **labels))

    def by(self, name, label):
        """label's value -> the sample's."""
        return {one.labels[label]: one.value for one in self.samples(name)}

    @property
    def failure(self):
        """(step, reason) of probe_failure_info; None when it is not there."""
        found = self.samples("probe_failure_info")
        assert len(found) < 2, self.text
        if not found:
            return None
        assert found[0].value == 1 and set(found[0].labels) >= {"step", "reason"}, self.text
        return found[0].labels["step"], found[0].labels["reason"]

    @property
    def statuses(self):
        return {one.labels["step"]: one.labels["status"]
                for one in self.samples("probe_smtp_step_enhanced_status_info")}


def promtool(*arguments, stdin=""):
    """Exit code and all that it said."""
    done = subprocess.run(["promtool", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=240,
                          env=environment(), check=False)
    return done.returncode, done.stdout + done.stderr
