"""The part of the table of dropin_differences.py about the command line itself: nothing of it is the server's doing."""

from dropin_differences import Difference, Shown

COMMAND_LINE = (
    Difference(
        "A bad regular expression is a usage error",
        theirs="exit code 255 when it comes to compare, and not a word when it does not.",
        ours="exit code 3 before anything is sent.",
        why="255 is no state; Nagios makes a \"return code is out of bounds\" of it.",
        shown=(
            Shown("good", "-C NOOP -R '('", "255 Could Not Compile Regular Expression",
                  "3 check_smtp: --response: got '(': Unmatched ( or \\(, expected a POSIX extended regular "
                  "expression"),
            Shown("good", "-R '('", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --response: got '(': Unmatched ( or \\(, expected a POSIX extended regular "
                  "expression", old=""),
        )),
    Difference(
        "Days may be fractions, but not empty",
        theirs="whole numbers; an empty one counts as 0.",
        ours="`1.5` is a day and a half; an empty one is a usage error.",
        shown=(
            Shown("good", "-S -D 1.5", "3 check_smtp: Invalid certificate expiration period - 1.5",
                  "1 WARNING - TLS not supported by server"),
            Shown("good", "-D ''", "1 WARNING - TLS not supported by server",
                  "3 check_smtp: --certificate: got '', expected W or W,C in days, 0 to 36500"),
            Shown("good", "-D ,5", "1 WARNING - TLS not supported by server",
                  "3 check_smtp: --certificate: got ',5', expected W or W,C in days, 0 to 36500"),
        )),
    Difference(
        "Half of the credentials is a usage error",
        theirs="`no authpass specified`, `only authtype LOGIN is supported`: CRITICAL, found when the server is "
               "asked. `-U` alone is ignored.",
        ours="exit code 3 before anything is sent.",
        why="A wrong command line is no fault of the server's.",
        shown=(
            Shown("auth", "-A LOGIN -U u", "2 SMTP CRITICAL - no authpass specified, T sec. response time",
                  "3 check_smtp: --authuser: needs a password, expected --authpass-file, --authpass or "
                  "--authtoken-file too"),
            Shown("auth", "-A LOGIN -P p", "2 SMTP CRITICAL - no authuser specified, T sec. response time",
                  "3 check_smtp: --authtype: needs --authuser"),
            Shown("auth", "-A LOGIN", "2 SMTP CRITICAL - no authuser specified, T sec. response time",
                  "3 check_smtp: --authtype: needs --authuser"),
            Shown("auth", "-A FROB -U u -P p",
                  "2 SMTP CRITICAL - only authtype LOGIN is supported, T sec. response time",
                  "3 check_smtp: --authtype: got a value of 4 bytes, expected PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1, "
                  "SCRAM-SHA-256, XOAUTH2, OAUTHBEARER or auto"),
            Shown("auth", "-U u", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --authuser: needs a password, expected --authpass-file, --authpass or "
                  "--authtoken-file too"),
            Shown("auth", "-A LOGIN -U u -P ''", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --authpass: the password is empty, expected one on one line"),
        )),
    Difference(
        "Options behind the host count",
        theirs="stops at the first word that is no option: `check_smtp HOST -p 587` asks port 25, and Icinga's `-q "
               "true` loses `-t` and `-w`.",
        ours="reads all of them, and takes a boolean word behind `-q` as its value. Two hosts are a usage error.",
        shown=(
            Shown("nobody", "127.0.0.1 -p {port}",
                  "2 connect to address 127.0.0.1 and port 25: Connection refused",
                  "2 connect to address 127.0.0.1 and port PORT: Connection refused", alone=True),
            Shown("slow", "-q true -w 1", "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - T sec. response time, banner: response time T s (limit 1)", old="-q true"),
            Shown("nobody", "127.0.0.1 stray -p {port}",
                  "2 connect to address 127.0.0.1 and port 25: Connection refused",
                  "3 check_smtp: --hostname: got a host and another word, expected one host", alone=True),
        )),
    Difference(
        "Thresholds are ranges in decimals",
        theirs="a number; hexadecimal and exponents too.",
        ours="the range syntax of the Monitoring Plugins; a plain number means what it did.",
        old="`-w 1000` for `-w 1e3`.",
        shown=(
            Shown("good", "-w 0:20", "3 check_smtp: Warning time must be a positive",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
            Shown("good", "-w ~:20", "3 check_smtp: Warning time must be a positive",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
            Shown("slow", "-w 5:12%%", "3 check_smtp: Warning time must be a positive",
                  "1 SMTP WARNING - T sec. response time, banner: response time T s (limit 5:12)"),
            Shown("good", "-c @500:600", "3 check_smtp: Critical time must be a positive",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
            Shown("slow", "-w 5:", "3 check_smtp: Warning time must be a positive",
                  "1 SMTP WARNING - T sec. response time, banner: response time T s (limit 5:)"),
            Shown("good", "-w 0x1", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --warning: got \"0x1\", wanted a range such as 10, 10:, ~:10, 10:20 or @10:20",
                  old="-w 1"),
            Shown("good", "-w 1e3", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --warning: got \"1e3\", wanted a range such as 10, 10:, ~:10, 10:20 or @10:20",
                  old="-w 1000"),
        )),
    Difference(
        "The state of a timeout",
        theirs="`-t N` alone; an empty one means no limit.",
        ours="`-t N:STATE` too, as nagios-plugins have it; an empty one is a usage error. `-t 0` is an hour.",
        old="`-t 0` for no limit.",
        shown=(
            Shown("good", "-t 5:unknown", "3 check_smtp: Timeout interval must be a positive integer",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
            Shown("silent", "-t 1:warning", "3 check_smtp: Timeout interval must be a positive integer",
                  "1 WARNING - Socket timeout after 1 seconds, banner: timed out: no banner in T s, the overall "
                  "limit is reached, connected in T s - T sec. response time"),
            Shown("good", "-t ''", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --timeout: got '', expected whole seconds from 0 to 86400, then perhaps :ok, "
                  ":warning, :critical or :unknown", old="-t 0"),
        )),
    Difference(
        "An address of the other family, or both families",
        theirs="`Address family for hostname not supported`, exit code 3.",
        ours="exit code 3 as well, as a usage error.",
        shown=(
            Shown("good", "-6", "3 Address family for hostname not supported",
                  "3 check_smtp: --hostname: target \"127.0.0.1\" is not of the chosen IP version"),
            Shown("good", "-H ::1 -4", "3 Address family for hostname not supported",
                  "3 check_smtp: --hostname: target \"::1\" is not of the chosen IP version"),
            Shown("good", "-4 -6", "3 Address family for hostname not supported",
                  "3 check_smtp: --use-ipv4: got --use-ipv6 too, expected one of them"),
        )),
    Difference(
        "A port is at most 65535",
        theirs="takes the remainder: `-p 70000` asks port 4464.",
        ours="exit code 3.",
        shown=(
            Shown("nobody", "-H 127.0.0.1 -p 70000",
                  "2 connect to address 127.0.0.1 and port 70000: Connection refused",
                  "3 check_smtp: --port: got '70000', expected 1 to 65535", alone=True),
        )),
    Difference(
        "What would reach the wire is checked",
        theirs="sends any `-f` and `-F`, an empty name too.",
        ours="an address or a name that no server may take is a usage error; `-f home` and `-f ''` are fine.",
        why="The server would refuse it, and the check be CRITICAL for a typing error.",
        shown=(
            Shown("good", "-f 'two words'", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --from: got 'two words' (a blank, a control character or one outside ASCII), "
                  "expected a mail address in ASCII such as user@example.net"),
            Shown("good", "-f a@b@c", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --from: got 'a@b@c' (the domain is not one), expected a mail address in ASCII "
                  "such as user@example.net"),
            Shown("good", "-F ''", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --fqdn: got '', expected a host name or an address literal such as [192.0.2.1] or "
                  "[IPv6:2001:db8::1]", old=""),
            Shown("good", "-F 'a b'", "0 SMTP OK - T sec. response time",
                  "3 check_smtp: --fqdn: got 'a b', expected a host name or an address literal such as [192.0.2.1] "
                  "or [IPv6:2001:db8::1]"),
        )),
    Difference(
        "Options of later versions",
        theirs="2.3.3 knows none of them.",
        ours="are taken: `-s`, `--sni`, `-r`, `--ignore-certificate-expiration`, `--output-format multi-line`.",
        shown=(
            Shown("good", "--sni", "3 Usage:", "0 SMTP OK - T sec. response time, 250 at ehlo"),
            Shown("good", "--ignore-certificate-expiration", "3 Usage:",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
            Shown("good", "--output-format multi-line", "3 Usage:",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
            Shown("good", "--ssl", "3 Usage:",
                  "2 CRITICAL - Cannot make SSL connection. the answer to the handshake is not TLS: \"220 mx.test "
                  "ESMTP\", cannot create TLS context - T sec. response time"),
        )),
    Difference(
        "A flag in an ini file needs no `=`",
        theirs="wants `starttls =`, and says of `starttls` no more than that there is an error.",
        ours="takes both, and `starttls = yes`, `starttls = no`. What is wrong is named with file and line.",
        shown=(
            Shown("good", "--extra-opts=flag@{ini}", "3 Config file error",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
        )),
    Difference(
        "What is wrong with the command line",
        theirs="a sentence and the usage; where an option is unknown or lacks its value, the usage on stdout and the "
               "sentence on stderr.",
        ours="exit code 3 as well; one line that names option, value and what was expected, one that points at "
             "`--help`; nothing on stderr.",
        why="Nagios shows the first line of stdout.",
        shown=(
            Shown("good", "-p abc", "3 check_smtp: Port must be a positive integer",
                  "3 check_smtp: --port: got 'abc', expected 1 to 65535"),
            Shown("good", "-p 0", "3 check_smtp: Port must be a positive integer",
                  "3 check_smtp: --port: got '0', expected 1 to 65535"),
            Shown("good", "-p ''", "3 check_smtp: Port must be a positive integer",
                  "3 check_smtp: --port: got '', expected 1 to 65535"),
            Shown("good", "-w x", "3 check_smtp: Warning time must be a positive",
                  "3 check_smtp: --warning: got \"x\", wanted a range such as 10, 10:, ~:10, 10:20 or @10:20"),
            Shown("good", "-w -1", "3 check_smtp: Warning time must be a positive",
                  "3 check_smtp: --warning: got \"-1\", which starts above its end, wanted a range such as 10, "
                  "10:, ~:10, 10:20 or @10:20"),
            Shown("good", "-w ''", "3 check_smtp: Warning time must be a positive",
                  "3 check_smtp: --warning: got \"\", wanted a range such as 10, 10:, ~:10, 10:20 or @10:20"),
            Shown("good", "-w 5x", "3 check_smtp: Warning time must be a positive",
                  "3 check_smtp: --warning: got \"5x\", wanted a range such as 10, 10:, ~:10, 10:20 or @10:20"),
            Shown("good", "-w 1,5", "3 check_smtp: Warning time must be a positive",
                  "3 check_smtp: --warning: got \"1,5\", wanted a range such as 10, 10:, ~:10, 10:20 or @10:20"),
            Shown("good", "-c x", "3 check_smtp: Critical time must be a positive",
                  "3 check_smtp: --critical: got \"x\", wanted a range such as 10, 10:, ~:10, 10:20 or @10:20"),
            Shown("good", "-c ''", "3 check_smtp: Critical time must be a positive",
                  "3 check_smtp: --critical: got \"\", wanted a range such as 10, 10:, ~:10, 10:20 or @10:20"),
            Shown("good", "-t x", "3 check_smtp: Timeout interval must be a positive integer",
                  "3 check_smtp: --timeout: got 'x', expected whole seconds from 0 to 86400, then perhaps :ok, "
                  ":warning, :critical or :unknown"),
            Shown("good", "-t 0.5", "3 check_smtp: Timeout interval must be a positive integer",
                  "3 check_smtp: --timeout: got '0.5', expected whole seconds from 0 to 86400, then perhaps :ok, "
                  ":warning, :critical or :unknown"),
            Shown("good", "-t -1", "3 check_smtp: Timeout interval must be a positive integer",
                  "3 check_smtp: --timeout: got '-1', expected whole seconds from 0 to 86400, then perhaps :ok, "
                  ":warning, :critical or :unknown"),
            Shown("good", "-D x", "3 check_smtp: Invalid certificate expiration period - x",
                  "3 check_smtp: --certificate: got 'x', expected W or W,C in days, 0 to 36500"),
            Shown("good", "-D 1,x", "3 check_smtp: Invalid certificate expiration period - x",
                  "3 check_smtp: --certificate: got '1,x', expected W or W,C in days, 0 to 36500"),
            Shown("good", "-D -1", "3 check_smtp: Invalid certificate expiration period - -1",
                  "3 check_smtp: --certificate: got '-1', expected W or W,C in days, 0 to 36500"),
            Shown("good", "-H ''", "3 check_smtp: Invalid hostname/address -",
                  "3 check_smtp: --hostname: empty, expected a name, an address or a URL to probe"),
            Shown("good", "-H 'a b'", "3 check_smtp: Invalid hostname/address - a b",
                  "3 check_smtp: --hostname: got \"a b\": a blank; targets have none"),
            Shown("good", "-H '[127.0.0.1]'", "3 check_smtp: Invalid hostname/address - [127.0.0.1]",
                  "3 check_smtp: --hostname: got \"[127.0.0.1]\": wanted [IPv6] or [IPv6]:port"),
            Shown("good", "-H", "3 Usage:", "3 check_smtp: --hostname: needs a value, expected TARGET"),
            Shown("good", "-p", "3 Usage:", "3 check_smtp: --port: needs a value, expected PORT"),
            Shown("good", "--frobnicate", "3 Usage:", "3 check_smtp: --frobnicate: unknown option"),
            Shown("good", "'-S -p 587'", "3 Usage:",
                  "3 check_smtp: -S: more options in the same word, expected a word for each; are there quotes around "
                  "$ARG1$?"),
            Shown("good", "-Z", "3 Usage:", "3 check_smtp: -Z: unknown option"),
            Shown("good", "-S -s", "3 Usage:",
                  "3 check_smtp: --ssl: got --starttls too, set either -s/--ssl/--tls or -S/--starttls"),
            Shown("nobody", "", "3 check_smtp: Could not parse arguments",
                  "3 check_smtp: --hostname: missing, expected a name, an address or a URL to probe", alone=True),
            Shown("good", "--extra-opts=@/nonexistent.ini", "3 Can't read config file: No such file or directory",
                  "3 check_smtp: --extra-opts: /nonexistent.ini: No such file or directory"),
            Shown("good", "--extra-opts=absent@{ini}", "3 Invalid section 'absent' in config file 'FILE'",
                  "3 check_smtp: --extra-opts: no section [absent] in FILE"),
            Shown("good", "--extra-opts=wrong@{ini}", "3 Usage:",
                  "3 check_smtp: FILE:12: got 'frobnicate', expected the name of an option"),
            Shown("good", "--output-format mp-test-json", "3 Usage:",
                  "3 check_smtp: --output-format: got 'mp-test-json', expected multi-line; JSON is --output json"),
        )),
    Difference(
        "`-V` and `-h`",
        theirs="prints its own version.",
        ours="`check_smtp vN (smtp-probe N)`; exit code 3 as before.",
        shown=(
            Shown("good", "-V", "3 check_smtp vN (monitoring-plugins N)", "3 check_smtp vN (smtp-probe N)"),
            Shown("good", "-h", "3 check_smtp vN (monitoring-plugins N)", "3 check_smtp vN (smtp-probe N)"),
        )),
)
