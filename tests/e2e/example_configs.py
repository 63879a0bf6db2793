"""Configurations of the documents, each given to the program that it is for. Every function returns None, or what the
program has against it."""

import json
import pathlib
import re
import textwrap
import time
import urllib.error
import urllib.parse
import urllib.request

from documents import ROOT
from exporter import EXPORTER

FIRST_LINE = re.compile(r"\s*(?:#|;|//) ?(/[\w./@+-]+)")
PROMETHEUS_SECONDS = 60


def file_named_in(block):
    """A block whose first line is a comment with an absolute path is that file, for the blocks behind it."""
    match = FIRST_LINE.match(block.text)
    return pathlib.Path(match[1]) if match and block.info in ("yaml", "ini", "nagios", "icinga2", "systemd", "cron") else None


def put(net, name, text):
    path = net.machine / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def complaint(net, command):
    code, out = net.bash(command)
    return None if code == 0 else f"{command}\nexit code {code}:\n{out}"


def keys_of(text):
    return re.findall(r"^-? ?([A-Za-z_]+):", text, re.MULTILINE)


PROMETHEUS_KEYS = {"global", "scrape_configs", "rule_files", "alerting", "remote_write", "remote_read", "storage"}
OUR_KEYS = {"modules", "allowed_targets", "max_probes_per_host"}
WEB_KEYS = {"tls_server_config", "basic_auth_users", "http_server_config", "rate_limit"}
JOB_KEYS = {"metric_relabel_configs", "relabel_configs", "static_configs", "file_sd_configs", "params", "basic_auth",
            "tls_config", "scrape_timeout", "scrape_interval", "metrics_path", "dns_sd_configs"}
# Configurations of programs that are not installed: whole or in part as a file of ours has them, which its test holds.
DEPLOYED_KEYS = {"apiVersion", "kind", "services", "spec", "metadata", "image", "receivers", "route", "datasources",
                 "providers", "version", "name", "on", "jobs"}


def squeezed(text):
    """Without comments, empty lines and indentation."""
    lines = (re.sub(r"(^|\s)#.*", "", one).strip() for one in text.splitlines())
    return "\n".join(one for one in lines if one)


def is_deployed(text):
    """Whether the lines stand, in this order, in one file below deploy/ or tests/, each group between `…` together."""
    parts = [squeezed(one) for one in re.split(r"^\s*(?:# )?(?:…|\.\.\.)\s*$", text, flags=re.MULTILINE)]
    for path in sorted((ROOT / "deploy").rglob("*")):
        if path.is_file() and path.suffix in (".yml", ".yaml"):
            whole = squeezed(path.read_text())
            if all(one in whole for one in parts):
                return True
    return False


def check_yaml(block, net, _before):
    text = textwrap.dedent(block.text)
    keys = set(keys_of(text))
    path = put(net, f"configs/{block.line}.yml", text)
    if keys & OUR_KEYS and "prober:" in text:
        return complaint(net, f"PATH=$REAL_PATH prometheus-blackbox-exporter --config.check --config.file={path}")
    if keys and keys <= OUR_KEYS:
        return complaint(net, f"smtp_probe_exporter --config.check --config.file={path}")
    if keys and keys <= WEB_KEYS:
        return (complaint(net, f"promtool check web-config {path}") or
                complaint(net, f"smtp_probe_exporter --config.check --web.config.file={path}"))
    if keys == {"groups"}:
        return complaint(net, f"promtool check rules {path}")
    if "tests" in keys and keys & {"rule_files", "evaluation_interval"}:
        return complaint(net, f"cd {path.parent} && promtool test rules {path}")
    if keys and keys <= PROMETHEUS_KEYS:
        return complaint(net, f"promtool check config {path}")
    if text.lstrip().startswith("- job_name:") or re.match(r"(#.*\n)*- job_name:", text):
        path.write_text("scrape_configs:\n" + textwrap.indent(text, "  "))
        return complaint(net, f"promtool check config {path}")
    if keys and keys <= JOB_KEYS:
        path.write_text("scrape_configs:\n  - job_name: smtp\n" + textwrap.indent(text, "    "))
        return complaint(net, f"promtool check config {path}")
    if text.lstrip().startswith(("- alert:", "- record:")):
        path.write_text("groups:\n  - name: one\n    rules:\n" + textwrap.indent(text, "      "))
        return complaint(net, f"promtool check rules {path}")
    if keys & DEPLOYED_KEYS:
        return None if is_deployed(text) else "no file below deploy/ has these lines"
    return f"for which program is a file with {', '.join(sorted(keys)) or 'no keys'}?"


