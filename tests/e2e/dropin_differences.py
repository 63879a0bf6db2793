"""What differs under the name check_smtp from check_smtp 2.3.3, on purpose: what each does, why, and how
to get the old answer. dropin_test.py runs every example; dropin_rows.py makes docs/from-check_smtp.md of it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Shown:
    """An example: the exit code and the first line of each, up to the performance data, without times, dates and ports.
    With the options `old` we give check_smtp's exit code."""
    server: str              # of dropin_server.py
    options: str
    theirs: str
    ours: str
    old: str = None
    alone: bool = False      # in a network without anybody; the options name the host


@dataclasses.dataclass(frozen=True)
class Difference:
    title: str
    theirs: str
    ours: str
    why: str = ""
    old: str = ""
    shown: tuple = ()


JUDGEMENT = (
    Difference(
        "A refused HELO or EHLO is not OK",
        theirs="does not look at the reply to HELO or EHLO.",
        ours="4yz and 5yz are CRITICAL, also behind STARTTLS. EHLO refused with 500, 502 or 504 and HELO accepted "
             "is OK.",
        why="A server that refuses our name takes no mail from us.",
        old="`--expect ehlo=2xx,4xx,5xx` (behind STARTTLS `--expect ehlo_tls=…`); the dialogue ends there.",
        shown=(
            Shown("ehlo 550", "", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - ehlo: 550 5.7.1 Not with that name - T sec. response time",
                  old="--expect ehlo=2xx,5xx"),
            Shown("ehlo 450", "", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - ehlo: 450 4.3.2 Later - T sec. response time", old="--expect ehlo=2xx,4xx"),
            Shown("ehlo 550 with 220", "", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - ehlo: 550 5.7.1 Go away 220 - T sec. response time", old="--expect ehlo=2xx,5xx"),
            Shown("tls, second ehlo 550", "-S", "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - ehlo_tls: 550 5.7.1 No (to EHLO, HELO was accepted) - T sec. response time",
                  old="-S --expect ehlo_tls=2xx,5xx"),
            Shown("lmtp", "", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - ehlo: 500 5.5.1 This is LMTP - T sec. response time", old="--expect ehlo=2xx,5xx"),
        )),
    Difference(
        "A refused MAIL is not OK",
        theirs="sends MAIL (`-f`) and does not look at the reply.",
        ours="4yz and 5yz are CRITICAL; a rate limit is WARNING.",
        why="Disk full, a dead milter, authentication required: what the check is there to see.",
        old="`--expect mail=2xx,4xx,5xx`, or no `-f`.",
        shown=(
            Shown("mail 530", "-f a@b.test", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - mail: 530 5.7.0 Authentication required - T sec. response time",
                  old="-f a@b.test --expect mail=2xx,5xx"),
            Shown("mail 451", "-f a@b.test", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - mail: 451 4.3.0 Milter down - T sec. response time",
                  old="-f a@b.test --expect mail=2xx,4xx"),
            Shown("mail 452", "-f a@b.test", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - mail: 452 4.3.1 Disk full - T sec. response time", old=""),
            Shown("mail 421 rate", "-f a@b.test", "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - mail: 421 4.7.0 Too many connections (rate limited) - T sec. response time",
                  old="-f a@b.test --expect mail=2xx,4xx"),
            Shown("tls, mail 530", "-S -f a@b.test", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - mail: 530 5.7.0 Authentication required - T sec. response time",
                  old="-S -f a@b.test --expect mail=2xx,5xx"),
        )),
    Difference(
        "A `-C` without its `-R` is judged",
        theirs="looks at the reply to a `-C` only when an `-R` has the same index.",
        ours="without `-R` a 4yz or 5yz is WARNING.",
        why="A command whose answer does not matter need not be sent.",
        old="`-R .` at its index.",
        shown=(
            Shown("good", "-C FROB", "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - command: 500 5.5.2 Command not recognised (to FROB) - T sec. response time",
                  old="-C FROB -R ."),
            Shown("rcpt 550", "-f a@b.test -C 'RCPT TO:<c@d.test>'", "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - command: 550 5.1.1 User doesn't exist (to RCPT TO:<c@d.test>) - T sec. "
                  "response time", old="-f a@b.test -C 'RCPT TO:<c@d.test>' -R ."),
            Shown("rcpt 450", "-f a@b.test -C 'RCPT TO:<c@d.test>'", "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - command: 450 4.7.1 Greylisted (to RCPT TO:<c@d.test>) - T sec. response time",
                  old="-f a@b.test -C 'RCPT TO:<c@d.test>' -R ."),
            Shown("data 554", "-f watchdog@invalid -C RCPT\\ TO:watchdog@localhost -C DATA -C . -R 250",
                  "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - command: 554 5.5.1 No valid recipients (to DATA) - T sec. response time",
                  old="-f watchdog@invalid -C RCPT\\ TO:watchdog@localhost -R 250 -C DATA -R . -C . -R ."),
            Shown("good", "-C ''", "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - command: 500 5.5.2 Command not recognised (to ) - T sec. response time",
                  old="-C '' -R ."),
        )),
    Difference(
        "The worst `-R` counts",
        theirs="a later `-R` that matches takes back an earlier WARNING.",
        ours="one that does not match is WARNING, whatever comes behind it.",
        why="check_smtp printed WARNING and exited with 0.",
        old="`-R .` where the answer does not matter.",
        shown=(
            Shown("good", "-C NOOP -R ^999 -C RSET -R 250",
                  "0 SMTP WARNING - Invalid response '250 2.0.0 Ok' to command 'NOOP'",
                  "1 SMTP WARNING - Invalid response '250 2.0.0 Ok' to command 'NOOP' - T sec. response time",
                  old="-C NOOP -R . -C RSET -R 250"),
        )),
    Difference(
        "A server that hangs up in mid-dialogue is CRITICAL",
        theirs="`recv() failed`, WARNING, at HELO; OK at MAIL and `-C`; UNKNOWN at STARTTLS.",
        ours="CRITICAL, with the step. Only in place of the banner it is WARNING as before.",
        why="What the server does wrong is never OK or UNKNOWN.",
        shown=(
            Shown("closes at helo", "", "1 recv() failed",
                  "2 SMTP CRITICAL - ehlo: connection closed by the server - T sec. response time"),
            Shown("closes at mail", "-f a@b.test", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - mail: connection closed by the server - T sec. response time"),
            Shown("closes at noop", "-C NOOP", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - command: connection closed by the server - T sec. response time"),
            Shown("tls, closes at starttls", "-S", "3 Server does not support STARTTLS",
                  "2 SMTP CRITICAL - starttls: connection closed by the server - T sec. response time"),
        )),
    Difference(
        "The refusing banner is shown",
        theirs="`Invalid SMTP response received from host`, or `recv() failed` where the server closes as well.",
        ours="the same exit code, and `SMTP WARNING - banner:` with what the server said; performance data too.",
        why="The reason belongs into the line that is sent to the pager.",
        shown=(
            Shown("closes", "", "1 recv() failed",
                  "1 SMTP WARNING - banner: connection closed by the server - T sec. response time"),
            Shown("banner 421", "", "1 recv() failed",
                  "1 SMTP WARNING - banner: 421 4.3.2 Busy - T sec. response time"),
            Shown("banner 554, closes", "", "1 recv() failed",
                  "1 SMTP WARNING - banner: 554 5.7.1 Go away - T sec. response time"),
            Shown("banner 554", "", "1 Invalid SMTP response received from host on port PORT: 554 5.7.1 Go away",
                  "1 SMTP WARNING - banner: 554 5.7.1 Go away - T sec. response time"),
            Shown("banner 450", "", "1 Invalid SMTP response received from host on port PORT: 450 4.3.0 Later",
                  "1 SMTP WARNING - banner: 450 4.3.0 Later - T sec. response time"),
            Shown("ssh", "", "1 recv() failed",
                  "1 SMTP WARNING - banner: malformed reply: \"SSH-2.0-OpenSSH_9.2\", this looks like an SSH "
                  "server - T sec. response time"),
            Shown("good", "-e nope", "1 Invalid SMTP response received from host on port PORT: 220 mx.test ESMTP",
                  "1 SMTP WARNING - banner: 220 mx.test ESMTP (expected a banner with \"nope\") - T sec. response "
                  "time"),
            Shown("tls", "-S -e nope",
                  "1 Invalid SMTP response received from host on port PORT: 220 mx.test ESMTP",
                  "1 SMTP WARNING - banner: 220 mx.test ESMTP (expected a banner with \"nope\") - T sec. response "
                  "time"),
        )),
    Difference(
        "`-e` is compared with the banner alone, and with its code",
        theirs="searches the string in the banner and the HELO reply, anywhere: `220` is found in `554 Call 220 for "
               "help`.",
        ours="searches the banner; a string that begins with a code must be the code of a line. A banner that "
             "refuses is OK only when the string begins with its code, also where the server closes behind it.",
        why="The false OK; upstream's own fix for STARTTLS looks at the banner too.",
        old="`--expect ehlo=250` for the HELO reply; `-e 554` for a banner that refuses.",
        shown=(
            Shown("banner 554 with 220", "", "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - banner: 554 Call 220 for help - T sec. response time", old="-e 554"),
            Shown("good", "-e 250", "0 SMTP OK - T sec. response time",
                  "1 SMTP WARNING - banner: 220 mx.test ESMTP (expected a banner with \"250\") - T sec. response "
                  "time", old="--expect ehlo=250"),
            Shown("banner 554, closes", "-e 554", "1 recv() failed",
                  "0 SMTP OK - T sec. response time, 554 at banner"),
        )),
    Difference(
        "STARTTLS refused is CRITICAL",
        theirs="`Server does not support STARTTLS`, UNKNOWN.",
        ours="CRITICAL with the server's reply. Not offered at all stays `WARNING - TLS not supported by server`.",
        why="What the server does wrong is never UNKNOWN.",
        old="`negate -s -c UNKNOWN` in front.",
        shown=(
            Shown("tls 454", "-S", "3 Server does not support STARTTLS",
                  "2 SMTP CRITICAL - starttls: 454 4.7.0 TLS not available (STARTTLS refused) - T sec. response "
                  "time"),
            Shown("tls 502", "-S", "3 Server does not support STARTTLS",
                  "2 SMTP CRITICAL - starttls: 502 5.5.1 Not implemented (STARTTLS refused) - T sec. response time"),
            Shown("tls 454", "-S -D 30", "3 Server does not support STARTTLS",
                  "2 SMTP CRITICAL - starttls: 454 4.7.0 TLS not available (STARTTLS refused) - T sec. response "
                  "time"),
        )),
    Difference(
        "The keyword STARTTLS in any case",
        theirs="wants `250-STARTTLS` or `250 STARTTLS`; small letters are not seen.",
        ours="compares without case, as RFC 5321 demands.",
        shown=(
            Shown("tls, keyword in small letters", "-S", "1 WARNING - TLS not supported by server",
                  "0 SMTP OK - T sec. response time, 250 at ehlo_tls, TLSv1.3"),
        )),
    Difference(
        "`-D` is one more threshold",
        theirs="ends with the certificate: `-f`, `-C` and `-A` are not run, `-e`, `-w` and `-c` not compared.",
        ours="the dialogue goes on, and the worst of all is the state. The certificate's line stands first while "
             "nothing is worse. There is performance data (`cert_days_left` too).",
        why="A good certificate says nothing about the mail behind it.",
        old="no `-e`, `-C`, `-f`, `-w` or `-c` beside `-D`.",
        shown=(
            Shown("tls", "-S -D 30 -C NOOP -R 999", "0 OK - Certificate 'mx.test' will expire on DATE.",
                  "1 SMTP WARNING - Invalid response '250 2.0.0 Ok' to command 'NOOP' - T sec. response time",
                  old="-S -D 30"),
            Shown("tls, mail 530", "-S -D 30 -f a@b.test", "0 OK - Certificate 'mx.test' will expire on DATE.",
                  "2 SMTP CRITICAL - mail: 530 5.7.0 Authentication required - T sec. response time", old="-S -D 30"),
            Shown("tls", "-S -D 30 -e nope", "0 OK - Certificate 'mx.test' will expire on DATE.",
                  "1 SMTP WARNING - banner: 220 mx.test ESMTP (expected a banner with \"nope\") - T sec. response "
                  "time", old="-S -D 30"),
            Shown("tls, slow", "-S -D 30 -w 1", "0 OK - Certificate 'mx.test' will expire on DATE.",
                  "1 SMTP WARNING - T sec. response time, banner: response time T s (limit 1)", old="-S -D 30"),
        )),
    Difference(
        "`-D` looks at the whole chain",
        theirs="looks at the server's own certificate.",
        ours="looks at every certificate that was sent, and names the one that expires first.",
        why="An intermediate that expires takes the server down as well.",
        old="`-D` with fewer days.",
        shown=(
            Shown("short chain", "-S -D 30", "0 OK - Certificate 'mx.test' will expire on DATE.",
                  "1 WARNING - Certificate 'Short CA' expires in N day(s) (DATE).", old="-S -D 1"),
        )),
    Difference(
        "AUTH says what the server said",
        theirs="`invalid response received after authpass` or `after AUTH LOGIN`.",
        ours="the same exit code, and the server's reply, or that AUTH (or LOGIN) was not offered.",
        shown=(
            Shown("auth 535", "-A LOGIN -U u -P p",
                  "2 SMTP CRITICAL - invalid response received after authpass, T sec. response time",
                  "2 SMTP CRITICAL - auth: 535 5.7.8 Authentication failed (credentials rejected) - T sec. "
                  "response time"),
            Shown("auth 454", "-A LOGIN -U u -P p",
                  "2 SMTP CRITICAL - invalid response received after authpass, T sec. response time",
                  "2 SMTP CRITICAL - auth: 454 4.7.0 Temporary failure - T sec. response time"),
            Shown("auth 504", "-A LOGIN -U u -P p",
                  "2 SMTP CRITICAL - invalid response received after AUTH LOGIN, T sec. response time",
                  "2 SMTP CRITICAL - auth: 504 5.5.4 Unknown mechanism (AUTH mechanism not accepted) - T sec. "
                  "response time"),
            Shown("good", "-A LOGIN -U u -P p",
                  "2 SMTP CRITICAL - invalid response received after AUTH LOGIN, T sec. response time",
                  "2 SMTP CRITICAL - auth: AUTH not offered: no AUTH in the EHLO reply - T sec. response time"),
            Shown("auth plain only", "-A LOGIN -U u -P p",
                  "2 SMTP CRITICAL - invalid response received after AUTH LOGIN, T sec. response time",
                  "2 SMTP CRITICAL - auth: AUTH not offered: the server offers PLAIN - T sec. response time"),
            Shown("auth 535", "-A LOGIN -U u -P p -C NOOP -R 999",
                  "2 SMTP WARNING - Invalid response '250 2.0.0 Ok' to command 'NOOP'",
                  "2 SMTP CRITICAL - auth: 535 5.7.8 Authentication failed (credentials rejected) - T sec. "
                  "response time"),
            Shown("auth", "-A PLAIN -U u -P p",
                  "2 SMTP CRITICAL - only authtype LOGIN is supported, T sec. response time",
                  "2 SMTP CRITICAL - auth: AUTH not offered: the server offers LOGIN - T sec. response time"),
        )),
    Difference(
        "More mechanisms, in any case",
        theirs="only `LOGIN`, in capitals.",
        ours="PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2, OAUTHBEARER, auto.",
        shown=(
            Shown("auth", "-A login -U u -P p",
                  "2 SMTP CRITICAL - only authtype LOGIN is supported, T sec. response time",
                  "0 SMTP OK - T sec. response time, 235 at auth"),
        )),
    Difference(
        "`-U` and `-P` without `-A` log in",
        theirs="ignores them.",
        ours="takes the strongest mechanism offered.",
        why="Whoever gives a password wants it tried.",
        old="no `-U` and `-P`.",
        shown=(
            Shown("good", "-U u -P p", "0 SMTP OK - T sec. response time",
                  "2 SMTP CRITICAL - auth: AUTH not offered: no AUTH in the EHLO reply - T sec. response time", old=""),
        )),
    Difference(
        "QUIT that is not answered costs two seconds",
        theirs="waits until `-t` is over and is CRITICAL then, with `-q` too.",
        ours="waits two seconds; QUIT never worsens the state.",
        why="RFC 5321 gives the server nothing left to say.",
        old="none; with `--expect quit=221` it is WARNING.",
        shown=(
            Shown("silent at quit", "-t 3", "2 CRITICAL - Socket timeout after 3 seconds",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
            Shown("silent at quit", "-q -t 3", "2 CRITICAL - Socket timeout after 3 seconds",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
        )),
    Difference(
        "Unix sockets work",
        theirs="promises them in its help, and refuses the path.",
        ours="`-H /path` and `-H unix:/path` speak LMTP over the socket; likewise taken are `host:port`, "
             "`[v6]:port` and URLs (`smtps://…`).",
        shown=(
            Shown("nobody", "-H /nonexistent/lmtp", "3 check_smtp: Invalid hostname/address - /nonexistent/lmtp",
                  "2 connect to file socket /nonexistent/lmtp: Connection refused", alone=True),
        )),
    Difference(
        "LMTP does not go to port 25",
        theirs="`-L` asks port 25 unless `-p` says otherwise.",
        ours="port 24; `-p 25` is a usage error.",
        why="RFC 2033 forbids LMTP on port 25.",
        shown=(
            Shown("nobody", "-L -H 127.0.0.1", "2 connect to address 127.0.0.1 and port 25: Connection refused",
                  "2 connect to address 127.0.0.1 and port 24: Connection refused", alone=True),
            Shown("nobody", "-L -H 127.0.0.1 -p 25",
                  "2 connect to address 127.0.0.1 and port 25: Connection refused",
                  "3 check_smtp: --port: 25 is never LMTP (RFC 2033 s5)", alone=True),
        )),
    Difference(
        "`-v` shows the dialogue below the first line",
        theirs="prints the commands and replies first, some of them, the password in base64; the performance data on "
               "a line of its own.",
        ours="the first line stays the first, with its performance data. `-v` the table of steps, `-vv` the "
             "transcript, `-vvv` TLS and certificates; secrets are masked.",
        shown=(
            Shown("good", "-F probe.test -v", "0 HELOCMD: HELO probe.test",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
            Shown("good", "-F probe.test -v -v", "0 HELOCMD: HELO probe.test",
                  "0 SMTP OK - T sec. response time, 250 at ehlo"),
        )),
)
