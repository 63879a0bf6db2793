// From OpenSSL's state and its error queue to facts and reasons.
#include "common/net/tls_report.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

#include "common/net/certificate.h"
#include "common/net/channel_error.h"
#include "common/net/openssl_start.h"
#include "common/net/tls_context.h"

namespace smtpprobe {
namespace {

constexpr int kMaxChain = 10;

// What makes a certificate useless to every client goes before what only some mind.
int rank(Reason reason) {
  switch (reason) {
    case Reason::CertExpired:
      return 0;
    case Reason::CertNotYetValid:
      return 1;
    case Reason::CertUntrusted:
      return 2;
    case Reason::CertNameMismatch:
      return 3;
    default:
      return 4;
  }
}

void add_problem(std::vector<CertificateProblem>& problems, CertificateProblem problem) {
  for (const CertificateProblem& known : problems) {
    if (known.reason == problem.reason && known.depth == problem.depth) return;
  }
  problems.push_back(std::move(problem));
}

std::vector<Certificate> read_chain(const STACK_OF(X509) * stack,
                                    std::vector<CertificateProblem>* problems) {
  std::vector<Certificate> chain;
  const int size = std::min(sk_X509_num(stack), kMaxChain);  // -1 for no stack
  for (int depth = 0; depth < size; ++depth) {
    CertificateReading reading = read_certificate(sk_X509_value(stack, depth));
    if (problems != nullptr && !reading.malformed.empty()) {
      add_problem(*problems, {Reason::CertMalformed, depth, std::move(reading.malformed)});
    }
    chain.push_back(std::move(reading.certificate));
  }
  return chain;
}

std::string text_or_empty(const char* text) { return text == nullptr ? std::string() : text; }

void read_parameters(SSL* ssl, TlsFacts& facts) {
  facts.version = SSL_get_version(ssl);
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  if (cipher != nullptr) {
    facts.cipher = text_or_empty(SSL_CIPHER_get_name(cipher));
    facts.cipher_iana = text_or_empty(SSL_CIPHER_standard_name(cipher));
  }
  const long group = SSL_get_negotiated_group(ssl);
  if (group > 0) facts.group = text_or_empty(SSL_group_to_name(ssl, static_cast<int>(group)));
}

// What the queue holds, earliest first.
std::vector<unsigned long> take_errors() {
  std::vector<unsigned long> errors;
  while (const unsigned long code = ERR_get_error()) errors.push_back(code);
  return errors;
}

// Reasons that only say which part of OpenSSL saw the real one have no words for an operator.
unsigned long telling_error(const std::vector<unsigned long>& errors) {
  for (const unsigned long code : errors) {
    const bool own_reason = (ERR_GET_REASON(code) & ERR_RFLAG_COMMON) == 0;
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && own_reason) return code;
  }
  return errors.front();
}

TlsFailure system_failure(int sys_errno) {
  if (sys_errno == 0) return {Reason::ConnectionClosed, "connection closed without a TLS close"};
  const Reason reason = reason_of_errno(sys_errno, ChannelPhase::Established);
  return {reason, detail_of_errno(sys_errno, reason)};
}

// OpenSSL 3.0 has no names for the alerts that came with TLS 1.3.
std::string alert_name(int number) {
  switch (number) {
    case SSL_AD_MISSING_EXTENSION:
      return "missing extension";
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "certificate required";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return "no application protocol";
    default:
      return SSL_alert_desc_string_long(number);
  }
}

// Whether the failing message was the server's certificate: ASN.1 errors belong to it then.
bool in_certificate(const SSL* ssl, const std::vector<unsigned long>& errors) {
  const OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
  if (state != TLS_ST_CR_CERT) return false;
  return std::any_of(errors.begin(), errors.end(), [](unsigned long code) {
    return ERR_GET_LIB(code) == ERR_LIB_ASN1 || ERR_GET_LIB(code) == ERR_LIB_X509;
  });
}

TlsPhase phase_of(const SSL* ssl) {
  if (SSL_is_init_finished(ssl) == 1) return TlsPhase::Established;
  const OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
  const bool before = state == TLS_ST_BEFORE || state == TLS_ST_CW_CLNT_HELLO;
  return before ? TlsPhase::BeforeServerHello : TlsPhase::Handshake;
}

// Names the option that accepts such a server, unless the plan has it or rules it out.
std::string hint_for(const SSL* ssl, unsigned long code, Reason reason) {
  const TlsSessionRecord* const record = tls_session_record(ssl);
  if (record == nullptr || record->legacy) return {};
  if (reason == Reason::TlsVersion && record->chosen_version) return {};
  return legacy_hint(legacy_help(code, phase_of(ssl)));
}

TlsFailure protocol_failure(const SSL* ssl, const std::vector<unsigned long>& errors) {
  if (in_certificate(ssl, errors)) {
    return {Reason::CertMalformed,
            "the certificate is unreadable: " + openssl_reason(errors.front())};
  }
  const unsigned long code = telling_error(errors);
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SYS) return system_failure(reason);
  const TlsPhase phase = phase_of(ssl);
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
    const bool over = phase == TlsPhase::Established;
    return {over ? Reason::TlsRecord : Reason::TlsHandshake, openssl_reason(code)};
  }
  TlsFailure failure{reason_of_ssl_error(reason, phase), {}};
  const int number = reason - SSL_AD_REASON_OFFSET;
  if (failure.reason == Reason::ConnectionClosed) {
    failure.detail = "connection closed without a TLS close";
  } else if (number >= 0 && number < 256) {
    failure.detail = fmt::format("{} (alert {})", alert_name(number), number);
  } else {
    failure.detail = openssl_reason(code);
  }
  failure.detail += hint_for(ssl, code, failure.reason);
  return failure;
}

}  // namespace

TlsFacts read_tls_facts(SSL* ssl) {
  TlsFacts facts;
  if (const TlsSessionRecord* record = tls_session_record(ssl)) {
    facts.server_name = record->server_name;
    facts.checked_name = record->checked_name;
    facts.checked = record->checked;
    facts.problems = record->problems;
  }
  if (SSL_is_init_finished(ssl) == 1) read_parameters(ssl, facts);
  facts.chain = read_chain(SSL_get_peer_cert_chain(ssl), facts.checked ? &facts.problems : nullptr);
  std::stable_sort(facts.problems.begin(), facts.problems.end(), [](const auto& a, const auto& b) {
    return std::pair(rank(a.reason), a.depth) < std::pair(rank(b.reason), b.depth);
  });
  if (facts.verified()) facts.verified_chain = read_chain(SSL_get0_verified_chain(ssl), nullptr);
  return facts;
}

TlsFailure classify_tls_failure(SSL* ssl, int ssl_error, int sys_errno) {
  const std::vector<unsigned long> errors = take_errors();
  if (ssl_error == SSL_ERROR_ZERO_RETURN) {
    return {Reason::ConnectionClosed, "the server closed TLS"};
  }
  if (!errors.empty()) return protocol_failure(ssl, errors);
  if (ssl_error == SSL_ERROR_SYSCALL) return system_failure(sys_errno);
  return {SSL_is_init_finished(ssl) == 1 ? Reason::TlsRecord : Reason::TlsHandshake,
          fmt::format("OpenSSL stopped without a reason ({})", ssl_error)};
}

}  // namespace smtpprobe
