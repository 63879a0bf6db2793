"""The words of docs/troubleshooting.md that are not in common/smtp/meaning.cc: where a reason may be, and commands that show
more. The lists are closed; reference_test.py holds them against the source."""

EARLY = ("resolve", "connect")
REPLIES = ("banner", "ehlo", "starttls", "ehlo_tls", "auth", "mail", "rcpt", "command", "data", "message", "quit")
CHANNEL = ("tls", *REPLIES)

# What shows more of a step.
STEPS = {
    "resolve": "getent ahosts mx.example.net\n"
               "check_smtp_probe -H mx.example.net --until banner -vvv",
    "connect": "check_smtp_probe -H mx.example.net --until banner -vvv    # each address, and what came of it",
    "tls": "check_smtp_probe -H mx.example.net -S -vvv                # version, cipher, chain, dates\n"
           "openssl s_client -connect mx.example.net:25 -starttls smtp -servername mx.example.net -brief </dev/null",
    "banner": "check_smtp_probe -H mx.example.net --until banner -vv",
    "ehlo": "check_smtp_probe -H mx.example.net -F probe.example.net -vv",
    "starttls": "check_smtp_probe -H mx.example.net -S -vv",
    "ehlo_tls": "check_smtp_probe -H mx.example.net -S -vv",
    "auth": "check_smtp_probe submission://mail.example.net -S -U probe --authpass-file /etc/smtp-probe/password --until auth -vv",
    "mail": "check_smtp_probe -H mx.example.net -f probe@example.net --until mail -vv",
    "rcpt": "check_smtp_probe -H mx.example.net -f probe@example.net --to postmaster@example.net -vv",
    "command": "check_smtp_probe -H mx.example.net -C 'VRFY postmaster' -R '^25[02]' -vv",
    "data": "check_smtp_probe -H mx.example.net -f probe@example.net --to sink@example.net --until data -vv",
    "message": "check_smtp_probe -H mx.example.net -f probe@example.net --to sink@example.net --send -vv",
    "quit": "check_smtp_probe -H mx.example.net --expect quit=221 -vv",
}

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
# The steps where a reason may be.
REASONS = {
    "dns_nxdomain": ("resolve",),
    "dns_nodata": ("resolve",),
    "dns_servfail": ("resolve",),
    "dns_timeout": ("resolve",),
    "dns_malformed": ("resolve",),
    "dns_bogus": ("resolve",),
    "null_mx": ("resolve",),
    "connection_refused": ("connect",),
    "host_unreachable": ("connect",),
    "connect_timeout": ("connect",),
    "local_error": ("resolve", "connect", *CHANNEL),
    "timeout": CHANNEL,
    "connection_closed": CHANNEL,
    "connection_reset": CHANNEL,
    "reply_4xx": REPLIES,
    "reply_5xx": REPLIES,
    "reply_unexpected": REPLIES,
    "reply_malformed": REPLIES,
    "reply_mixed_codes": REPLIES,
    "reply_line_too_long": REPLIES,
    "reply_too_long": REPLIES,
    "reply_count": ("message",),
    "early_talker": REPLIES,
    "greylisted": ("rcpt", "data", "message"),
    "rate_limited": REPLIES,
    "starttls_not_offered": ("starttls",),
    "starttls_refused": ("starttls",),
    "plaintext_after_starttls": ("starttls",),
    "tls_not_tls": ("tls",),
    "tls_alert": ("tls",),
    "tls_version": ("tls",),
    "tls_handshake": ("tls",),
    "tls_record": CHANNEL,
    "cert_untrusted": ("tls",),
    "cert_expired": ("tls",),
    "cert_not_yet_valid": ("tls",),
    "cert_name_mismatch": ("tls",),
    "cert_malformed": ("tls",),
    "cert_expiring": ("tls",),
    "auth_not_offered": ("auth",),
    "auth_mechanism": ("auth",),
    "auth_rejected": ("auth",),
    "auth_protocol": ("auth",),
    "auth_limits": ("auth",),
    "auth_server_signature": ("auth",),
    "auth_needs_tls": ("auth",),
    "extension_missing": ("ehlo", "ehlo_tls"),
    "extension_forbidden": ("ehlo", "ehlo_tls"),
    "slow": (*EARLY, *CHANNEL),
    "probe_rejected": ("resolve",),
    "config": ("resolve", "ehlo", "ehlo_tls", "auth", "mail", "rcpt", "data", "message", "banner"),
}
