#!/usr/bin/env python3
"""Writes what follows from deploy/icinga2/smtp_probe_{command,templates}.conf: the basket for Icinga Director and the
table of variables in docs/icinga2.md. With --check it writes nothing and exits 1 when one of them is not up to date."""

import json
import pathlib
import re
import sys
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
ICINGA = ROOT / "deploy" / "icinga2"
BASKET = ICINGA / "director_basket.json"
GUIDE = ROOT / "docs" / "icinga2.md"
TABLE = ("<!-- variables: scripts/icinga2-derived.py -->\n", "<!-- end of variables -->\n")
TYPE = "Icinga\\Module\\Director\\DataType\\DataType"
# A uuid has to stay the same for ever: by it the Director knows an object again.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "smtp-probe/icinga2")

# The Director knows no "ipv4-or-ipv6" to import: the target by the same rule.
TARGET = """var target = macro("$smtp_probe_address$")
if (target) { return target }
if (macro("$address$") && !macro("$smtp_probe_ipv6$") || macro("$smtp_probe_ipv4$")) { return macro("$address$") }
return macro("$address6$")"""


def value_of(text):
    """A literal of Icinga's language: a string, a number, true, false, or an array of them."""
    return json.loads(re.sub(r"\[ (.*) \]", r"[\1]", text))


def read_arguments(text):
    """name -> the argument's attributes, as in the CheckCommand."""
    arguments = {}
    for name, body in re.findall(r'(?ms)^    "(--[\w-]+)" = \{\n(.*?)^    \}\n', text):
        attributes = arguments.setdefault(name, {})
        function = re.search(r"(?ms)^      value = \{\{\n(.*?)^      \}\}\n", body)
        if function:
            attributes["value"] = {"type": "Function", "body": re.sub(r"(?m)^        ", "", function[1]).strip()}
            body = body.replace(function[0], "")
        for key, value in re.findall(r"(?m)^      (\w+) = (.+)$", body):
            attributes[key] = value_of(value)
    return arguments


def read_templates(text):
    """name -> (what it imports, its attributes, its vars)."""
    templates = {}
    for name, body in re.findall(r'(?ms)^template Service "([\w-]+)" \{\n(.*?)^\}\n', text):
        lines = re.findall(r"(?m)^  (vars\.)?(\w+) = (.+)$", body)
        templates[name] = (re.findall(r'import "([\w-]+)"', body),
                           {key: value for is_var, key, value in lines if not is_var},
                           {key: value_of(value) for is_var, key, value in lines if is_var})
    return templates


def variable(attributes):
    """The variable that an argument takes, or is set by."""
    return re.fullmatch(r"\$(\w+)\$", attributes.get("set_if", attributes.get("value")))[1]


def kind(attributes):
    if "skip_key" in attributes:
        return "Number"
    return "Boolean" if "value" not in attributes else "Array" if attributes.get("repeat_key") else "String"


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)([smhd]?)", text).groups()
    return int(number) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


def uuid_of(*names):
    return str(uuid.uuid5(NAMESPACE, "/".join(names)))


def director_argument(name, attributes):
    """As the Director exports it: what is a function says so."""
    plain = dict(attributes)
    if name == "--hostname":
        plain["value"] = {"type": "Function", "body": TARGET}
    return plain


def director_field(name, attributes, description):
    kinds = {"String": ("String", {"visibility": "hidden" if name == "smtp_probe_authpass" else "visible"}),
             "Array": ("Array", {}), "Boolean": ("Boolean", {}), "Number": ("Number", {})}
    datatype, settings = kinds[kind(attributes) if attributes else "String"]
    return {"uuid": uuid_of("Datafield", name), "varname": name,
            "caption": "SMTP: " + name.removeprefix("smtp_probe_").replace("_", " "), "description": description,
            "datatype": TYPE + datatype, "format": None, "settings": settings, "category": None}


def basket(arguments, templates):
    fields = {}
    for attributes in arguments.values():
        fields[variable(attributes)] = director_field(variable(attributes), attributes, attributes["description"])
    exchanger = "smtp_probe_exchanger"
    fields[exchanger] = director_field(exchanger, None, "The name of the server that smtp-probe-exchanger probes.")
    ids = {name: str(number) for number, name in enumerate(fields, 1)}
    command = {
        "arguments": {name: director_argument(name, one) for name, one in arguments.items()},
        "command": "check_smtp_probe", "disabled": False,
        "fields": [{"datafield_id": int(ids[name]), "is_required": "n", "var_filter": None}
                   for name in fields if name != exchanger],
        "imports": [], "is_string": None, "methods_execute": "PluginCheck", "object_name": "smtp_probe",
        "object_type": "object", "timeout": "60", "uuid": uuid_of("Command", "smtp_probe"), "vars": {}, "zone": None}
    services = {}
    for name, (imports, attributes, variables) in templates.items():
        services[name] = {
            "check_command": "smtp_probe" if not imports else None,
            "fields": [{"datafield_id": int(ids[exchanger]), "is_required": "y", "var_filter": None}]
            if name == "smtp-probe-exchanger" else [],
            "imports": imports, "object_name": name, "object_type": "template",
            "uuid": uuid_of("ServiceTemplate", name), "vars": variables}
        for key in ("check_interval", "retry_interval"):
            if key in attributes:
                services[name][key] = str(seconds(attributes[key]))
        if "max_check_attempts" in attributes:
            services[name]["max_check_attempts"] = attributes["max_check_attempts"]
    return {"Command": {"smtp_probe": command}, "ServiceTemplate": services,
            "Datafield": {ids[name]: field for name, field in fields.items()}}


def table(arguments):
    rows = ["| variable | option | kind | meaning |\n", "|---|---|---|---|\n"]
    kinds = {"String": "text", "Array": "array", "Boolean": "true, false", "Number": "1 to 3"}
    for name, attributes in arguments.items():
        text = attributes["description"].replace("|", "\\|")
        rows.append(f"| `{variable(attributes)}` | `{name}` | {kinds[kind(attributes)]} | {text} |\n")
    return "".join(rows)


def derived():
    """path -> what it has to be."""
    arguments = read_arguments((ICINGA / "smtp_probe_command.conf").read_text())
    templates = read_templates((ICINGA / "smtp_probe_templates.conf").read_text())
    guide = GUIDE.read_text()
    before, rest = guide.split(TABLE[0])
    after = rest.split(TABLE[1])[1]
    return {BASKET: json.dumps(basket(arguments, templates), indent=4) + "\n",
            GUIDE: before + TABLE[0] + table(arguments) + TABLE[1] + after}


def main():
    stale = [path for path, content in derived().items() if not path.exists() or path.read_text() != content]
    if sys.argv[1:] == ["--check"]:
        for path in stale:
            print(f"not up to date: {path.relative_to(ROOT)}; run scripts/icinga2-derived.py")
        return 1 if stale else 0
    for path, content in derived().items():
        path.write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
