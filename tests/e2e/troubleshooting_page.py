"""docs/troubleshooting.md: the words of common/smtp/meaning.cc and of troubleshooting_texts.py, and what the source, the
transcripts and the hostile servers know of each reason."""

import re

import hostile_rows
from documents import ROOT, slug
from reference_servers import filled
from troubleshooting_texts import COMMANDS, GROUPS, REASONS, STEPS

SMTP = ROOT / "common" / "smtp"
FEW = 4  # steps: a reason that is at home at more of them is explained once


def reasons_of_source():
    """name -> (enumerator, words), in the order of the closed list."""
    rows = re.findall(r'\{Reason::(\w+), "(\w+)",\s*"([^"]*)"\}', (SMTP / "reason.cc").read_text())
    assert len(rows) > 40
    return {name: (enumerator, words) for enumerator, name, words in rows}


def meanings_of_source():
    """What common/smtp/meaning.cc says: step -> (does, look), and of a reason's enumerator (means, look, {step: look})."""
    steps, reasons, at = {}, {}, None
    text = (SMTP / "meaning.cc").read_text()
    text = re.sub(r'"\s*\n\s*"', "", text[text.index("kStepTable"):])  # literals side by side are one
    for place, name, words in re.findall(r'(Step|Reason)::(\w+),|"((?:[^"\\]|\\.)*)"', text):
        if place == "Reason":
            at = reasons[name] = []
        elif place and not reasons:
            at = steps[snake(name)] = []
        elif place:
            at.append(snake(name))
        elif at is not None:
            at.append(re.sub(r"\\(.)", r"\1", words))
    return (dict((name, tuple(texts)) for name, texts in steps.items()),
            {name: (*texts[:2], dict(zip(texts[2::2], texts[3::2]))) for name, texts in reasons.items()})


def snake(name):
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def steps_of_source():
    names = re.search(r"enum class Step[^{]*\{(.*?)\};", (SMTP / "step.h").read_text(), re.DOTALL)[1]
    names = re.findall(r"^\s*(\w+),", re.sub(r"//.*", "", names), re.MULTILINE)
    order = [snake(one) for one in names]
    assert order[0] == "resolve" and order[-1] == "quit", order
    return order


def default_states():
    """enumerator -> state, of state_without_reply() in the verdict."""
    text = (ROOT / "common/probe/verdict.cc").read_text()
    body = text[text.index("State state_without_reply("):]
    body = body[:body.index("\n}\n")]
    found, waiting = {}, []
    for one in re.findall(r"case Reason::(\w+):|return (.*?);", body):
        if one[0]:
            waiting.append(one[0])
        else:
            found.update({name: one[1] for name in waiting})
            waiting = []
    return found


STATE_WORDS = {"State::Ok": "OK", "State::Warning": "WARNING", "State::Critical": "CRITICAL", "State::Unknown": "UNKNOWN",
               "plan.timeout_state": "CRITICAL, or the state of `-t N:STATE`",
               "plan.dialogue.greylisting": "WARNING, or that of `--greylisting`"}
# Those that judge() itself finds, in the file whose other reasons come from elsewhere.
JUDGED = ("CertExpiring", "Slow", "ExtensionMissing", "ExtensionForbidden")


def state_words(name, enumerator, states):
    if name in ("reply_4xx", "reply_5xx", "reply_unexpected"):
        return "by the [code](reply-codes.md) and the step, mostly CRITICAL"
    if name in ("cert_untrusted", "cert_name_mismatch", "cert_not_yet_valid", "cert_malformed"):
        return "by `--tls-verify`: shown only, WARNING, CRITICAL"
    if name == "cert_expired":
        return "by `--tls-verify`: shown only, WARNING, CRITICAL; CRITICAL with `-D`"
    if name in ("cert_expiring", "slow"):
        return "WARNING or CRITICAL, by its threshold"
    return STATE_WORDS[states[enumerator]]


def seen():
    """(step, reason) of every transcript and every hostile server."""
    found = set()
    for path in hostile_rows.TRANSCRIPTS.glob("*.txt"):
        said = dict(hostile_rows.Script(path.stem).settings("outcome:"))
        if "reason" in said:
            found.add((said["step"], said["reason"]))
    for row in hostile_rows.ROWS:
        for case in row.cases:
            for mode in case.modes():
                _, step, reason = case.outcome(mode)
                if reason:
                    found.add((step, reason))
    return found


