"""docs/perfdata.md, made of what the check prints."""

import re

from probe import run
from reference_servers import GENERATED, filled, table

CERTIFICATE = {"subject": "", "common_name": "", "issuer": "", "serial": "hexadecimal", "names": "DNS names and addresses",
               "not_before": "RFC 3339", "not_after": "RFC 3339", "days_left": "may have a fraction; negative when expired",
               "fingerprint_sha256": "", "key": "", "signature": "algorithm"}
MEANINGS = {
    "program": "the name it was started under",
    "version": "its version",
    "target": "what was probed, with its port",
    "state": "`OK`, `WARNING`, `CRITICAL`, `UNKNOWN`: the worst of all results",
    "exit_code": "the same as a number",
    "headline": "the first line, without performance data",
    "findings": "what is not OK, the first line's finding first; empty when OK",
    "findings[].state": "the state it makes",
    "findings[].step": "the step it belongs to",
    "findings[].reason": "a [reason](troubleshooting.md#reasons)",
    "findings[].text": "in words",
    "findings[].result": "index into `results`",
    "results": "one for each endpoint that was probed",
    "results[].endpoint.host": "as it was given; null for a unix socket",
    "results[].endpoint.address": "the address it came to, or the socket's path; null where a name had none",
    "results[].endpoint.port": "null for a unix socket",
    "results[].endpoint.ip_version": "4, 6; null where there is none",
    "results[].endpoint.local_address": "ours; null where nothing was connected",
    "results[].state": "the state of this endpoint",
    "results[].failed_attempts": "addresses that did not connect",
    "results[].failed_attempts[].address": "",
    "results[].failed_attempts[].reason": "a reason of connecting",
    "results[].failed_attempts[].detail": "the system's words",
    "results[].failed_attempts[].seconds": "",
    "results[].started": "wall clock, RFC 3339, UTC",
    "results[].response_time_seconds": "perfdata's `time`",
    "results[].steps": "every step that ran, in its order",
    "results[].steps[].step": "its name",
    "results[].steps[].seconds": "perfdata's `time_STEP`",
    "results[].steps[].code": "reply code; null where there was no reply",
    "results[].steps[].status": "enhanced status such as `5.7.1`",
    "results[].steps[].text": "the lines of the reply, without their codes",
    "results[].steps[].reason": "`ok`, or why it is not",
    "results[].steps[].detail": "more than the reason says",
    "results[].steps[].notes": "what is odd about the reply and yet no fault",
    "results[].extensions": "EHLO keywords that counted (inside TLS where there was TLS); null where EHLO was not answered",
    "results[].extensions[].keyword": "",
    "results[].extensions[].parameter": "",
    "results[].auth_mechanism": "the SASL mechanism that was used",
    "results[].tls": "null where no handshake was begun; what it did not come to is null",
    "results[].tls.version": "`TLSv1.3`",
    "results[].tls.cipher": "OpenSSL's name",
    "results[].tls.cipher_iana": "IANA's name",
    "results[].tls.group": "of the key exchange",
    "results[].tls.server_name": "SNI that was sent; null for none",
    "results[].tls.checked_name": "the name that the certificate was held against",
    "results[].tls.verify": "`off`, `report`, `warn`, `require`",
    "results[].tls.verified": "whether nothing is wrong with the certificate",
    "results[].tls.problems": "what is wrong with it",
    "results[].tls.problems[].reason": "a reason of certificates",
    "results[].tls.problems[].depth": "0 is the server's own, 1 its issuer",
    "results[].tls.problems[].text": "OpenSSL's words",
    "results[].tls.chain": "what the server sent, its own certificate first",
    **{f"results[].tls.chain[].{field}": words for field, words in CERTIFICATE.items()},
    "results[].tls.verified_chain": "from it to the trusted root, with the same fields; empty where there is none",
    "results[].notes": "of the whole session",
    "results[].kernel_timestamps": "whether all replies were timed by the kernel",
    "results[].transcript": "what was said; secrets are masked",
    "results[].transcript[].offset_seconds": "since the start",
    "results[].transcript[].who": "`client`, `server`, `probe` (a remark of ours)",
    "results[].transcript[].text": "",
}
TYPES = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


def walk(value, path, found):
    """path -> the types seen there; an object in a list is `path[]`."""
    if path:
        found.setdefault(path, set()).add(TYPES[type(value)])
    if isinstance(value, dict):
        for key, one in value.items():
            walk(one, f"{path}.{key}" if path else key, found)
    if isinstance(value, list):
        for one in value:
            if isinstance(one, dict):
                walk(one, path + "[]", found)


THRESHOLDS = ("-w", "20", "-c", "@50:60", "--step-warning", "rcpt=10", "--step-critical", "rcpt=~:15", "-D", "21,7")


def full_options(servers, *more):
    """A session with every step, apart from what `more` asks for, and every threshold."""
    return ("-H", "localhost", "-4", "-p", servers.port("mail"), "-S", "--tls-name", "mx.test", "--ca-file", servers.ca,
            "-U", "probe", "--authpass-file", servers.secret, "-f", "probe@example.net", "--to", "postmaster@example.net", *more,
            *THRESHOLDS)


