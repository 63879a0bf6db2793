"""What check_smtp_probe does under the name check_smtp, beside check_smtp 2.3.3: the command lines on which both say the
same, and with dropin_differences.py and dropin_command_line.py those on which they differ. dropin_test.py runs all of
them; `dropin_rows.py --write` makes docs/from-check_smtp.md of it."""

import dataclasses
import pathlib
import sys

from dropin_command_line import COMMAND_LINE
from dropin_differences import JUDGEMENT

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "from-check_smtp.md"
DIFFERENCES = JUDGEMENT + COMMAND_LINE

RCPT = "-f a@b.test -C 'RCPT TO:<c@d.test>'"
LOGIN = "-A LOGIN -U u -P p"
# By the server of dropin_server.py: the same exit code, and our first line begins with theirs.
SAME = {
    "good": (
        "", "-4", "-p {port}", "-p{port} -H127.0.0.1", "'-p {port}'", "'-w 5' '-t 20'", "'-e ESMTP'",
        "--port={port} --hostname=127.0.0.1", "--po {port} --host 127.0.0.1",
        "-H localhost -4", "''", "stray", "--use-ipv4", "-?",
        "-w 5 -c 10", "-w 5", "-c 10", "-w 10 -c 5", "-w 010", "-w 5.5", "-w 1 -w 5", "-wt 5 -ct 6 -to 7",
        "--warning=5 --critical 10", "-t 20", "-t 0", "-t 5 -t 20", "--timeout=20",
        "-e 220", "-e ESMTP", "-e mx.test", "-e '220 mx.test ESMTP'", "-e ''", "--expect 220", "--expect=ESMTP",
        "-C NOOP", "-C NOOP -R 250", "-C NOOP -R '^250 2\\.0\\.0 (Ok|OK)$'", "-C NOOP -R 999", "-C FROB -R 250",
        "-C FROB -R 500",
        "-C NOOP -C RSET -R 250 -R 250", "-C NOOP -R 250 -C RSET -R 999", "-C NOOP -C RSET -R 250", "-R 250", "-C HELP",
        "-C NOOP,RSET -R 500", "--command=NOOP --response=250",
        "-f a@b.test", "-f '<a@b.test>'", "-f ''", "-f home", "--from=a@b.test", f"{RCPT} -R 250",
        "-f watchdog@invalid -C RCPT\\ TO:watchdog@localhost -C DATA -C . -R 250",
        "-F probe.test", "-F '[127.0.0.1]'", "--fqdn probe.test", "-q", "-q true", "-q -w 5", "-w 5 -q", "-L", "--lmtp",
        "-S", "-S -D 30,10", "-D 30,10", "-S -w 5 -c 10", "-S -q",
        "--extra-opts=@{ini}", "--extra-opts @{ini}", "--extra-opts=mail@{ini}", "--extra-opts=slow@{ini}",
        "--extra-opts slow@{ini} -w 5", "-w 5 --extra-opts slow@{ini}"),
    "multi-line": ("", "-e please", "-e 'no spam'", "-f a@b.test"),
    "IPv6": ("", "-6", "-6 -w 5"),
    "nobody": ("", "-S", "-w 5", "-f a@b.test", "-D 30", f"{LOGIN}", "-L"),
    "slow": ("-w 1", "-c 1", "-w 0.5 -c 1", "-w 1 -c 60", "-w 1 -q true", "-w 60"),
    "silent": ("-t 1", "-S -t 1", "-t 1 -w 0.5"),
    "silent at helo": ("-t 1",),
    "silent at mail": ("-f a@b.test -t 1",),
    "banner 554": ("-e 554", "-e '554 5.7.1'"),
    "helo only": ("", "-f a@b.test"),
    "ehlo only": ("", "-S"),
    "rcpt 550": (f"{RCPT} -R 250", f"{RCPT} -R \"User doesn't exist\"", f"-L {RCPT} -R \"User doesn't exist\"",
                 f"{RCPT} -R ^550"),
    "rcpt 450": (f"{RCPT} -R 250", f"{RCPT} -R 450"),
    "tls": (
        "-S", "--starttls", "-S -C NOOP -R 250", "-S -C NOOP -R 999", f"-S {RCPT} -R 250", "-S -e ESMTP",
        "-S -w 5 -c 10",
        "-S -D 1", "-D 1", "-S -D 30,10", "-S -D 10,30", "-S -D 30 -f a@b.test", "-S --certificate=30,10",
        "-S -F probe.test", ""),
    "tls, no ServerHello": ("-S", "-S -D 30"),
    "tls, silent at the handshake": ("-S -t 1",),
    "tls, closes at the handshake": ("-S",),
    "tls 1.0": ("-S",),
    "expired": ("-S", "-S -D 30,10", "-S -D 0"),
    "expiring": ("-S", "-S -D 30", "-S -D 30,10", "-S -D 4,1", "-S -D 10,30", "-D 30"),
    "not yet valid": ("-S", "-S -D 30,10"),
    "wrong name": ("-S", "-S -D 30,10"),
    "self-signed": ("-S", "-S -D 30,10"),
    "auth": (LOGIN, f"{LOGIN} -f a@b.test -C NOOP -R 250", "-U u -P p",
             "--authtype=LOGIN --authuser=u --authpass=p", ""),
    "auth 535": ("",),
    "tls, auth": (f"-S {LOGIN}", "-S"),
    "lmtp": ("-L", f"-L {RCPT} -R 250"),
    "quit 500": ("", "-q"),
    "closes at quit": ("", "-q", "-f a@b.test"),
}
# The same in a network without anybody, where the ports that nobody named can be seen.
SAME_ALONE = (
    "-H 127.0.0.1", "-H 127.0.0.1 ''", "-H 127.0.0.1 -S", "-H 127.0.0.1 -p 587", "-p 587 127.0.0.1", "-p 587",
    "-4 -H localhost", "-H ::1", "-H nosuch.invalid", "-4 -H nosuch.invalid", "-H nosuch.invalid -S -D 30")


