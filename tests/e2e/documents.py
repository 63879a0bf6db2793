"""README.md and docs/*.md as the tests read them: fenced blocks with their info strings, headings and links."""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<info>.*)$")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


@dataclasses.dataclass(frozen=True)
class Block:
    document: pathlib.Path
    line: int  # of its first line, as an editor counts
    info: str
    text: str

    def __str__(self):
        return f"{self.document.relative_to(ROOT)}:{self.line} ({self.info or 'no info string'})"


@dataclasses.dataclass
class Document:
    path: pathlib.Path
    blocks: list
    anchors: set
    links: list  # (line, target)

    @property
    def name(self):
        return str(self.path.relative_to(ROOT))


def slug(heading, taken):
    """The anchor of a heading, as GitHub makes it."""
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    word = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
    free, count = word, 0
    while free in taken:
        count += 1
        free = f"{word}-{count}"
    return free


def read(path):
    found = Document(path, [], set(), [])
    inside, indent, info, began, lines = "", 0, "", 0, []
    for number, line in enumerate(path.read_text().split("\n"), 1):
        fence = FENCE.match(line)
        if inside:
            if fence and fence["ticks"].startswith(inside) and not fence["info"].strip():
                text = "".join((one[indent:] if not one[:indent].strip() else one) + "\n" for one in lines)
                found.blocks.append(Block(path, began, info, text))
                inside = ""
            else:
                lines.append(line)
        elif fence:
            inside, indent, info = fence["ticks"], len(fence["indent"]), fence["info"].strip()
            began, lines = number + 1, []
        else:
            heading = re.match(r"#{1,6} +(.+?) *#*$", line)
            if heading:
                found.anchors.add(slug(heading[1], found.anchors))
            found.anchors.update(re.findall(r'<a (?:id|name)="([^"]+)"', line))
            found.links += [(number, one) for one in LINK.findall(re.sub(r"`[^`]*`", "", line))]
            # A link's text may be code.
            found.links += [(number, one) for one in re.findall(r"\[`[^`]*`\]\(([^)\s]+)\)", line)]
    assert not inside, f"{path}: the block of line {began} has no end"
    return found


def everything():
    return [read(path) for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]


# A command and the exit code that its comment tells: "check_smtp_probe ...   # exits 2: no route"
EXITS = re.compile(r"(?:^|\s)#.*?\bexits (\d+)\b")


def commands(script):
    """(text, exit code or None) of each logical line: continued lines, and here-documents with their text, are one."""
    found, pending, ends = [], [], []
    for line in script.split("\n"):
        pending.append(line)
        if ends:
            if line.strip("\t") == ends[0] or line == ends[0]:
                ends.pop(0)
            if ends:
                continue
        else:
            ends = re.findall(r"<<-?\s*['\"]?(\w+)['\"]?", line)
            if ends or line.endswith("\\"):
                continue
        said = EXITS.search(pending[-1] if len(pending) == 1 or "<<" not in pending[0] else pending[0])
        found.append(("\n".join(pending), int(said[1]) if said else None))
        pending = []
    if pending:
        found.append(("\n".join(pending), None))
    return found


def script_of(block_text, left_out=()):
    """The block as a script that fails where a command does not exit as the text says: with 0, or as its comment has
    it. Commands that match one of `left_out` are not run."""
    out = ["set -euo pipefail"]
    for text, code in commands(block_text):
        if any(re.search(one, text) for one in left_out):
            out.append(":")
        elif code in (None, 0):
            out.append(text)
        else:
            out.append(f"status=0\n{{ {text}\n}} || status=$?\n"
                       f'[ "$status" = {code} ] || {{ echo "exit code $status, the text says {code}" >&2; exit 99; }}')
    return "\n".join(out) + "\n"


# What differs from run to run: seconds, dates, days.
MASKS = (
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?)?"), "<date>"),
    (re.compile(r"\b\d+\.\d+(?:e-\d+)?(?![\d.])(?=s\b|\b)"), "<n>"),
    (re.compile(r"\b\d+ ms\b"), "<ms>"),
    (re.compile(r"\b\d+ days\b"), "<days>"),
    (re.compile(r"\bcert_days_left=\d+"), "cert_days_left=<days>"),
)


def masked(text):
    """Enhanced statuses (5.7.1) and addresses have more than one point and stay."""
    for pattern, word in MASKS:
        text = pattern.sub(lambda m: m[0] if m[0].count(".") > 1 or text[m.start() - 1:m.start()] == "." else word, text)
    return re.sub(r"[ \t]+", " ", text).strip()


def pattern_of(line):
    parts = re.split(r"…|\.\.\.", masked(line))
    return ".*".join(re.escape(one.strip()) for one in parts)


def console_commands(block_text):
    """(command, expected lines) of a `console` block."""
    found = []
    for line in block_text.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and not found[-1][1] and found[-1][0][-1].endswith("\\"):
            found[-1][0].append(line.removeprefix("> "))
        elif found:
            found[-1][1].append(line)
        else:
            raise ValueError(f"output without a command: {line}")
    return [("\n".join(command), output) for command, output in found]


def compare(expected, actual):
    """None where the output is what the text shows, else what is wrong. `…` or `...` stand for anything in a line, alone
    in one for any lines."""
    while expected and not expected[-1].strip():
        expected = expected[:-1]
    real = [one.rstrip() for one in actual.rstrip("\n").split("\n")] if actual.strip() else []
    at, skipping = 0, False
    for line in expected:
        if line.strip() in ("…", "..."):
            skipping = True
            continue
        pattern = pattern_of(line)
        found = next((i for i in range(at, len(real)) if re.fullmatch(pattern, masked(real[i]))), None)
        if found is None or (found != at and not skipping):
            shown = real[at] if at < len(real) else "(nothing)"
            return f"the text says\n  {line}\nthe program says\n  {shown}\nof\n{actual}"
        at, skipping = found + 1, False
    if at != len(real) and not skipping:
        return f"the text ends before\n  {real[at]}\nof\n{actual}"
    return None