def rows_by_reason():
    """reason -> links to the rows that show it."""
    found, taken = {}, set()
    for row in hostile_rows.ROWS:
        anchor = slug(f"{row.id}: {row.title}", taken)
        taken.add(anchor)
        reasons = {case.outcome(mode)[2] for case in row.cases for mode in case.modes()} - {None}
        for one in reasons:
            found.setdefault(one, []).append(f"[{row.id}](hostile-servers.md#{anchor})")
    return found


def used(enumerator):
    """Whether some code gives this reason; else it is kept for what is not built yet."""
    for path in (*(ROOT / "common").rglob("*.cc"), *(ROOT / "plugin").rglob("*.cc"), *(ROOT / "exporter").rglob("*.cc")):
        if path.name not in ("reason.cc", "meaning.cc", "verdict.cc") and f"Reason::{enumerator}" in path.read_text():
            return True
    return enumerator in JUDGED


def look_at(text):
    """Behind a colon: small, but for DNS and its like."""
    return "Look at: " + (text[0].lower() + text[1:] if text[1:2].islower() else text)


def troubleshooting_page(_servers=None):
    source, states, links = reasons_of_source(), default_states(), rows_by_reason()
    does, means = meanings_of_source()
    meaning = {name: means[enumerator] for name, (enumerator, _) in source.items()}
    assert list(does) == list(STEPS) == steps_of_source()
    for step, reason in seen():
        assert step in REASONS[reason], f"{reason} was seen at {step}"
    assert [one for group in GROUPS.values() for one in group] == [one for one in source if one != "ok"]
    out = ["# Troubleshooting, by step and reason", "",
           "Generated by `tests/e2e/reference_pages.py --write`; `e2e_reference` compares it with the lists in the source.", "",
           filled("Whatever is not OK has a step and a reason: the step begins the finding in the first line, both are in "
                  "`probe_failure_info{step,reason}`, on the exporter's page and in `--output json` (`findings`). Look for the step "
                  "below, in its table for the reason."), "",
           "```sh",
           "check_smtp_probe -H mx.example.net -S -vvv       # every step, the transcript, TLS, certificates, addresses",
           "check_smtp_probe --explain 450                   # a reply code: meaning, advice, what the check makes of it",
           "check_smtp_probe --explain cert_untrusted        # a reason or a step: what this page says of it",
           "# the same of the exporter",
           "curl -fsS 'http://localhost:9725/probe?target=mx.example.net&module=smtp_starttls&debug=true'",
           "```", "",
           filled("On the server the time of the check and the monitoring host's address lead to the line of the log. "
                  "[reply-codes.md](reply-codes.md) has every reply code, [hostile-servers.md](hostile-servers.md) what broken "
                  "servers do and what is said of each."), "",
           "## Steps", ""]
    for name, command in STEPS.items():
        here = [reason for reason, at in REASONS.items() if name in at and used(source[reason][0])]
        own = [reason for reason in here if name in meaning[reason][2] or len(REASONS[reason]) <= FEW]
        others = [f"[{reason}](#{reason})" for reason in here if reason not in own]
        out += [f"### {name}", "", filled(f"{does[name][0]} {look_at(does[name][1])}"), "", "```sh", command, "```", ""]
        if own:
            out += ["| reason | means | look at |", "|---|---|---|"]
            out += [f"| [{reason}](#{reason}) | {source[reason][1]} | {meaning[reason][2].get(name, meaning[reason][1])} |"
                    for reason in own]
            out += [""]
        out += [filled(("Also, as elsewhere: " if own else "As elsewhere: ") + ", ".join(others) + "."), ""]
    out += ["## Reasons", ""]
    for group, names in GROUPS.items():
        out += [f"### {group}", ""]
        for name in names:
            (enumerator, words), (means_words, look, _) = source[name], meaning[name]
            out += [f"#### {name}", "", filled(f"\u201c{words}\u201d. {means_words} {look_at(look)}"), ""]
            facts = ["- State: " + state_words(name, enumerator, states) + "."]
            facts.append("- Steps: " + ", ".join(f"[{one}](#{one})" for one in STEPS if one in REASONS[name]) + ".")
            if name in links:
                facts.append("- Servers that show it: " + ", ".join(links[name]) + ".")
            if not used(enumerator):
                facts = ["- Kept for what is not built yet: no probe of this version gives it."]
            out += [*facts, ""]
        out += ["```sh", COMMANDS[group], "```", ""]
    return "\n".join(out)