@dataclasses.dataclass(frozen=True)
class Wire:
    """The verbs that each says. With the options `old` ours are theirs."""
    server: str
    options: str
    theirs: str
    ours: str
    old: str = None


WIRES = (
    Wire("good", "", "HELO QUIT", "EHLO QUIT", "--helo"),
    Wire("helo only", "", "HELO QUIT", "EHLO HELO QUIT", "--helo"),
    Wire("good", "-f a@b.test -C NOOP", "HELO MAIL NOOP QUIT", "EHLO MAIL NOOP QUIT", "--helo -f a@b.test -C NOOP"),
    Wire("auth", f"{LOGIN} -f a@b.test -C NOOP", "EHLO MAIL NOOP AUTH QUIT", "EHLO AUTH MAIL NOOP QUIT"),
    Wire("tls", "-S -f a@b.test", "EHLO STARTTLS EHLO MAIL QUIT", "EHLO STARTTLS EHLO MAIL QUIT"),
    Wire("tls", "-S -D 30 -f a@b.test", "EHLO STARTTLS EHLO QUIT", "EHLO STARTTLS EHLO MAIL QUIT"),
    Wire("good", "-S", "EHLO QUIT", "EHLO QUIT"),
    Wire("banner 554", "", "HELO", "QUIT"),
    Wire("mail 530", f"{RCPT}", "HELO MAIL RCPT QUIT", "EHLO MAIL QUIT"),
    Wire("lmtp", "-L", "LHLO QUIT", "LHLO QUIT"),
)

