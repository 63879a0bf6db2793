"""The bash completions of both programs: what they offer is what the programs take, as --help and their own error
messages have it, in a bash with and without the package bash-completion."""

import os
import pathlib
import pty
import re
import select
import subprocess
import time

import exporter
import probe
from probe import CHECK, ProbeCase, ScriptedServer, environment, run
from troubleshooting_page import reasons_of_source, steps_of_source

ROOT = pathlib.Path(os.environ["TRANSCRIPTS"]).parents[1]
PACKAGE = "/usr/share/bash-completion/bash_completion"
HARNESS = r"""
[ -z "$PACKAGE" ] || source "$PACKAGE"
set -u
source "$SCRIPT"
[ -z "${BREAKS-}" ] || COMP_WORDBREAKS=$BREAKS
COMP_CWORD=$1; shift
COMP_WORDS=("$@")
"_$NAME" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
"""
FILES, FOLDERS, HOSTS = {"one.pem", "two words.pem", "folder"}, {"folder"}, {"mx1.example.net", "mx2.example.net"}
NOTHING = set()


def split(line, breaks="=@:"):
    """The words of a line as readline hands them over, the last one up to the cursor."""
    words = []
    for word in line.split(" "):
        words += re.findall(f"[{breaks}]+|[^{breaks}]+", word) if breaks and word else [word]
    return words


class Completion:
    """Of one program. What stands for an argument in --help says what is offered for it."""

    def __init__(self, program, script, offered):
        self.program, self.script, self.offered = str(program), script, offered
        self.name = pathlib.Path(script).name.split(".")[0]
        help_text = subprocess.run([self.program, "--help"], capture_output=True, text=True, check=False).stdout
        # (letter, the long names, what stands for the argument)
        rows = re.findall(r"^  (?:-(\w), )?--([\w.-]+)(?:, --([\w-]+))?(?: (\S.*))?$", help_text, re.M)
        self.options = [(letter, [name for name in names if name], word) for letter, *names, word in rows]

    def __call__(self, line, folder, package="", breaks=None):
        """What is offered at the end of `line`, behind the program's name."""
        words = [self.program, *split(line, "=@:" if breaks is None else breaks)]
        env = environment(SCRIPT=str(self.script), NAME=self.name, PACKAGE=package, HOSTFILE=str(folder / "hosts"))
        if breaks is not None:
            env["BREAKS"] = " \t\n\"'><;|&(" + breaks
        done = subprocess.run(["bash", "--norc", "--noprofile", "-c", HARNESS, "bash", str(len(words) - 1), *words],
                              capture_output=True, text=True, timeout=60, env=env, cwd=folder / "files", check=False)
        if done.stderr or done.returncode:
            raise AssertionError(f"{line!r}: {done.returncode} {done.stderr}")
        return {one.rstrip() for one in done.stdout.splitlines()}


def said_to_be_right(*arguments):
    """The list in the error message about a value that is wrong."""
    expected = run(*arguments).first.split(", expected ", 1)[1]
    return set(re.split(r", | or ", re.sub(r"^one of |.* with a step of ", "", expected)))


def modules_of(*arguments):
    return set(run(*arguments).out.split())


