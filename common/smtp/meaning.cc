#include "common/smtp/meaning.h"

namespace smtpprobe {
namespace {

constexpr std::array<StepMeaning, kStepCount> kStepTable = {{
    {Step::Resolve, "The target's name is looked up (A, AAAA).",
     "DNS: the zone, and the name servers in the monitoring host's `/etc/resolv.conf`."},
    {Step::Connect,
     "A TCP connection, or a unix socket. Addresses are tried in turn until one connects. A PROXY "
     "header counts to it.",
     "Whether the server runs and listens on that address and port; firewalls; the backlog of a "
     "busy server."},
    {Step::Tls,
     "The TLS handshake: right after `connect` with implicit TLS, after `starttls` otherwise. "
     "Certificates are judged here.",
     "The server's key and certificate files (Postfix: `smtpd_tls_chain_files`, the log with "
     "`smtpd_tls_loglevel = 1`); the intermediate certificates; the versions it allows."},
    {Step::Banner, "The server's first line, 220, is waited for. Nothing is said before.",
     "The load of the server, its greet pause (postscreen), DNS and blocklist look-ups of the "
     "monitoring host's address, limits on connections from one client."},
    {Step::Ehlo,
     "EHLO (HELO after a 500, 502 or 504; LHLO with LMTP). The keywords of the reply decide what "
     "follows.",
     "What the server has against our name (`-F`, `helo`) or our address; a filter in front that "
     "changes commands."},
    {Step::Starttls, "STARTTLS, where it is asked for or offered. Nothing may follow its 220.",
     "The server's TLS configuration (a key that cannot be read makes it refuse); a firewall that "
     "strips STARTTLS from EHLO."},
    {Step::EhloTls, "EHLO again, inside TLS. Its keywords count, those before TLS are forgotten.",
     "As `ehlo`; AUTH is often offered only here."},
    {Step::Auth, "AUTH with the mechanism that was asked for, or the strongest that is offered.",
     "The account; the authentication backend (Dovecot, saslauthd, LDAP) and its log; whether AUTH "
     "is offered on this port and only inside TLS."},
    {Step::Mail, "MAIL FROM.",
     "Restrictions on the sender: its domain, the login that must own it, AUTH or TLS that is "
     "wanted first; a milter; the disk of the queue."},
    {Step::Rcpt, "RCPT TO, for each recipient; the sum of the times, the worst of the replies.",
     "Whether the mailbox exists; relay and recipient restrictions, greylisting, blocklists, "
     "policy daemons and their time."},
    {Step::Command, "The raw commands of `-C`, in the check alone.",
     "What the server thinks of that command."},
    {Step::Data, "DATA; 354 is due.", "Restrictions of the data stage, milters."},
    {Step::Message, "The text and its final dot. With LMTP one reply for each recipient.",
     "Content filters, virus scanners and their time; size limits; quotas; the disk of the queue "
     "or the mailbox."},
    {Step::Quit,
     "QUIT; 221 is due. It never makes a state worse unless `--expect quit=221` asks for it.",
     "A server or a proxy that closes too early."},
}};

constexpr std::array<ReasonMeaning, kReasonCount> kReasonTable = {{
    {Reason::None, "", ""},
    {Reason::DnsNxdomain, "The name does not exist.",
     "The spelling; the zone; whether the monitoring host asks the name servers that know it."},
    {Reason::DnsNodata,
     "The name exists and has no address, or none of the family that was asked for.",
     "A and AAAA of the name; `-4`, `-6`, `ip_protocol`. A mail domain is no host: probe its "
     "exchangers."},
    {Reason::DnsServfail, "The name server could not or would not answer.",
     "Whether a name server listens at the addresses in `/etc/resolv.conf`, `--dns-server` or "
     "`dns.servers`; the resolver's log; the zone's name servers; its DNSSEC signatures."},
    {Reason::DnsTimeout, "No name server answered in time.",
     "The servers in the monitoring host's `/etc/resolv.conf`, `--dns-server` or `dns.servers`; "
     "port "
     "53, UDP and TCP, in between."},
    {Reason::DnsMalformed, "The answer is no valid DNS message.",
     "The resolver, and boxes that rewrite DNS."},
    {Reason::DnsBogus, "DNSSEC validation failed.", "Signatures, DS records and the clocks."},
    {Reason::NullMx, "The domain says that it accepts no mail (RFC 7505).",
     "The domain's MX record."},
    {Reason::ConnectionRefused,
     "The host is up and nobody listens on the port, or a firewall rejects.",
     "Does the server run, and listen on this address (`ss -ltn`)? Is the port right: 25, 587, 465 "
     "with `-s`, 24 for LMTP?"},
    {Reason::HostUnreachable, "The network says that there is no way to the host.",
     "Routing and firewalls in between. For IPv6 addresses: has the monitoring host IPv6? `-4` or "
     "`ip_protocol: ipv4` avoids it."},
    {Reason::ConnectTimeout, "Nothing came back: neither a connection nor a refusal.",
     "A firewall that drops (many networks do, for outgoing port 25); a host that is down; a "
     "server whose backlog is full."},
    {Reason::LocalError,
     "The monitoring host itself: no address, port or descriptor left, no such family, a file that "
     "cannot be read, or no processor time. It says nothing of the server.",
     "The monitoring host: limits of open files, load, `--source` or `source_address`, "
     "`smtp_probe_exporter_event_loop_lag_seconds`."},
    {Reason::Timeout,
     "The server took the connection and did not answer in time, or did not take what it was sent.",
     "What the server does at this step, and its log. `-vv` shows the bytes that came before.",
     {{{Step::Banner,
        "A greet pause, DNS or blocklist look-ups of our address, no free process. On port 465 "
        "without `-s` both wait for the other."},
       {Step::Tls,
        "A server without free processes; a middlebox that drops the ClientHello; no TLS behind "
        "the port."},
       {Step::Auth, "The authentication backend."},
       {Step::Rcpt, "Policy daemons, blocklists, address verification by callout."},
       {Step::Message, "Content filters. The message may have been accepted."}}}},
    {Reason::ConnectionClosed,
     "The server closed the connection where a reply was due.",
     "The server's log: a process that crashed, a limit, a ban (fail2ban), a proxy without a "
     "backend.",
     {{{Step::Banner,
        "A limit or ban on our address; a balancer without a living backend; a server that wants a "
        "PROXY header (`--proxy-protocol`)."},
       {Step::Tls,
        "A key or certificate that the server cannot load; no version or cipher in common."}}}},
    {Reason::ConnectionReset,
     "The connection was reset (RST): a crash, or a firewall that ends it.",
     "As for `connection_closed`; also firewalls with idle limits or inspection."},
    {Reason::Reply4xx,
     "Refused for now; the same again later may succeed.",
     "The text, the enhanced status and the server's log; `--explain CODE`.",
     {{{Step::Banner, "Overload, maintenance."},
       {Step::Auth, "The authentication backend is down (454)."},
       {Step::Mail, "The disk of the queue (452), a milter (451)."},
       {Step::Rcpt, "The mailbox is busy, a policy daemon or a look-up failed."},
       {Step::Message, "A content filter or the disk."}}}},
    {Reason::Reply5xx,
     "Refused for good; the same again will fail again.",
     "The text, the enhanced status and the server's log; `--explain CODE`.",
     {{{Step::Banner, "Our address is blocked, or the host takes no mail (521, 554)."},
       {Step::Ehlo, "Our name or address is refused."},
       {Step::Mail, "The sender is refused; 530: AUTH or STARTTLS first."},
       {Step::Rcpt, "No such mailbox (5.1.1), relaying refused (5.7.1), a blocklist."},
       {Step::Message, "A content filter, the size (5.3.4), the quota (5.2.2)."}}}},
    {Reason::ReplyUnexpected,
     "A reply of a kind that was not due, or another than `--expect`, `-e` or `-R` named.",
     "`-vv`: what was asked, what came. Something in front may answer for the server.",
     {{{Step::Rcpt,
        "With `--expect rcpt=454,530,550,551,553,554` a 250 means that the server relays."}}}},
    {Reason::ReplyMalformed, "Not an SMTP reply.",
     "Another service on the port (the finding names HTTP, SSH, FTP, POP, IMAP and TLS); a broken "
     "proxy."},
    {Reason::ReplyMixedCodes, "The lines of one reply have different codes.",
     "The server's software, or a filter in front."},
    {Reason::ReplyLineTooLong, "A line over 4096 bytes.",
     "What answers there; it is hardly a mail server."},
    {Reason::ReplyTooLong, "A reply over 128 lines or 64 KiB, or a session over 256 KiB.",
     "What answers there; a banner or help text without end."},
    {Reason::ReplyCount, "LMTP: more replies than recipients.", "The LMTP server's software."},
    {Reason::EarlyTalker,
     "Data came before it was due: the dialogue is out of step, and no reply can be believed.",
     "A proxy or filter that injects; a server that answers twice; smuggled commands."},
    {Reason::Greylisted,
     "The server wants us to come again later: a 4yz whose text says greylist or graylist, or "
     "matches `--greylisting-pattern`.",
     "Keep sender, recipient and source address the same at each check, so that the next one "
     "passes; `--greylisting ok` if that is fine; put the monitoring host on the server's list."},
    {Reason::RateLimited,
     "A 4yz whose text or enhanced status names a limit on connections, messages, recipients or "
     "logins of a client.",
     "Longer intervals; the server's limits for the monitoring host (Postfix: "
     "`smtpd_client_event_limit_exceptions`).",
     {{{Step::Auth,
        "Too many logins: log in less often, and see whether another program uses the account."}}}},
    {Reason::StarttlsNotOffered, "EHLO does not offer STARTTLS.",
     "The server's TLS configuration; a firewall with SMTP inspection that strips it (an EHLO with "
     "XXXX in it)."},
    {Reason::StarttlsRefused, "STARTTLS was offered and is refused.",
     "Key and certificate files, and the server's log."},
    {Reason::PlaintextAfterStarttls,
     "Something came in clear behind the 220 to STARTTLS: an injection (CVE-2011-0411 and its "
     "kin).",
     "Update the server; look at proxies in front. No credentials are sent."},
    {Reason::TlsNotTls, "What answers the handshake is not TLS.",
     "The port: 465 speaks TLS at once (`-s`), 25 and 587 after STARTTLS (`-S`)."},
    {Reason::TlsAlert, "The server ended the handshake by an alert, which is named.",
     "The server's log at that second: ciphers, client certificates, SNI."},
    {Reason::TlsVersion,
     "No TLS version in common; below 1.2 only where `--tls-min-version`, `--tls-legacy` or "
     "`tls.legacy` allows it.",
     "The versions that the server allows (Postfix: `smtpd_tls_protocols`)."},
    {Reason::TlsHandshake, "The handshake failed in another way, which the text names.",
     "The text, and `openssl s_client`. Where it names `--tls-legacy` the server is old: it has a "
     "small "
     "Diffie-Hellman group, SHA-1, or no secure renegotiation (RFC 5746)."},
    {Reason::TlsRecord, "A broken TLS record after the handshake.",
     "Something in between that changes bytes; the server's TLS library."},
    {Reason::CertUntrusted, "The chain leads to no trusted root.",
     "The intermediate certificates: does the server send them? A CA of yours: `--ca-file`, "
     "`ca_file`. `-vvv` shows what was sent."},
    {Reason::CertExpired, "A certificate of the chain is past its end.",
     "Renewal; whether the server was reloaded after it. `--ignore-certificate-expiration` for the "
     "time being."},
    {Reason::CertNotYetValid, "A certificate begins in the future.",
     "The clocks of the monitoring host and of the CA."},
    {Reason::CertNameMismatch, "The certificate is for other names, which the text tells.",
     "The name that clients use, as DNS name in the certificate (the CN does not count, also where "
     "there is no subject alternative name); "
     "`--tls-name`, `server_name` where the target is an address."},
    {Reason::CertMalformed, "The certificate cannot be read.",
     "The server's certificate file; `openssl x509 -in FILE -text`."},
    {Reason::CertExpiring,
     "A certificate of the chain expires sooner than `-D` or `tls.expiry` allows.",
     "Renewal: does it run, does the server reload?"},
    {Reason::AuthNotOffered,
     "EHLO offers no AUTH, an AUTH without mechanisms, or not the mechanism.",
     "AUTH is mostly offered only inside TLS (`-S`, `-s`) and on 587 and 465; `-vv` shows the "
     "keywords. Where AUTH names no mechanism, the server's SASL plugins are missing."},
    {Reason::AuthMechanism, "The server does not take the mechanism (504, 534).",
     "`-A` another one; the SASL library's plugins. Google's 534 5.7.9 wants an app password or "
     "OAuth (`-A XOAUTH2`)."},
    {Reason::AuthRejected, "535: the credentials are wrong, as far as the server can tell.",
     "The password file (one line); the account; the backend: many servers say 535 when it is "
     "down. Microsoft takes no password where Basic authentication is off (5.7.139, 5.7.30), and "
     "wants "
     "OAuth (`-A XOAUTH2`); Google wants an app password or OAuth."},
    {Reason::AuthProtocol,
     "The server's part of the exchange is not what the mechanism prescribes.",
     "The SASL library; `-A` another mechanism."},
    {Reason::AuthLimits, "Too many rounds, or SCRAM iterations out of 4096 to 600,000.",
     "The SASL library; its iteration count."},
    {Reason::AuthServerSignature, "SCRAM: the server could not prove that it knows the password.",
     "Whether this is the right server; its password store."},
    {Reason::AuthNeedsTls,
     "TLS is missing or not verified, so the credentials were not sent; or the server refused them "
     "in clear with 523, 524 or 538, and then they may have been.",
     "`-S` or `-s`; a certificate that verifies (`--ca-file`, `--tls-name`); or "
     "`--auth-insecure`."},
    {Reason::ExtensionMissing, "`--require-extension` is not met.",
     "The server's configuration; a filter that strips keywords."},
    {Reason::ExtensionForbidden, "`--forbid-extension` is offered.", "The server's configuration."},
    {Reason::Slow,
     "A threshold: of the whole (then at the longest step) or of the step.",
     "The time of each step: `-v`, `time_STEP`, `probe_smtp_step_duration_seconds`.",
     {{{Step::Resolve, "The resolver."},
       {Step::Banner, "Look-ups of our address; greet pause."},
       {Step::Auth, "The backend."},
       {Step::Rcpt, "Policy daemons, blocklists."},
       {Step::Message, "Content filters."}}}},
    {Reason::ProbeRejected,
     "The exporter: the probe waited for its turn at this address until too little time was left, "
     "or "
     "its place was given to another client: this one's timeout was longer, or it had more probes.",
     "Longer `scrape_interval`, or a higher `max_probes_per_host`."},
    {Reason::Config,
     "Our own options or files; also where a reply shows it: one that refuses our EHLO name, at "
     "whatever step, a 501 to an address, 523, 524 or 538 without TLS elsewhere than at auth.",
     "The text names what is wrong.",
     {{{Step::Ehlo, "`-F NAME`, `helo`: a name that the server accepts."},
       {Step::Mail, "The sender's address."},
       {Step::Rcpt,
        "The recipient's address; or our EHLO name, which many servers judge only here: `-F NAME`, "
        "`helo`."}}}},
}};

constexpr bool rows_stand_at_their_index() {
  for (std::size_t i = 0; i < kStepCount; ++i) {
    if (index(kStepTable[i].step) != i) return false;
  }
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    if (static_cast<std::size_t>(kReasonTable[i].reason) != i) return false;
  }
  return true;
}
static_assert(rows_stand_at_their_index(), "rows are looked up by index");

}  // namespace

const StepMeaning& step_meaning(Step step) { return kStepTable[index(step)]; }

const ReasonMeaning& reason_meaning(Reason reason) {
  return kReasonTable[static_cast<std::size_t>(reason)];
}

}  // namespace smtpprobe