HEAD = """\
# From check_smtp to check_smtp_probe

Generated by `tests/e2e/dropin_rows.py --write` from the tables there; `tests/e2e/dropin_test.py` runs every command line
of them against Debian's check_smtp 2.3.3 and against this check under that name, and fails on a difference that is not
listed here as on one that is no longer there. `tests/e2e/callers_test.py` does the same for the command lines of Debian,
Icinga 2, Checkmk, mailcow, NRPE and Centreon.

## How to switch

Started under the name `check_smtp` (or with `--dialect check_smtp`) the check takes every option of check_smtp and keeps the
texts and exit codes that configurations rely on. Three ways, from careful to thorough.

**A command of its own**, through a link in a directory of your own (or `--dialect check_smtp` among the options). The name is
another one, for Debian has a command `check_smtp`, and Nagios starts with no command that is there twice:

```sh
sudo mkdir -p /usr/local/lib/smtp-probe
sudo ln -s /usr/lib/nagios/plugins/check_smtp_probe /usr/local/lib/smtp-probe/check_smtp
```

```nagios
define command {
    command_name  check_smtp_strict
    command_line  /usr/local/lib/smtp-probe/check_smtp -H '$HOSTADDRESS$' '$ARG1$'
}
```

In Icinga 2 with the variables of its own `smtp` command:

```icinga2
object CheckCommand "smtp_strict" {
  import "smtp"
  command = [ "/usr/local/lib/smtp-probe/check_smtp" ]
}
```

**For all commands at once.** `$USER1$` in Nagios' `resource.cfg` and `PluginDir` in Icinga's `constants.conf` name one
directory; in a directory of links to the others, put ours under the name `check_smtp`.

**In its place (Debian).** Where check_smtp_probe is in `/usr/lib/nagios/plugins`, its package's directory (`cmake --install
build/release --prefix /usr` puts it there too), move the old one aside; updates of its package then follow it:

```sh
sudo dpkg-divert --local --rename --add /usr/lib/nagios/plugins/check_smtp
sudo ln -s check_smtp_probe /usr/lib/nagios/plugins/check_smtp
```

Back again, and before the package `check-smtp-probe` is removed:

```sh
sudo rm /usr/lib/nagios/plugins/check_smtp
sudo dpkg-divert --local --rename --remove /usr/lib/nagios/plugins/check_smtp
```

Before the first of these, compare the two with the command lines of yours:

```sh
for check in /usr/lib/nagios/plugins/check_smtp /usr/local/lib/smtp-probe/check_smtp; do
  $check -H mx.example.net -S -D 30,10; echo "exit code $?"
done
```

## What stays

| | |
|---|---|
| all is well | `SMTP OK - 0.042 sec. response time`, then what was reached |
| performance data | `time=0.042133s;WARN;CRIT;0.000000` first; behind it the time of each step |
| only the time is over its limit | `SMTP WARNING - 2.001 sec. response time`, then the step that took longest |
| STARTTLS is not offered | exactly `WARNING - TLS not supported by server`, 1 |
| nobody listens | `connect to address H and port P: Connection refused`, 2 |
| the handshake fails | `CRITICAL - Cannot make SSL connection.`, then why; 2 |
| `-t` is over | `CRITICAL - Socket timeout after N seconds`, then the step; 2 |
| `-R` does not match | `SMTP WARNING - Invalid response '...' to command '...'`, 1 |
| `-D` | `OK - Certificate 'CN' will expire on ...`, `WARNING - Certificate 'CN' expires in N day(s) (...)`, `CRITICAL - Certificate 'CN' expired on ...` |
| a name that does not resolve | `check_smtp: Invalid hostname/address - X`, 3 |
| a banner that is not the expected one | 1, with the banner in the line |
| untrusted or wrong-name certificate, expired without `-D` | no matter, unless `--tls-verify` says so |
| an empty last word | ignored: the `'$ARG1$'` of Debian's definitions |

## The other dialects

| of | | here |
|---|---|---|
| 2.4, 3.0 | `-s --ssl --tls` | taken; port 465 unless `-p` says otherwise |
| 2.4 | `-D` alone means TLS from the start | means STARTTLS, as in 2.3.3 |
| 2.4 | `--ssl -D` never looks at the certificate | looks at it |
| 2.4, 3.0 | `--sni` | taken; the name is always sent, but for an address |
| 2.4, 3.0 | `-r --proxy` sends `PROXY TCP4 0.0.0.0 0.0.0.0 25 25` | sends a true header; others: `--proxy-protocol` |
| 3.0 | `--ignore-certificate-expiration` | taken |
| 3.0 | `--output-format multi-line` | taken, changes nothing |
| 3.0 | `--output-format mp-test-json`, exit code 0 whatever the state | a usage error; `--output json` keeps the exit code |
| 3.0 | thresholds are ranges; `-w` and `-c` are swapped | ranges, not swapped |
| 3.0 | lines such as `[OK] - SMTP connection check is OK`, no performance data | the lines and performance data of 2.x |
| 3.0 | `-D` needs `-s` or `-S` | means STARTTLS |
| nagios-plugins | `-t N:STATE` | taken |
| nagios-plugins | `--ssl` asks port 25 | asks port 465 |
| nagios-plugins | `-V` and `-h` exit with 0 | exit with 3 |
| nagios-plugins | `-C` is not sent behind STARTTLS | is sent |
| all | `-wt`, `-ct`, `-to`; options cut short (`--host`) | taken |

These versions were read, not run; what the tests run is 2.3.3.
"""


