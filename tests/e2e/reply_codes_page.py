"""docs/reply-codes.md, made of what --explain says of every code."""

import concurrent.futures
import json
import re

from documents import ROOT
from probe import run
from reference_servers import GENERATED, filled, table

# What is said of whole classes.
BESIDES = ("as the ", "at the banner ", "at quit: ", "the state ", "with a text ", "at ehlo HELO ")


def explained(code):
    """The parts of --explain: title, source, class, typical, advice, and the lines of `the check`."""
    said = run("--explain", code)
    if said.code != 0:
        assert said.code == 3, said.out
        return None
    first, *rest = said.out.rstrip("\n").split("\n")
    while not re.match(r"  [a-z]", rest[0]):
        first += " " + rest.pop(0).strip()
    parts, key = {}, None
    for line in rest:
        match = re.match(r"  ([a-z ]+?): +(.*)", line)
        if match and line[2] != " ":
            key = match[1]
            parts.setdefault(key, []).append(match[2])
        else:
            parts[key].append(line.strip())
    title = re.fullmatch(r"\S+ (.*?)(?: \(([^()]*(?:\(obsolete\))?[^()]*)\))?", first)
    words = title[1]
    # The check's sentences begin in a line of their own, at `with`, `at`, `as`, `the`.
    sentences = []
    for line in parts["the check"]:
        begins = re.match(r"(?:with |as the |at the banner |at quit: |the state |over TLS: |at ehlo and ehlo_tls HELO is tried|\d{3}(?:, \d{3})*: )", line)
        if begins or not sentences:
            sentences.append(line)
        else:
            sentences[-1] += " " + line
    return {"words": words, "source": title[2] or "", "class": " ".join(parts["class"]), "check": sentences,
            "typical": " ".join(parts.get("typical at", [])), "advice": " ".join(parts.get("advice", [])),
            "subject": " ".join(parts.get("subject", [])), "provider": " ".join(parts.get("provider", []))}


def reply_codes_page(_servers=None):
    numbers = [code for code in range(200, 560) if code // 10 % 10 <= 5]
    statuses = [f"{klass}.{subject}.{detail}" for klass in (2, 4, 5) for subject in range(8) for detail in range(32)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        codes = dict(zip(numbers, pool.map(explained, numbers)))
        known = dict(zip(statuses, pool.map(explained, statuses)))
    assert all(codes.values())
    unlisted = {code: one for code, one in codes.items()
                if "no RFC knows" in one["words"] or "a client acts on" in one["words"]}
    common = {}
    for code, one in codes.items():
        for line in one["check"]:
            if line.startswith(BESIDES):
                common.setdefault(line, set()).add(code)
    besides = [f"- {whose(mine, codes)}: {line}" for line, mine in common.items()]
    out = ["# Reply codes", "", GENERATED,
           "`check_smtp_probe --explain CODE` says the same of one code, without a network; of a [reason or a step](troubleshooting.md), too.", "",
           filled("What was due at a step is OK: 220 at `banner` and `starttls`, 250 at `ehlo`, `ehlo_tls`, `mail` and "
                  "`message`, 235 at `auth`, 250 or 251 at `rcpt`, 354 at `data`, 221 at `quit`; or what `--expect` names. "
                  "For any other the table says what the check and the exporter make of it at each step, with the "
                  "[reason](troubleshooting.md#reasons) in brackets."), "",
           "Besides:", "", *besides, "",
           "```console", "$ check_smtp_probe --explain 535",
           "535 credentials invalid (RFC 4954)", "…", "```", ""]
    names = {2: "2yz: success", 3: "3yz: go on", 4: "4yz: refused for now", 5: "5yz: refused"}
    for klass, title in names.items():
        mine = {code: one for code, one in codes.items() if code // 100 == klass}
        words = next(iter(mine.values()))["class"]
        out += [f"## {title}", "", words[0].upper() + words[1:] + ".", ""]
        rows = []
        for code, one in mine.items():
            if code not in unlisted:
                meaning = one["words"] + (f" ({one['source']})" if one["source"] else "")
                rows.append((str(code), meaning, one["typical"], check_words(one), one["advice"]))
        spare = {json.dumps(one) for code, one in unlisted.items() if code // 100 == klass}
        assert len(spare) == 1, (klass, spare)
        one = json.loads(spare.pop())
        meaning = one["words"] + f" ({one['source']})"
        rows.append((f"other {klass}yz", meaning, one["typical"], check_words(one), one["advice"]))
        out += [*table(("code", "meaning", "typical at", "the check says", "advice"), rows), ""]
    out += ["## Enhanced statuses", "",
            filled("An enhanced status (RFC 3463) stands in front of the text. Its first digit is the class of the reply: 2 "
                   "success, 4 for now, 5 for good; one of another class does not count and is noted. It refines the code "
                   "and never overrules its class. What else says that a client is too fast is in the "
                   "[source](../common/smtp/rate_limit.cc), each text with who says it; a 5yz never does: senders give "
                   "the mail up on it."), ""]
    registry = {}
    for status, one in known.items():
        if one and "not registered" not in one["words"]:
            klass, _, rest = status.partition(".")
            entry = registry.setdefault(rest, [one["words"], one["subject"], []])
            assert entry[:2] == [one["words"], one["subject"]], status
            more = {}  # what happens -> with which codes
            for line in one["check"]:
                match = re.fullmatch(r"([\d, ]+): (.*)", line)
                if match:
                    more.setdefault(match[2], []).append(match[1])
                assert match or line.startswith(("it refines", "the state ")), line
            entry[2] += [f"{status} with {' or '.join(with_codes)}: {what}" for what, with_codes in more.items()]
    rows = [(f"x.{rest}", words, subject, "; ".join(more)) for rest, (words, subject, more) in registry.items()]
    out += [*table(("status", "meaning", "subject", "the check says"), rows), "",
            "### Providers' own", "",
            filled("Some providers use an enhanced status in a sense of their own, registered or not. What to do:"), ""]
    rows = []
    for status in providers_statuses():
        one = explained(status)
        provider, _, meaning = one["provider"].partition(": ")
        assert meaning and one["advice"], status
        rows.append((status, provider, meaning, one["advice"]))
    out += [*table(("status", "provider", "meaning", "advice"), rows), ""]
    return "\n".join(out)


def providers_statuses():
    source = (ROOT / "common/smtp/vendor_status.cc").read_text()
    return [".".join(row) for row in re.findall(r"^    \{\{(\d), (\d), (\d+)\},", source, re.MULTILINE)]


def check_words(one):
    return "; ".join(line for line in one["check"] if not line.startswith(BESIDES))


def whose(mine, codes):
    """Whole classes by their names, else the codes."""
    classes = {klass: {code for code in codes if code // 100 == klass} for klass in range(2, 6)}
    if len(codes) - len(mine) < 3:
        return "all codes but " + ", ".join(str(one) for one in sorted(set(codes) - mine))
    whole = {}
    for klass, every in classes.items():
        missing = sorted(every - mine)
        if len(missing) < len(every) / 4:
            whole[klass] = f"{klass}yz" + (" but " + ", ".join(map(str, missing)) if missing else "")
    rest = [str(code) for code in sorted(mine) if code // 100 not in whole]
    return ", ".join([*whole.values(), *rest])
