"""What an operator wants to know of each step and each reason: the words of docs/troubleshooting.md. The lists are
closed; reference_test.py holds them against the source."""

import dataclasses

EARLY = ("resolve", "connect")
REPLIES = ("banner", "ehlo", "starttls", "ehlo_tls", "auth", "mail", "rcpt", "command", "data", "message", "quit")
CHANNEL = ("tls", *REPLIES)


@dataclasses.dataclass(frozen=True)
class Step:
    does: str
    look: str
    command: str


STEPS = {
    "resolve": Step(
        "The target's name is looked up (A, AAAA).",
        "DNS: the zone, and the name servers in the monitoring host's `/etc/resolv.conf`.",
        "getent ahosts mx.example.net\ncheck_smtp_probe -H mx.example.net --until banner -vvv"),
    "connect": Step(
        "A TCP connection, or a unix socket. Addresses are tried in turn until one connects. A PROXY header counts to it.",
        "Whether the server runs and listens on that address and port; firewalls; the backlog of a busy server.",
        "check_smtp_probe -H mx.example.net --until banner -vvv    # each address, and what came of it"),
    "tls": Step(
        "The TLS handshake: right after `connect` with implicit TLS, after `starttls` otherwise. Certificates are judged here.",
        "The server's key and certificate files (Postfix: `smtpd_tls_chain_files`, the log with `smtpd_tls_loglevel = 1`); the "
        "intermediate certificates; the versions it allows.",
        "check_smtp_probe -H mx.example.net -S -vvv                # version, cipher, chain, dates\n"
        "openssl s_client -connect mx.example.net:25 -starttls smtp -servername mx.example.net -brief </dev/null"),
    "banner": Step(
        "The server's first line, 220, is waited for. Nothing is said before.",
        "The load of the server, its greet pause (postscreen), DNS and blocklist look-ups of the monitoring host's address, "
        "limits on connections from one client.",
        "check_smtp_probe -H mx.example.net --until banner -vv"),
    "ehlo": Step(
        "EHLO (HELO after a 500, 502 or 504; LHLO with LMTP). The keywords of the reply decide what follows.",
        "What the server has against our name (`-F`, `helo`) or our address; a filter in front that changes commands.",
        "check_smtp_probe -H mx.example.net -F probe.example.net -vv"),
    "starttls": Step(
        "STARTTLS, where it is asked for or offered. Nothing may follow its 220.",
        "The server's TLS configuration (a key that cannot be read makes it refuse); a firewall that strips STARTTLS from EHLO.",
        "check_smtp_probe -H mx.example.net -S -vv"),
    "ehlo_tls": Step(
        "EHLO again, inside TLS. Its keywords count, those before TLS are forgotten.",
        "As `ehlo`; AUTH is often offered only here.",
        "check_smtp_probe -H mx.example.net -S -vv"),
    "auth": Step(
        "AUTH with the mechanism that was asked for, or the strongest that is offered.",
        "The account; the authentication backend (Dovecot, saslauthd, LDAP) and its log; whether AUTH is offered on this port "
        "and only inside TLS.",
        "check_smtp_probe submission://mail.example.net -S -U probe --authpass-file /etc/smtp-probe/password --until auth -vv"),
    "mail": Step(
        "MAIL FROM.",
        "Restrictions on the sender: its domain, the login that must own it, AUTH or TLS that is wanted first; a milter; the disk of "
        "the queue.",
        "check_smtp_probe -H mx.example.net -f probe@example.net --until mail -vv"),
    "rcpt": Step(
        "RCPT TO, for each recipient; the sum of the times, the worst of the replies.",
        "Whether the mailbox exists; relay and recipient restrictions, greylisting, blocklists, policy daemons and their time.",
        "check_smtp_probe -H mx.example.net -f probe@example.net --to postmaster@example.net -vv"),
    "command": Step(
        "The raw commands of `-C`, in the check alone.",
        "What the server thinks of that command.",
        "check_smtp_probe -H mx.example.net -C 'VRFY postmaster' -R '^25[02]' -vv"),
    "data": Step(
        "DATA; 354 is due.",
        "Restrictions of the data stage, milters.",
        "check_smtp_probe -H mx.example.net -f probe@example.net --to sink@example.net --until data -vv"),
    "message": Step(
        "The text and its final dot. With LMTP one reply for each recipient.",
        "Content filters, virus scanners and their time; size limits; quotas; the disk of the queue or the mailbox.",
        "check_smtp_probe -H mx.example.net -f probe@example.net --to sink@example.net --send -vv"),
    "quit": Step(
        "QUIT; 221 is due. It never makes a state worse unless `--expect quit=221` asks for it.",
        "A server or a proxy that closes too early.",
        "check_smtp_probe -H mx.example.net --expect quit=221 -vv"),
}