def quoted(text):
    return f"`{text}`" if text else ""


def answer(text):
    code, _, line = text.partition(" ")
    return f"{code} {quoted(line)}"


def table(shown):
    with_old = any(one.old is not None for one in shown)
    yield "| options | server | check_smtp 2.3.3 | here |" + (" the old exit code with |" if with_old else "")
    yield "|---|---|---|---|" + ("---|" if with_old else "")
    for one in shown:
        server = "nobody at all" if one.alone else one.server
        cells = [quoted(one.options), server, answer(one.theirs), answer(one.ours)]
        if with_old:
            cells.append("" if one.old is None else quoted(one.old) or "no option")
        yield "| " + " | ".join(cells) + " |"


def section(number, difference):
    yield from (f"### {number}. {difference.title}", "")
    yield f"- check_smtp: {difference.theirs}"
    yield f"- Here: {difference.ours}"
    if difference.why:
        yield f"- Why: {difference.why}"
    if difference.old:
        yield f"- The old answer: {difference.old}"
    yield ""
    yield from table(difference.shown)
    yield ""


def document():
    out = [HEAD]
    out += ["## What differs: the server", "",
            "`T`, `PORT`, `DATE` and `FILE` stand for what is different every time; the number is the exit code. Ours has",
            "performance data wherever a clock ran. The servers are rows of `tests/e2e/dropin_server.py`.", ""]
    number = 0
    for difference in JUDGEMENT:
        number += 1
        out += section(number, difference)
    out += ["## What differs: the command line", ""]
    for difference in COMMAND_LINE:
        number += 1
        out += section(number, difference)
    out += ["## What differs: on the wire", "",
            "EHLO comes first and HELO where it is refused; AUTH before MAIL, as servers want it; nothing behind a refusal",
            "but QUIT. The name in EHLO is this host's qualified one, where check_smtp takes the host name as it is; `-F`",
            "gives another.", "",
            "| options | server | check_smtp 2.3.3 | here | as check_smtp with |", "|---|---|---|---|---|"]
    for one in WIRES:
        old = "" if one.old is None else quoted(one.old)
        out.append(f"| {quoted(one.options)} | {one.server} | {one.theirs} | {one.ours} | {old} |")
    return "\n".join(out) + "\n"


def main():
    if sys.argv[1:] != ["--write"]:
        print("usage: dropin_rows.py --write", file=sys.stderr)
        return 2
    DOCUMENT.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