class CompletionCase(ProbeCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        files = cls.folder / "files"
        (files / "folder").mkdir(parents=True)
        for name in FILES - FOLDERS:
            (files / name).touch()
        (cls.folder / "hosts").write_text("192.0.2.1 mx1.example.net\n192.0.2.2 mx2.example.net\n")
        cls.config = cls.folder / "own.yml"
        cls.config.write_text("modules:\n" + "".join(f"  module_{i}: {{timeout: 5s}}\n" for i in range(40)))
        server = ScriptedServer("--mail")
        cls.addClassCleanup(server.stop)
        page = run("--once", f"127.0.0.1:{server.ports['mail']}", program=exporter.EXPORTER).out
        keywords = set(re.findall(r'probe_smtp_extension_offered\{.*extension="([^"]+)"', page))
        wrong = lambda option: said_to_be_right("127.0.0.1", f"{option}=nosuch=1")
        steps = lambda option: {f"{step}=" for step in wrong(option)}
        cls.check = Completion(CHECK, ROOT / "plugin/check_smtp_probe.bash-completion", {
            "STEP": wrong("--until"), "MECHANISM": wrong("--authtype"), "VERSION": wrong("--tls-min-version"),
            "CODE|WORD": {*steps_of_source(), *reasons_of_source()} - {"ok"},
            "STEP=CODE[,CODE...]": steps("--expect"), "STEP=RANGE": steps("--step-warning"), "KEYWORD": keywords,
            "FILE": FILES, "DIR": FOLDERS, "TARGET": HOSTS, "NAME": HOSTS, "--module": modules_of("--list-modules"),
            **dict.fromkeys(("PORT", "ADDRESS", "ADDRESS[:PORT]", "TEXT", "NAME: TEXT", "COMMAND", "REGEX", "STRING", "W[,C]", "USER",
                             "PASSWORD", "RANGE", "N[:STATE]", "SECONDS", "N", "[SECTION][@FILE]", "N[,COUNT]"), NOTHING), "multi-line": {"multi-line"}})
        cls.exporter = Completion(exporter.EXPORTER, ROOT / "exporter/smtp_probe_exporter.bash-completion", {
            "FILE": FILES, "--textfile": FILES, "--module": modules_of("--list-modules"), "TARGET...": HOSTS,
            **dict.fromkeys(("ADDRESS", "URL", "PATH", "SECONDS", "N", "NAME", "NAME=VALUE"), NOTHING)})

    def offered(self, completion, line, **how):
        return completion(line, self.folder, **how)


class Offers(CompletionCase):

    def test_every_option(self):
        for completion, least in ((self.check, 55), (self.exporter, 18)):
            names = {f"--{name}" for _, names, _ in completion.options for name in names}
            self.assertGreater(len(names), least)
            self.assertEqual(self.offered(completion, "--"), names)
            self.assertEqual(self.offered(completion, "127.0.0.1 -"), names)

    def test_what_each_of_them_takes(self):
        for completion in (self.check, self.exporter):
            for letter, names, word in completion.options:
                if not word:
                    continue
                expected = completion.offered.get("--" + names[0], completion.offered.get(word))
                if expected is None:
                    self.assertIn("|", word, f"--{names[0]}: what is offered for {word}?")
                    expected = set(word.split("|"))
                with self.subTest(option=names[0]):
                    forms = [f"--{name}=" for name in names]
                    if word != "TARGET...":
                        forms += [f"--{name} " for name in names] + ([f"-{letter} "] if letter else [])
                    for form in forms:
                        self.assertEqual(self.offered(completion, form), expected, form)

    def test_the_lists_are_not_empty(self):
        self.assertEqual(len(self.check.offered["STEP"]), 10)
        self.assertEqual(len(self.check.offered["STEP=RANGE"]), 14)
        self.assertGreater(len(self.check.offered["KEYWORD"]), 20)
        self.assertEqual(self.check.offered["VERSION"], {"1.0", "1.1", "1.2", "1.3"})
        self.assertIn("SCRAM-SHA-256", self.check.offered["MECHANISM"])
        self.assertIn("smtp_starttls", self.check.offered["--module"])

    def test_what_has_begun(self):
        self.assertEqual(self.offered(self.check, "-H x --until st"), {"starttls"})
        self.assertEqual(self.offered(self.check, "-H x --until=st"), {"starttls"})
        self.assertEqual(self.offered(self.check, "x --authtype SCRAM-SHA-2"), {"SCRAM-SHA-256"})
        self.assertEqual(self.offered(self.check, "x --tls-v"), {"--tls-verify"})
        self.assertEqual(self.offered(self.exporter, "--config.f"), {"--config.file"})

    def test_nothing_behind_the_step(self):
        for line in ("--step-warning rcpt=", "--step-warning rcpt=1", "--expect=rcpt=", "--expect rcpt=5"):
            self.assertEqual(self.offered(self.check, "mx " + line), NOTHING, line)

    def test_targets(self):
        self.assertEqual(self.offered(self.check, ""), HOSTS)
        self.assertEqual(self.offered(self.check, "-S mx1"), {"mx1.example.net"})
        self.assertEqual(self.offered(self.exporter, "--once mx2"), {"mx2.example.net"})
        self.assertEqual(self.offered(self.exporter, ""), NOTHING)
        socket = self.folder / "files" / "one.pem"
        self.assertEqual(self.offered(self.check, f"{socket}"[:-1]), {str(socket)})
        self.assertEqual(self.offered(self.check, f"unix:{socket}"[:-1]), {str(socket)})

    def test_modules_of_the_file_that_is_named(self):
        own = {f"module_{i}" for i in range(40)} | self.check.offered["--module"]
        for form in (f"--config {self.config}", f"--config={self.config}"):
            self.assertEqual(self.offered(self.check, f"mx {form} --module "), own)
            self.assertEqual(self.offered(self.check, f"mx {form} --module=module_39"), {"module_39"})
        for form in (f"--config.file {self.config}", f"--config.file={self.config}"):
            self.assertEqual(self.offered(self.exporter, f"--once mx {form} --module "), own)
        self.assertEqual(self.offered(self.check, "mx --config /nowhere.yml --module "), NOTHING)

    def test_files_of_extra_opts(self):
        self.assertEqual(self.offered(self.check, "--extra-opts section@"), FILES)
        self.assertEqual(self.offered(self.check, "--extra-opts section@one"), {"one.pem"})

    def test_words_that_are_not_split(self):
        how = {"breaks": ""}
        self.assertEqual(self.offered(self.check, "--tls-verify=re", **how),
                         {"--tls-verify=report", "--tls-verify=require"})
        self.assertEqual(self.offered(self.check, "--expect=ba", **how), {"--expect=banner="})
        self.assertEqual(self.offered(self.check, "--extra-opts section@one", **how), {"section@one.pem"})
        self.assertEqual(self.offered(self.check, f"--config={self.config} --module=module_39", **how),
                         {"--module=module_39"})
        self.assertEqual(self.offered(self.exporter, "--log.level=de", **how), {"--log.level=debug"})


class InBash(CompletionCase):

    def test_beside_the_package(self):
        self.assertTrue(os.path.exists(PACKAGE), "bash-completion is not installed")
        self.assertEqual(self.offered(self.check, "--tls-verify=re", package=PACKAGE), {"report", "require"})
        self.assertEqual(self.offered(self.exporter, "--log.format ", package=PACKAGE), {"logfmt", "json"})

    def test_the_package_finds_them(self):
        folder = self.folder / "share" / "bash-completion" / "completions"
        folder.mkdir(parents=True, exist_ok=True)
        for completion in (self.check, self.exporter):
            (folder / completion.name).write_bytes(pathlib.Path(completion.script).read_bytes())
            ask = f'source {PACKAGE}; _completion_loader "$1"; complete -p "$1"'
            done = subprocess.run(["bash", "--norc", "-c", ask, "bash", completion.name], capture_output=True,
                                  text=True, timeout=60, check=False,
                                  env=environment(XDG_DATA_DIRS=str(self.folder / "share")))
            self.assertEqual((done.stdout, done.stderr), (f"complete -F _{completion.name} {completion.name}\n", ""))

    def test_the_installed_names(self):
        for folder, completion in (("plugin", self.check), ("exporter", self.exporter)):
            rules = (ROOT / folder / "CMakeLists.txt").read_text()
            self.assertIn(f"smtpprobe_install_completion({completion.name} {folder})", rules)

    def test_with_a_keyboard(self):
        """Readline itself, on a terminal: what it splits and what it makes of the answer."""
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "check_smtp_probe").symlink_to(probe.CHECK)
        child, keyboard = pty.fork()
        if child == 0:
            env = environment(PATH=f"{programs}:{os.environ['PATH']}", TERM="dumb", PS1="ready> ", INPUTRC="/dev/null")
            os.chdir(self.folder / "files")
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.close, keyboard)
        self.addCleanup(os.kill, child, 9)

        def until(text):
            got, end = "", time.monotonic() + 60
            while text not in got:
                self.assertLess(time.monotonic(), end, f"{text!r} in {got!r}")
                if select.select([keyboard], [], [], 0.2)[0]:
                    got += os.read(keyboard, 65536).decode(errors="replace")
        until("ready> ")
        os.write(keyboard, f"source {self.check.script}\n".encode())
        until("ready> ")
        # What is typed, and how the line then reads.
        for typed, line in (("--tls-verify=req\t|", "--tls-verify=require |"), ("--unt\t|", "--until |"),
                            ("--until mai\t|", "--until mail |"), ("--step-warning rc\t1", "--step-warning rcpt=1"),
                            ("--expect=ba\t220", "--expect=banner=220"),
                            ("--ca-file two\t|", "--ca-file two\\ words.pem |"), ("--ca-path fol\t|", "--ca-path folder/|"),
                            (f"--config {self.config} --module=module_39\t|", "--module=module_39 |")):
            os.write(keyboard, f"check_smtp_probe {typed}".encode())
            until(line)
            os.write(keyboard, b"\x15")  # Ctrl-U