@dataclasses.dataclass(frozen=True)
class Reason:
    at: tuple           # the steps where it may be
    means: str
    look: str
    here: tuple = ()    # (step, what to look at there)


GROUPS = {
    "Resolving": ("dns_nxdomain", "dns_nodata", "dns_servfail", "dns_timeout", "dns_malformed", "dns_bogus", "null_mx"),
    "Connecting": ("connection_refused", "host_unreachable", "connect_timeout", "local_error"),
    "Any step": ("timeout", "connection_closed", "connection_reset"),
    "Replies": ("reply_4xx", "reply_5xx", "reply_unexpected", "reply_malformed", "reply_mixed_codes", "reply_line_too_long",
                "reply_too_long", "reply_count", "early_talker", "greylisted", "rate_limited"),
    "TLS": ("starttls_not_offered", "starttls_refused", "plaintext_after_starttls", "tls_not_tls", "tls_alert", "tls_version",
            "tls_handshake", "tls_record"),
    "Certificates": ("cert_untrusted", "cert_expired", "cert_not_yet_valid", "cert_name_mismatch", "cert_malformed",
                     "cert_expiring"),
    "AUTH": ("auth_not_offered", "auth_mechanism", "auth_rejected", "auth_protocol", "auth_limits", "auth_server_signature",
             "auth_needs_tls"),
    "What was asked for": ("extension_missing", "extension_forbidden", "slow"),
    "The probe itself": ("probe_rejected", "config"),
}
# What shows more of a group, beside the commands of the steps.
COMMANDS = {
    "Resolving": "getent ahosts mx.example.net                     # what this host's resolver says\n"
                 "check_smtp_probe -H no-such-host.example.net      # exits 3: dns_nxdomain",
    "Connecting": "check_smtp_probe -H down.example.net -vvv         # exits 2: connection_refused, address by address\n"
                  "check_smtp_probe -H mx.example.net -4 --source 192.0.2.7 -vvv",
    "Any step": "check_smtp_probe -H mx.example.net -t 30 -vv      # with more time, and the time of every line",
    "Replies": "check_smtp_probe --explain 451\ncheck_smtp_probe --explain 5.7.1\n"
               "check_smtp_probe -H grey.example.net -f probe@example.net --to postmaster@example.net -vv   # exits 1: greylisted",
    "TLS": "check_smtp_probe -H old.example.net -S -vv        # exits 2: starttls_not_offered, with the keywords that are\n"
           "check_smtp_probe -H mx.example.net -S --tls-min-version 1.3 -vvv",
    "Certificates": "check_smtp_probe -H expired.example.net -S --tls-verify require -vvv   # exits 2: cert_expired, with the chain\n"
                    "check_smtp_probe -H mx.example.net -S --tls-verify require -D 21,7 -vvv",
    "AUTH": "check_smtp_probe submission://mail.example.net -S -U probe --authpass-file /etc/smtp-probe/password -A PLAIN -vvv",
    "What was asked for": "check_smtp_probe -H mx.example.net --require-extension SIZE --step-warning banner=2 -vv",
    "The probe itself": "smtp_probe_exporter --config.check --config.file=/etc/smtp-probe/smtp-probe.yml\n"
                        "curl -fsS http://localhost:9725/metrics | grep -E 'in_flight|lag_seconds_(sum|count)'",
}

