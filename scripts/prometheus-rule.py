#!/usr/bin/python3
"""Makes deploy/kubernetes/prometheusrule.yaml of dashboards/smtp_rules.yml and smtp_alerts.yml; with --check it only
says whether it is up to date. Needs python3-yaml."""

import pathlib
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
MADE = ROOT / "deploy" / "kubernetes" / "prometheusrule.yaml"
HEAD = """\
# Made by scripts/prometheus-rule.py of dashboards/smtp_rules.yml and dashboards/smtp_alerts.yml: change those.
# Two objects, for a name of a group may be in each only once.
"""


class Dumper(yaml.SafeDumper):
    """Without anchors, and expressions as they are written."""

    def ignore_aliases(self, data):
        return True


Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar(
    "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None))


def rule(name):
    return {
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
        "metadata": {"name": f"smtp-probe-{name}", "labels": {"app.kubernetes.io/name": "smtp-probe-exporter"}},
        "spec": yaml.safe_load((ROOT / "dashboards" / f"smtp_{name}.yml").read_text())}


def main():
    text = HEAD + yaml.dump_all([rule("rules"), rule("alerts")], Dumper=Dumper, sort_keys=False, width=110)
    if sys.argv[1:] == ["--check"]:
        if MADE.read_text() != text:
            sys.exit(f"{MADE.relative_to(ROOT)} is not what the rules say: run scripts/prometheus-rule.py")
    else:
        MADE.write_text(text)


if __name__ == "__main__":
    main()