def check_ini(block, net):
    """Each section is accepted by the check; what it probes is mail.example.net where the section names nothing."""
    nrpe = re.findall(r"^command\[\w+\]=(.+)", block.text, re.MULTILINE)
    if nrpe:  # NRPE's commands: run, as the daemon would
        return next((wrong for wrong in (complaint(net, one) for one in nrpe if "$ARG" not in one) if wrong), None)
    path = put(net, f"configs/{block.line}.ini", block.text)
    sections = re.findall(r"^\[([^\]]+)\]", block.text, re.MULTILINE)
    if not sections:
        return "no section"
    known = [one for one in sections if not one.startswith("check_") or one.startswith("check_smtp")]
    for section in known:
        code, out = net.bash(f"check_smtp_probe -H mail.example.net -p 587 --extra-opts={section}@{path}")
        if code not in (0, 1, 2):
            return f"section {section}: exit code {code}:\n{out}"
    if not any(re.search(r"^[^\[#;\s]", block.text, re.MULTILINE) for _ in known):
        return "nothing is set"
    return None


def check_systemd(block, net):
    """A drop-in of the exporter's unit, or a unit."""
    name = file_named_in(block)
    folder = net.machine / f"units-{block.line}"
    unit = folder / (name.name if name and name.suffix in (".service", ".timer") else "smtp_probe_exporter.service")
    folder.mkdir()
    if name and name.suffix in (".service", ".timer") and "ExecStart" in block.text + " ExecStart" * (name.suffix == ".timer"):
        unit.write_text(block.text)
        if name.suffix == ".timer":
            put(net, f"units-{block.line}/{name.stem}.service", "[Service]\nExecStart=/bin/true\n")
    else:
        text = (ROOT / "deploy/smtp_probe_exporter.service").read_text()
        unit.write_text(text.replace("ExecStart=smtp_probe_exporter", "ExecStart=/usr/bin/smtp_probe_exporter"))
        put(net, f"units-{block.line}/{unit.name}.d/override.conf", block.text)
    code, out = net.bash(f"PATH=$REAL_PATH SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no {unit}")
    wrong = [line for line in out.splitlines() if str(folder) in line or unit.name in line]
    return f"exit code {code}:\n{out}" if wrong else None


# Nagios: what a block leaves to the rest of a configuration.
def check_nagios(block, net, before):
    """By itself, or together with those before it in the document, or with our services below deploy/; beside what the
    packages have put into /etc/nagios-plugins/config, as Debian's Nagios reads it."""
    ours = (ROOT / "deploy/nagios/smtp_probe_services.cfg").read_text()
    so_far = "\n".join(one.text for one in before)
    return try_each((block.text, so_far + "\n" + block.text, ours + "\n" + block.text),
                    lambda text: nagios_says(text, block, net))


def try_each(texts, ask):
    first = None
    for text in dict.fromkeys(texts):
        wrong = ask(text)
        if wrong is None:
            return None
        first = first or wrong
    return first


def defined(kind, text, key):
    found = set()
    for body in re.findall(r"define\s+" + kind + r"\s*\{(.*?)\}", text, re.DOTALL):
        found.update(re.findall(rf"^\s*{key}\s+(\S+)", body, re.MULTILINE))
    return found