def perfdata_page(servers):
    full = full_options(servers, "--send")
    raw, whole = run(*full_options(servers, "-C", "NOOP")), run(*full)
    assert (raw.code, whole.code) == (0, 0), raw.out + whole.out
    labels = {}
    for label, value in whole.perfdata.items():
        labels[label] = value
        if label == "time_rcpt":
            labels["time_command"] = raw.perfdata["time_command"]
    rows = []
    for label, value in labels.items():
        match = re.fullmatch(r"(-?[\d.]+)([a-z]*)(?:;([^;]*))?(?:;([^;]*))?(?:;([^;]*))?", value)
        number, unit, warning, critical, least = (one or "" for one in match.groups())
        when = ("always where a clock ran" if label == "time" else "there was TLS" if label == "cert_days_left" else
                "the target is a name" if label == "time_resolve" else f"`{label[5:]}` ran")
        shape = "six decimals" if "." in number else "whole days"
        rows.append((f"`{label}`", {"s": "s", "": "none"}[unit], shape, f"`{warning}`" if warning else "",
                     f"`{critical}`" if critical else "", f"`{least}`" if least else "", when))
    found = {}
    here = ("-H", "127.0.0.1", "-p")
    for options in (full, (*here, servers.closed), ("-H", "localhost", "-p", servers.closed), ("-H", "no-such-host.invalid"),
                    (*here, servers.port("mail"), "-S", "--tls-verify", "require", "--tls-name", "mx.test"),
                    (*here, servers.port("mail"), "-S"), (*here, servers.port("mail")), (f"unix:{servers.socket}",),
                    (*here, servers.port("tls-garbage"), "-S", "-F", "probe.test")):
        walk(run(*options, "--output", "json").json, "", found)
    objects = [path for path, types in found.items() if path.endswith("[]")]
    for path in objects:
        del found[path]
    found = {path: types for path, types in found.items() if types != {"object"}}
    same = {path.replace("verified_chain", "chain") for path in found if "verified_chain[]" in path}
    assert same == {f"results[].tls.chain[].{field}" for field in CERTIFICATE}, same
    found = {path: types for path, types in found.items() if "verified_chain[]" not in path}
    unknown, unseen = set(found) - set(MEANINGS), set(MEANINGS) - set(found)
    assert not unknown and not unseen, f"no meaning: {sorted(unknown)}; never seen: {sorted(unseen)}"
    fields = [(f"`{path}`", " or ".join(sorted(found[path], key=lambda one: (one == "null", one))), MEANINGS[path])
              for path in MEANINGS]
    out = ["# Output of the check: first line, performance data, JSON", "", GENERATED, "",
           "## The first line", "",
           "```text",
           "SMTP OK - N.NNN sec. response time, CODE at STEP[, TLS][, REMARK][, ADDRESS][, FAILED]|PERFDATA",
           "SMTP STATE - [ADDRESS ]FINDING[ / FINDING]...[, FAILED] - N.NNN sec. response time|PERFDATA",
           "",
           "STATE    WARNING, CRITICAL or UNKNOWN; with OK the exit codes 1, 2, 3 and 0",
           "FINDING  STEP: CODE STATUS the server's words (a remark of ours), or STEP: words of ours; \"slow: \" in front of a",
           "         threshold that is not the first; those behind the first as far as there is room",
           "CODE     the last reply and its step",
           "TLS      the version, where there was TLS",
           "REMARK   what is worth a word and no fault, such as EHLO refused with 502, HELO accepted",
           "ADDRESS  NAME [ADDRESS], where the name has several: the one that was judged",
           "FAILED   after 1 failed address; none of 3 addresses connected",
           "```", "",
           filled("At most 512 bytes stand before the one `|`. What the server said is cut and sanitised: no control "
                  "characters, no `|`, no line end. With `-v` the table of steps follows below, with `-vv` the transcript, "
                  "with `-vvv` TLS, certificates and addresses. A usage error has no performance data."), "",
           "```console",
           "$ check_smtp_probe -H mx.example.net -f probe@example.net --to postmaster@example.net",
           "SMTP OK - 0.002 sec. response time, 250 at rcpt, mx.example.net [2001:db8::25]|time=0.001704s;;;0.000000 …",
           "$ check_smtp_probe -H mx.example.net -f probe@example.net --to unknown@example.net",
           "SMTP CRITICAL - mx.example.net [2001:db8::25] rcpt: 550 5.1.1 <unknown@example.net>: Recipient address rejected: …",
           "$ check_smtp_probe -H down.example.net",
           "SMTP CRITICAL - connect: connection refused by 192.0.2.45 port 25 - 0.001 sec. response time|…",
           "$ check_smtp_probe -H slow.example.net -f '' --to x@example.net --forbid-extension DSN --step-warning rcpt=1",
           "SMTP CRITICAL - ehlo: DSN is offered and must not be / slow: rcpt: took 1.502 s (limit 1) - 1.504 sec. response time|…",
           "```", "",
           "## Performance data", "",
           filled(f"In the order of the dialogue. The thresholds are those of the options in the table's run: "
                  f"`{' '.join(THRESHOLDS)}`. A plain number is printed with six decimals, a range as given."), "",
           *table(("label", "unit", "value", "warning", "critical", "minimum", "there when"), rows), "",
           filled("`time` goes from the start, name resolution included, to the last answer before QUIT; the steps are the "
                  "server's and the network's time alone, so they add up to less. With no clock running (bad options, "
                  "`--explain`) there is none; under the name `check_smtp` its texts without performance data stay as they are. "
                  "Graphs: one for `time`, one stacked of `time_*`, one for `cert_days_left`."), "",
           "## JSON, with `--output json`", "",
           "One object; the exit code stays. Times are seconds as numbers.", "",
           *table(("field", "type", ""), fields), "",
           "```sh",
           "# the state, and the time of each step, for a script of yours",
           "check_smtp_probe -H mx.example.net --output json |",
           "  jq -r '.state, (.results[].steps[] | \"\\(.step) \\(.seconds)\")'",
           "```", ""]
    return "\n".join(out)
