"""A Dockerfile without an engine: read, judged, and its stages made by chroot. Of the language it knows what our file uses;
anything else is an error."""

import dataclasses
import fnmatch
import json
import os
import pathlib
import re
import shutil
import tempfile

import root

KNOWN = ("FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "LABEL")


@dataclasses.dataclass
class Instruction:
    line: int
    name: str
    value: str


def parse(text):
    """The instructions; a comment ends nowhere, a backslash goes on."""
    instructions, pending, start = [], "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not pending and not line.strip()):
            continue
        start = start if pending else number
        pending += line.rstrip()
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        name, _, value = pending.strip().partition(" ")
        if name not in KNOWN:
            raise ValueError(f"line {start}: {name} is not known here")
        instructions.append(Instruction(start, name, value.strip()))
        pending = ""
    return instructions


def stages(instructions):
    """Each a list of instructions that begins with its FROM."""
    found = []
    for one in instructions:
        if one.name == "FROM":
            found.append([])
        elif not found:
            raise ValueError(f"line {one.line}: {one.name} before FROM")
        found[-1].append(one)
    return found


def findings(text):
    """What a linter would say: (line, what)."""
    said = []
    parts = stages(parse(text))
    names = []
    for stage in parts:
        words = stage[0].value.split()
        base = words[0]
        if base != "scratch" and base not in names:
            if ":" not in base and "@" not in base:
                said.append((stage[0].line, "a base image without a tag"))
            elif base.endswith(":latest"):
                said.append((stage[0].line, "the tag latest changes by itself"))
        names += words[2:] if len(words) == 3 and words[1] == "AS" else []
        for one in stage:
            value = one.value
            if one.name == "RUN":
                if re.search(r"\bsudo\b", value):
                    said.append((one.line, "sudo"))
                installs = re.search(r"apt-get install|install-packages\.sh", value)
                if installs and "rm -rf /var/lib/apt/lists" not in value:
                    said.append((one.line, "the apt lists stay in the layer"))
                if re.search(r"apt-get install(?!.*--no-install-recommends)", value):
                    said.append((one.line, "recommended packages"))
                if re.search(r"(?:^|[;&|]\s*)cd ", value):
                    said.append((one.line, "cd in place of WORKDIR"))
            if one.name == "WORKDIR" and not value.startswith("/"):
                said.append((one.line, "a relative WORKDIR"))
            if one.name in ("ENTRYPOINT", "CMD") and not value.startswith("["):
                said.append((one.line, f"{one.name} in the shell's form: signals do not reach the program"))
            if one.name == "ENV" and "DEBIAN_FRONTEND" in value:
                said.append((one.line, "DEBIAN_FRONTEND stays in the image"))
    last = parts[-1]
    users = [one for one in last if one.name == "USER"]
    if not users:
        said.append((last[0].line, "the image runs as root"))
    elif not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1].value):
        said.append((users[-1].line, "USER is not a number other than 0"))
    if sum(one.name == "ENTRYPOINT" for one in last) != 1:
        said.append((last[0].line, "not one ENTRYPOINT"))
    return said


def context(source, to):
    """What a build would be sent: the tree without what .dockerignore names, as links or copies in the folder `to`."""
    ignored = [line.strip().rstrip("/") for line in (source / ".dockerignore").read_text().splitlines()
               if line.strip() and not line.startswith("#")]

    def without(folder, names):
        inside = pathlib.Path(folder).relative_to(source)
        return [name for name in names if any(fnmatch.fnmatch(str(inside / name), one) for one in ignored)]

    shutil.copytree(source, to, ignore=without, symlinks=True, dirs_exist_ok=True)


class Build:
    """The stages of a file, made of a source tree. What comes before the whole tree is copied stays for the next run, as an
    engine's layers do. `roots` has them by name, the last one is "image"; `command()` says how that is started."""

    def __init__(self, text, source, arguments=()):
        self.arguments = dict(arguments)
        self.context = pathlib.Path(tempfile.mkdtemp(prefix="context-", dir=root.ROOTS))
        context(source, self.context)
        self.roots, self.settings = {}, {}
        self.launcher = pathlib.Path(os.environ.get("CMAKE_CXX_COMPILER_LAUNCHER", "")).name == "ccache"
        try:
            for stage in stages(parse(text)):
                self._make(stage)
        except BaseException:
            self.close()
            raise

    def close(self):
        shutil.rmtree(self.context, ignore_errors=True)
        for one in self.roots.values():
            one.close()

    def _make(self, stage):
        words = stage[0].value.split()
        steps, done = stage[1:], 0
        if words[0] == "scratch":
            made = root.Root()
        else:
            done = next((i for i, one in enumerate(steps) if one.name == "COPY" and one.value.startswith(". ")), 0)
            made = root.Root(*self._kept(steps[:done]), root.minimal())
        self.roots[words[2] if len(words) == 3 else "image"] = made
        self.settings = {}
        self._run(made, steps, done)

    def _kept(self, steps):
        """The layer of the first steps, which depends on them, what they copy and the base alone."""
        if not steps:
            return ()
        copied = [(self.context / word).read_bytes() for one in steps if one.name == "COPY"
                  for word in one.value.split()[:-1]]
        base = root.minimal()

        def make(folder):
            made = root.Root(base)
            try:
                self._run(made, steps)
                if self.launcher:
                    made.shell("apt-get update -qq; apt-get install -y -qq --no-install-recommends ccache")
                shutil.rmtree(folder)
                made.upper.rename(folder)
            finally:
                made.close()

        key = root.digest(base.name, base.stat().st_mtime, self.launcher, *steps, *copied)
        return (root.made("layer-" + key, make),)

    def _run(self, made, steps, done=0):
        """The first `done` steps are in the root already: of them count only the settings."""
        env, folder = {}, "/"
        for number, one in enumerate(steps):
            key, equals, value = one.value.partition("=")
            if one.name == "ARG" and (equals or key in self.arguments):
                env[key] = self.arguments.get(key, value)
            elif one.name == "ENV":
                env[key] = value
            elif one.name == "WORKDIR":
                folder = one.value
            elif one.name == "COPY" and number >= done:
                self._copy(made, one, folder)
            elif one.name == "RUN" and number >= done:
                made.shell(f"mkdir -p {folder} && cd {folder} && {one.value}", env={**env, **self._compiler_cache(made)})
            elif one.name not in ("ARG", "COPY", "RUN"):
                self.settings[one.name] = one.value

    def _compiler_cache(self, made):
        if not self.launcher:
            return {}
        words = ["ccache", "--get-config", "cache_dir"]
        made.binds[root.checked(root.run(words), words).strip()] = "/ccache"
        return {"CCACHE_DIR": "/ccache", "CMAKE_CXX_COMPILER_LAUNCHER": "ccache"}

    def _copy(self, made, one, folder):
        words = one.value.split()
        to = os.path.normpath(os.path.join(folder, words[-1]))
        if words[0].startswith("--from="):
            origin = self.roots[words[0].removeprefix("--from=")]
            for word in words[1:-1]:
                origin.copy_out(word, made.upper)
            if to != "/":
                raise ValueError(f"line {one.line}: --from= to / alone is known here")
        else:
            for word in words[:-1]:
                made.copy_in(self.context / word, to)

    def command(self):
        """How the image is started: (user, its entrypoint, its default flags)."""
        return (self.settings["USER"], json.loads(self.settings["ENTRYPOINT"]), json.loads(self.settings["CMD"]))