def nagios_says(text, block, net):
    if not re.search(r"^\s*define\s+\w+", text, re.MULTILINE):
        return "no `define`"
    if re.search(r"^\s*\$USER\d+\$\s*=", text, re.MULTILINE):
        return "a resource file is no object"
    folder = net.machine / f"nagios-{block.line}"
    folder.mkdir(exist_ok=True)
    for one in ("templates", "timeperiods", "contacts", "commands"):
        (folder / f"{one}.cfg").write_text(pathlib.Path(f"/etc/nagios4/objects/{one}.cfg").read_text())
    (folder / "block.cfg").write_text(text + "\n")
    # Hosts and groups that it speaks of, and does not define.
    wanted = {host.strip() for line in re.findall(r"^\s*host_name\s+(.+?)\s*(?:;.*)?$", text, re.MULTILINE)
              for host in line.split(",")}
    hosts = sorted((wanted | {"localhost"}) - defined("host", text, "host_name") - {"*"})
    groups = {group.strip() for line in re.findall(r"^\s*(?:hostgroup_name|hostgroups)\s+(.+?)\s*(?:;.*)?$", text, re.MULTILINE)
              for group in line.split(",")} - defined("hostgroup", text, "hostgroup_name")
    base = "".join(f"define host {{\n  use linux-server\n  host_name {one}\n  address 192.0.2.25\n}}\n" for one in hosts
                   if not one.startswith("!"))
    base += "".join(f"define hostgroup {{\n  hostgroup_name {one}\n  members {hosts[0]}\n}}\n" for one in sorted(groups))
    if not defined("service", text, "service_description"):
        base += ("define service {\n  use generic-service\n  host_name localhost\n  service_description ping\n"
                 "  check_command check-host-alive\n}\n")
    (folder / "base.cfg").write_text(base)
    names = ("templates", "timeperiods", "contacts", "commands", "base", "block")
    main = "".join(f"cfg_file={folder}/{one}.cfg\n" for one in names) + "cfg_dir=/etc/nagios-plugins/config\n"
    main += (f"resource_file={folder}/resource.cfg\nlog_file={folder}/log\nobject_cache_file={folder}/cache\n"
             f"status_file={folder}/status\ncommand_file={folder}/command\nlock_file={folder}/lock\n"
             f"temp_file={folder}/temp\ncheck_result_path={folder}\nstate_retention_file={folder}/retention\n"
             "nagios_user=root\nnagios_group=root\nillegal_macro_output_chars=`~$&|'\"<>\n")
    (folder / "resource.cfg").write_text("$USER1$=/usr/lib/nagios/plugins\n$USER2$=/usr/local/lib/nagios/plugins\n")
    (folder / "nagios.cfg").write_text(main)
    code, out = net.bash(f"nagios4 -v {folder}/nagios.cfg")
    if code != 0:
        return f"nagios4 -v: exit code {code}:\n{out}"
    return missing_programs(re.findall(r"^\s*command_line\s+(\S+)", block.text, re.MULTILINE), net)


def missing_programs(programs, net):
    """A command that names a program of ours names one that is there."""
    for one in programs:
        if "check_smtp" not in one:
            continue
        path = one.replace("$USER1$", "/usr/lib/nagios/plugins").replace("$USER2$", "/usr/local/lib/nagios/plugins")
        if not pathlib.Path(path).exists():
            return f"there is no {path}"
    return None


ICINGA_BASE = r"""
const PluginDir = "/usr/lib/nagios/plugins"
const ManubulonPluginDir = PluginDir
const PluginContribDir = PluginDir
const NodeName = "icinga.example.net"
const ZoneName = NodeName
const TicketSalt = ""
include <itl>
include <plugins>
include <plugins-contrib>
include <manubulon>
object Endpoint NodeName { }
object Zone ZoneName { endpoints = [ NodeName ] }
template Host "generic-host" default { max_check_attempts = 3; check_command = "dummy" }
template Service "generic-service" default { max_check_attempts = 5 }
object Host "icinga-base.example.net" {
  import "generic-host"
  address = "192.0.2.25"
  vars.mail_server = true
}
"""


def check_icinga2(block, net, before):
    so_far = "\n".join(one.text for one in before)
    ours = "\n".join(one.read_text() for one in sorted((ROOT / "deploy").rglob("*.conf"))
                     if "CheckCommand" in one.read_text())
    return try_each((block.text, so_far + "\n" + block.text, ours + "\n" + block.text),
                    lambda text: icinga2_says(text, block, net))


