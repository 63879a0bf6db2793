"""docs/metrics.md, made of what the exporter exports in several outcomes."""

import json

from exporter import Exporter
from reference_servers import GENERATED, filled, table

MAIL = {"from": "probe@example.net", "to": ["postmaster@example.net"]}
OUTCOMES = ("nobody listens", "plain, OK", "TLS, verified", "TLS, not trusted", "refused at rcpt")
ALL = frozenset(OUTCOMES)
# Which outcomes a family is there in: in the words of the page.
CONDITIONS = {
    ALL: "always",
    frozenset({"TLS, verified", "TLS, not trusted"}): "there was TLS",
    frozenset({"TLS, verified"}): "the certificate's chain was verified",
    frozenset({"nobody listens", "TLS, not trusted", "refused at rcpt"}): "the state is not OK",
    frozenset({"plain, OK", "TLS, verified", "TLS, not trusted", "refused at rcpt"}): "EHLO was answered",
    frozenset({"TLS, verified", "TLS, not trusted", "refused at rcpt"}): "",
}
# Where the outcomes cannot tell two conditions apart.
SAID = {
    "probe_smtp_size_limit_bytes": "EHLO was answered and SIZE has a value",
    "probe_smtp_step_enhanced_status_info": "a reply has an enhanced status",
    "probe_smtp_extension_offered": "EHLO was answered",
}


def scrapes(servers):
    """outcome -> what /probe says, and /metrics behind them all."""
    tls = {"mode": "starttls", "server_name": "mx.test", "ca_file": str(servers.ca)}
    modules = {
        "smtp": {"tls": {"mode": "off"}},
        "verified": {"tls": tls | {"verify": "require"}},
        "untrusted": {"tls": {"mode": "starttls", "verify": "warn", "server_name": "mx.test"}},
        "rcpt": {"tls": {"mode": "off"}, "mail": MAIL | {"to": ["unknown@example.net"]}},
    }
    exporter = Exporter(config=json.dumps({"modules": modules}))
    mail = f"127.0.0.1:{servers.port('mail')}"
    try:
        asked = ((f"127.0.0.1:{servers.closed}", "smtp"), (mail, "smtp"), (mail, "verified"), (mail, "untrusted"),
                 (mail, "rcpt"))
        found = {outcome: exporter.probe(*one).metrics for outcome, one in zip(OUTCOMES, asked)}
        return found, exporter.metrics()
    finally:
        exporter.kill()


def labels_of(expositions, family):
    return sorted({label for one in expositions for sample in one.all if one.family(sample.name) == family
                   for label in sample.labels if label != "le"})


def label_words(labels):
    return ", ".join(f"`{one}`" for one in labels)


def condition(family, there):
    """When a family is there; what SAID adds must be no more than what was seen."""
    if family in SAID:
        return SAID[family]
    assert CONDITIONS.get(there), f"{family}: seen in {sorted(there)}, which has no words yet"
    return CONDITIONS[there]


def metrics_page(servers):
    probes, own = scrapes(servers)
    every = list(probes.values())
    order = list(dict.fromkeys(name for one in every[::-1] for name in one.help))
    for one in every:
        for name in one.help:
            if name not in order:
                order.append(name)
    rows = []
    for name in order:
        there = frozenset(outcome for outcome, one in probes.items() if name in one.help)
        kinds = {one.types[name] for one in every if name in one.types}
        helps = {one.help[name] for one in every if name in one.help}
        assert len(kinds) == len(helps) == 1, name
        rows.append((f"`{name}`", label_words(labels_of(every, name)), condition(name, there), helps.pop()))
        assert kinds == {"gauge"}, name
    seen = [(f"`{name}`", *("yes" if name in probes[outcome].help else "" for outcome in OUTCOMES)) for name in order]
    extensions = sorted({sample.labels["extension"] for one in every for sample in one.samples("probe_smtp_extension_offered")})
    self_rows = [(f"`{name}`", own.types[name], label_words(labels_of([own], name)), own.help[name]) for name in own.help]
    steps = next(one for one in every[::-1]).by("probe_smtp_step_duration_seconds", "step")
    out = ["# Metrics", "", GENERATED, "",
           filled("A probe that failed is HTTP 200 with `probe_success 0`; what was reached by then is exported. "
                  "[troubleshooting.md](troubleshooting.md) explains every `reason`, [reply-codes.md](reply-codes.md) every "
                  "reply code, `man smtp_probe_exporter` the endpoints."), "",
           "## Of a probe, at `/probe`", "", "All are gauges; nothing else is there.", "",
           *table(("family", "labels", "there when", "what it is"), rows), "",
           filled("With `--once` every sample has the labels `target` and `module` too."), "",
           "The values of labels are closed lists, apart from certificates (cut at 256 bytes) and enhanced statuses:", "",
           "- `step`: those that the module plans, in their order: `resolve` `connect` `tls` `banner` `ehlo` `starttls` "
           "`ehlo_tls`\n  `auth` `mail` `rcpt` `data` `message` `quit`. For the module of the last column below: "
           + " ".join(f"`{one}`" for one in steps) + ".",
           "- `reason`: the [reasons](troubleshooting.md#reasons).",
           "- `extension`: " + filled(", ".join(extensions), 100).replace("\n", "\n  ") + ".",
           "- `status`: an enhanced status such as 5.7.1, of the server's reply.", "",
           "### What was seen in which outcome", "", *table(("family", *OUTCOMES), seen), "",
           "### To start with", "",
           "```promql",
           "# what fails, where and why", "probe_failure_info", "",
           "# mail would be refused: any reply of the 5yz class, by step", "probe_smtp_step_reply_code >= 500", "",
           "# the slowest step of each target over the last hour",
           'topk by (instance) (1, max_over_time(probe_smtp_step_duration_seconds{job="smtp"}[1h]))', "",
           "# days until a certificate expires: of the verified chain, else of what was sent",
           "((probe_ssl_last_chain_expiry_timestamp_seconds or probe_ssl_earliest_cert_expiry) - time()) / 86400", "",
           "# servers that no longer offer STARTTLS",
           'probe_smtp_extension_offered{extension="STARTTLS"} == 0 and on (instance, module) probe_smtp_tls == 0',
           "```", "",
           "[dashboards/](../dashboards) has rules, alerts and dashboards made of these.", "",
           "## Of the exporter, at `/metrics`", "",
           *table(("family", "type", "labels", "what it is"), self_rows), ""]
    return "\n".join(out)