REASONS = {
    "dns_nxdomain": Reason(("resolve",), "The name does not exist.", "The spelling; the zone; whether the monitoring host asks the "
                           "name servers that know it."),
    "dns_nodata": Reason(("resolve",), "The name exists and has no address, or none of the family that was asked for.",
                         "A and AAAA of the name; `-4`, `-6`, `ip_protocol`. A mail domain is no host: probe its exchangers."),
    "dns_servfail": Reason(("resolve",), "The name server could not or would not answer.",
                           "The resolver's log; the zone's name servers; its DNSSEC signatures."),
    "dns_timeout": Reason(("resolve",), "No name server answered in time.",
                          "The servers in the monitoring host's `/etc/resolv.conf`; port 53, UDP and TCP, in between."),
    "dns_malformed": Reason(("resolve",), "The answer is no valid DNS message.", "The resolver, and boxes that rewrite DNS."),
    "dns_bogus": Reason(("resolve",), "DNSSEC validation failed.", "Signatures, DS records and the clocks."),
    "null_mx": Reason(("resolve",), "The domain says that it accepts no mail (RFC 7505).", "The domain's MX record."),
    "connection_refused": Reason(
        ("connect",), "The host is up and nobody listens on the port, or a firewall rejects.",
        "Does the server run, and listen on this address (`ss -ltn`)? Is the port right: 25, 587, 465 with `-s`, 24 for LMTP?"),
    "host_unreachable": Reason(
        ("connect",), "The network says that there is no way to the host.",
        "Routing and firewalls in between. For IPv6 addresses: has the monitoring host IPv6? `-4` or `ip_protocol: ipv4` avoids it."),
    "connect_timeout": Reason(
        ("connect",), "Nothing came back: neither a connection nor a refusal.",
        "A firewall that drops (many networks do, for outgoing port 25); a host that is down; a server whose backlog is full."),
    "local_error": Reason(
        ("resolve", "connect", *CHANNEL), "The monitoring host itself: no address, port or descriptor left, no such family, a file that "
        "cannot be read, or no processor time. It says nothing of the server.",
        "The monitoring host: limits of open files, load, `--source` or `source_address`, `smtp_probe_exporter_event_loop_lag_seconds`."),
    "timeout": Reason(
        CHANNEL, "The server took the connection and did not answer in time.",
        "What the server does at this step, and its log. `-vv` shows the bytes that came before.",
        (("banner", "A greet pause, DNS or blocklist look-ups of our address, no free process. On port 465 without `-s` both wait for "
          "the other."),
         ("tls", "A server without free processes; a middlebox that drops the ClientHello; no TLS behind the port."),
         ("auth", "The authentication backend."),
         ("rcpt", "Policy daemons, blocklists, address verification by callout."),
         ("message", "Content filters. The message may have been accepted."))),
    "connection_closed": Reason(
        CHANNEL, "The server closed the connection where a reply was due.",
        "The server's log: a process that crashed, a limit, a ban (fail2ban), a proxy without a backend.",
        (("banner", "A limit or ban on our address; a balancer without a living backend; a server that wants a PROXY header "
          "(`--proxy-protocol`)."),
         ("tls", "A key or certificate that the server cannot load; no version or cipher in common."))),
    "connection_reset": Reason(
        CHANNEL, "The connection was reset (RST): a crash, or a firewall that ends it.",
        "As for `connection_closed`; also firewalls with idle limits or inspection."),
    "reply_4xx": Reason(
        REPLIES, "Refused for now; the same again later may succeed.",
        "The text, the enhanced status and the server's log; `--explain CODE`.",
        (("banner", "Overload, maintenance, too many connections."), ("auth", "The authentication backend is down (454)."),
         ("mail", "The disk of the queue (452), a milter (451)."),
         ("rcpt", "The mailbox is busy, a policy daemon or a look-up failed."), ("message", "A content filter or the disk."))),
    "reply_5xx": Reason(
        REPLIES, "Refused for good; the same again will fail again.",
        "The text, the enhanced status and the server's log; `--explain CODE`.",
        (("banner", "Our address is blocked, or the host takes no mail (521, 554)."),
         ("ehlo", "Our name or address is refused."),
         ("mail", "The sender is refused; 530: AUTH or STARTTLS first."),
         ("rcpt", "No such mailbox (5.1.1), relaying refused (5.7.1), a blocklist."),
         ("message", "A content filter, the size (5.3.4), the quota (5.2.2)."))),
    "reply_unexpected": Reason(
        REPLIES, "A reply of a kind that was not due, or another than `--expect`, `-e` or `-R` named.",
        "`-vv`: what was asked, what came. Something in front may answer for the server.",
        (("rcpt", "With `--expect rcpt=454,530,550,551,553,554` a 250 means that the server relays."),)),
    "reply_malformed": Reason(
        REPLIES, "Not an SMTP reply.",
        "Another service on the port (the finding names HTTP, SSH, FTP, POP, IMAP and TLS); a broken proxy."),
    "reply_mixed_codes": Reason(REPLIES, "The lines of one reply have different codes.", "The server's software, or a filter in front."),
    "reply_line_too_long": Reason(REPLIES, "A line over 4096 bytes.", "What answers there; it is hardly a mail server."),
    "reply_too_long": Reason(REPLIES, "A reply over 128 lines or 64 KiB, or a session over 256 KiB.",
                             "What answers there; a banner or help text without end."),
    "reply_count": Reason(("message",), "LMTP: more replies than recipients.", "The LMTP server's software."),
    "early_talker": Reason(
        REPLIES, "Data came before it was due: the dialogue is out of step, and no reply can be believed.",
        "A proxy or filter that injects; a server that answers twice; smuggled commands."),
    "greylisted": Reason(
        ("rcpt", "data", "message"), "The server wants us to come again later (450 or 451).",
        "Keep sender, recipient and source address the same at each check, so that the next one passes; `--greylisting ok` if that "
        "is fine; put the monitoring host on the server's list."),
    "rate_limited": Reason(
        REPLIES, "421 with 4.7.x: too many connections or commands from our address.",
        "Longer intervals; the server's limits for the monitoring host (Postfix: `smtpd_client_event_limit_exceptions`)."),
    "starttls_not_offered": Reason(
        ("starttls",), "EHLO does not offer STARTTLS.",
        "The server's TLS configuration; a firewall with SMTP inspection that strips it (an EHLO with XXXX in it)."),
    "starttls_refused": Reason(("starttls",), "STARTTLS was offered and is refused.", "Key and certificate files, and the server's log."),
    "plaintext_after_starttls": Reason(
        ("starttls",), "Something came in clear behind the 220 to STARTTLS: an injection (CVE-2011-0411 and its kin).",
        "Update the server; look at proxies in front. No credentials are sent."),
    "tls_not_tls": Reason(
        ("tls",), "What answers the handshake is not TLS.",
        "The port: 465 speaks TLS at once (`-s`), 25 and 587 after STARTTLS (`-S`)."),
    "tls_alert": Reason(("tls",), "The server ended the handshake by an alert, which is named.",
                        "The server's log at that second: ciphers, client certificates, SNI."),
    "tls_version": Reason(("tls",), "No TLS version in common; below 1.2 only where `--tls-min-version` allows it.",
                          "The versions that the server allows (Postfix: `smtpd_tls_protocols`)."),
    "tls_handshake": Reason(("tls",), "The handshake failed in another way, which the text names.", "The text, and `openssl s_client`."),
    "tls_record": Reason(CHANNEL, "A broken TLS record after the handshake.", "Something in between that changes bytes; the server's TLS library."),
    "cert_untrusted": Reason(
        ("tls",), "The chain leads to no trusted root.",
        "The intermediate certificates: does the server send them? A CA of yours: `--ca-file`, `ca_file`. `-vvv` shows what was sent."),
    "cert_expired": Reason(("tls",), "A certificate of the chain is past its end.",
                           "Renewal; whether the server was reloaded after it. `--ignore-certificate-expiration` for the time being."),
    "cert_not_yet_valid": Reason(("tls",), "A certificate begins in the future.", "The clocks of the monitoring host and of the CA."),
    "cert_name_mismatch": Reason(
        ("tls",), "The certificate is for other names, which the text tells.",
        "The name that clients use, as DNS name in the certificate (the CN does not count); `--tls-name`, `server_name` where the "
        "target is an address."),
    "cert_malformed": Reason(("tls",), "The certificate cannot be read.", "The server's certificate file; `openssl x509 -in FILE -text`."),
    "cert_expiring": Reason(("tls",), "A certificate of the chain expires sooner than `-D` or `tls.expiry` allows.",
                            "Renewal: does it run, does the server reload?"),
    "auth_not_offered": Reason(
        ("auth",), "EHLO offers no AUTH, or not the mechanism.",
        "AUTH is mostly offered only inside TLS (`-S`, `-s`) and on 587 and 465; `-vv` shows the keywords."),
    "auth_mechanism": Reason(("auth",), "The server does not take the mechanism (504, 534).", "`-A` another one; the SASL library's plugins."),
    "auth_rejected": Reason(
        ("auth",), "535: the credentials are wrong, as far as the server can tell.",
        "The password file (one line); the account; the backend: many servers say 535 when it is down."),
    "auth_protocol": Reason(("auth",), "The server's part of the exchange is not what the mechanism prescribes.", "The SASL library; `-A` another mechanism."),
    "auth_limits": Reason(("auth",), "Too many rounds, or SCRAM iterations out of 4096 to 600,000.", "The SASL library; its iteration count."),
    "auth_server_signature": Reason(
        ("auth",), "SCRAM: the server could not prove that it knows the password.", "Whether this is the right server; its password store."),
    "auth_needs_tls": Reason(
        ("auth",), "The credentials were not sent, for TLS is missing or not verified.",
        "`-S` or `-s`; a certificate that verifies (`--ca-file`, `--tls-name`); or `--auth-insecure`."),
    "extension_missing": Reason(("ehlo", "ehlo_tls"), "`--require-extension` is not met.", "The server's configuration; a filter that strips keywords."),
    "extension_forbidden": Reason(("ehlo", "ehlo_tls"), "`--forbid-extension` is offered.", "The server's configuration."),
    "slow": Reason(
        (*EARLY, *CHANNEL), "A threshold: of the whole (then at the longest step) or of the step.",
        "The time of each step: `-v`, `time_STEP`, `probe_smtp_step_duration_seconds`.",
        (("resolve", "The resolver."), ("banner", "Look-ups of our address; greet pause."), ("auth", "The backend."),
         ("rcpt", "Policy daemons, blocklists."), ("message", "Content filters."))),
    "probe_rejected": Reason(
        ("resolve",), "The exporter: the probe waited for its turn at this address until too little time was left.",
        "Longer `scrape_interval`, or a higher `max_probes_per_host`."),
    "config": Reason(
        ("resolve", "ehlo", "ehlo_tls", "auth", "mail", "rcpt", "data", "message", "banner"),
        "Our own options or files; also where a reply shows it: a 501 to our EHLO name or to an address, 523, 524 or 538 without TLS.",
        "The text names what is wrong.",
        (("ehlo", "`-F NAME`, `helo`: a name that the server accepts."), ("mail", "The sender's address."),
         ("rcpt", "The recipient's address."))),
}