def icinga2_says(text, block, net):
    folder = net.machine / f"icinga2-{block.line}"
    folder.mkdir(exist_ok=True)
    base = ICINGA_BASE
    for name in re.findall(r'object Host "([^"]+)"', text):
        base = base.replace(f'object Host "{name}"', f'object Host "{name}.base"')
    for name in ("generic-host", "generic-service"):
        if re.search(rf'template \w+ "{name}"', text):
            base = re.sub(rf'^template \w+ "{name}".*\n', "", base, flags=re.MULTILINE)
    (folder / "icinga2.conf").write_text(base + text)
    code, out = net.bash(f"mkdir -p /run/icinga2 /var/lib/icinga2 /var/log/icinga2 && icinga2 daemon -C --no-stack-rlimit "
                         f"-c {folder}/icinga2.conf -D Concurrency=1 -D RunAsUser=root -D RunAsGroup=root")
    if code != 0:
        return f"icinga2 daemon -C: exit code {code}:\n{out}"
    return missing_programs(re.findall(r'"(/[\w/.-]*check_smtp\w*)"', block.text), net)


class ScrapingPrometheus:
    """A real Prometheus, at 127.0.0.1:9090, that has scraped the exporter and knows our rules; its metrics are those that an expression may
    name."""

    TARGETS = (("mx.example.net", "smtp_starttls"), ("mx1.example.net", "smtp_starttls"), ("down.example.net", "smtp"),
               ("mail.example.net", "submission"), ("unknown.example.net", "smtp"), ("mx.example.net", "mx"),
               ("grey.example.net", "mx"))

    def __init__(self, net):
        jobs = [{"job_name": "smtp", "metrics_path": "/probe", "params": {},
                 "static_configs": [{"targets": [target], "labels": {"__param_module": module}}
                                    for target, module in self.TARGETS],
                 "relabel_configs": [
                     {"source_labels": ["__address__"], "target_label": "__param_target"},
                     {"source_labels": ["__param_target"], "target_label": "instance"},
                     {"source_labels": ["__param_module"], "target_label": "module"},
                     {"target_label": "__address__", "replacement": "127.0.0.1:9726"}]},
                {"job_name": "smtp_probe_exporter", "static_configs": [{"targets": ["127.0.0.1:9726"]}]}]
        config = net.folder / "prometheus.yml"
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ROOT / "dashboards" / "smtp_*s.yml")], "scrape_configs": jobs}))
        net.daemon(EXPORTER, f"--config.file={ROOT / 'deploy/smtp-probe.yml'}", "--web.listen-address=127.0.0.1:9726")
        net.daemon("prometheus", f"--config.file={config}", f"--storage.tsdb.path={net.folder / 'tsdb'}",
                   "--web.listen-address=127.0.0.1:9090")
        end = time.monotonic() + PROMETHEUS_SECONDS
        while time.monotonic() < end:
            try:
                self.names = set(self.api("label/__name__/values"))
                done = self.api("query", query='count(count_over_time(probe_success[1m]) > 1)')["result"]
                every = done and float(done[0]["value"][1]) == len(self.TARGETS)
                if every and "smtp_probe_exporter_probes_total" in self.names:
                    break
            except OSError:
                pass
            time.sleep(0.1)
        else:
            raise TimeoutError("Prometheus has not scraped")
        self.names = set(self.api("label/__name__/values"))

    def api(self, path, **query):
        url = f"http://127.0.0.1:9090/api/v1/{path}?" + urllib.parse.urlencode(query)
        with urllib.request.urlopen(url, timeout=PROMETHEUS_SECONDS) as answer:
            return json.load(answer)["data"]

    def ask(self, expression):
        try:
            self.api("query", query=expression)
        except urllib.error.HTTPError as error:
            return f"{expression}\n{json.load(error)['error']}"
        return None

    def check(self, block):
        for text in re.split(r"\n\s*\n", block.text.strip()):
            text = "\n".join(one for one in text.splitlines() if not one.lstrip().startswith("#"))
            if not text.strip():
                continue
            wrong = self.ask(text)
            if wrong:  # or an expression in each line
                for line in text.splitlines():
                    said = self.ask(line)
                    if said:
                        return wrong
        unknown = {one for one in re.findall(r"\b(?:probe|smtp_probe_exporter|smtp|instance|job)[\w:]*_[\w:]+", block.text)
                   if one.startswith(("probe_", "smtp_probe_exporter_")) or ":" in one}
        unknown = {one for one in unknown - self.names - SELDOM if not re.search(rf'"[^"]*\b{re.escape(one)}\b', block.text)}
        return f"no such metric: {', '.join(sorted(unknown))}" if unknown else None


# Families that the few targets above do not bring forth.
SELDOM = {"probe_http_status_code"}
