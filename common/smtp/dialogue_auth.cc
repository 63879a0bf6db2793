// The AUTH step of the dialogue (RFC 4954): which mechanism, the 334 flow, and how it is called
// off. Laws: nothing is sent before TLS was verified unless the user allowed it; mechanisms learned
// before TLS do not count; an exchange that we give up is cancelled with "*", so that QUIT can
// follow.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "common/smtp/base64.h"
#include "common/smtp/dialogue.h"
#include "common/smtp/reply_code.h"

namespace smtpprobe {
namespace {

// A longer initial response has to wait for an empty challenge (RFC 4954 s4).
constexpr std::size_t kCommandLine = 512;

}  // namespace

void Dialogue::enter_auth(Instant at) {
  const AuthPlan& auth = *plan_->auth;
  // Most servers take credentials behind TLS alone; that it was there and not asked for is the
  // cause.
  const bool starttls_left = !tls_up_ && extensions_ && extensions_->offers("STARTTLS");
  if (!tls_verified_ && !auth.without_verified_tls) {
    fail(Step::Auth, Reason::AuthNeedsTls,
         tls_up_         ? "the certificate was not verified, nothing was sent"
         : starttls_left ? "the channel is not encrypted (STARTTLS is offered), nothing was sent"
                         : "the channel is not encrypted, nothing was sent");
    return leave(at);
  }
  const std::vector<std::string>& offered = mechanisms_;
  if (auth.mechanism == Mechanism::Auto) {
    mechanism_ = choose_mechanism(offered, !auth.credentials.password.empty(),
                                  !auth.credentials.token.empty());
  } else if (std::find(offered.begin(), offered.end(), mechanism_name(auth.mechanism)) !=
             offered.end()) {
    mechanism_ = auth.mechanism;
  }
  if (!mechanism_) {
    const bool bare_auth = extensions_ && extensions_->offers("AUTH");
    const std::string nothing =
        bare_auth ? "AUTH names no mechanism in the EHLO reply" : "no AUTH in the EHLO reply";
    fail(Step::Auth, Reason::AuthNotOffered,
         offered.empty() ? nothing + (starttls_left ? ", but STARTTLS" : "")
                         : fmt::format("the server offers {}", fmt::join(offered, " ")));
    return leave(at);
  }
  std::string why;
  sasl_ = make_sasl_client(*mechanism_, auth.credentials, &why);
  if (!sasl_) {
    fail(Step::Auth, Reason::LocalError, std::move(why));
    return leave(at);
  }
  std::string line = "AUTH " + std::string(mechanism_name(*mechanism_));
  if (!sasl_->speaks_first()) return say(std::move(line), at);

  const SaslClient::Answer answer = sasl_->step({});
  if (answer.reason != Reason::None) {
    fail(Step::Auth, answer.reason, answer.detail);
    return leave(at);
  }
  const std::string encoded = answer.response.empty() ? "=" : base64_encode(answer.response);
  if (line.size() + 1 + encoded.size() + 2 > kCommandLine) {
    unsent_initial_response_ = answer.response;
    return say(std::move(line), at);
  }
  say(line + " " + encoded, at, line + " ****");
  secrets_.add_sent(encoded);
}

void Dialogue::on_auth_reply(const Reply& reply, Instant at) {
  if (auth_cancelled_) return leave(at);
  if (reply.code == 334) return answer_challenge(reply, at);
  // An initial response that is too long for the command line has not been sent yet.
  if (reply.code == 235 && (unsent_initial_response_ || !sasl_->complete())) {
    return refuse(reply, Reason::ReplyUnexpected, "before the exchange was done", at);
  }
  switch (classify_reply(Step::Auth, reply)) {
    case Outcome::Proceed:
      return advance(at);
    case Outcome::Deviate:  // never: only a 235 says that we are logged in
    case Outcome::End:
      return end_as_expected(reply, at);
    case Outcome::Refuse:
      return refuse(reply, refusal_reason(Step::Auth, reply, tls_up_, plan_->greylisting_patterns),
                    std::move(auth_detail_), at);
  }
}

void Dialogue::answer_challenge(const Reply& reply, Instant at) {
  if (++auth_rounds_ > kMaxAuthRounds) {
    return cancel_auth(Reason::AuthProtocol, fmt::format("over {} challenges", kMaxAuthRounds), at);
  }
  if (reply.lines.size() > 1) {
    return cancel_auth(Reason::AuthProtocol, "a challenge of several lines", at);
  }
  const std::string text = reply.lines.empty() ? std::string() : reply.lines.front();
  const std::optional<std::string> challenge = base64_decode(text);
  if (!challenge) return cancel_auth(Reason::AuthProtocol, "the challenge is not base64", at);

  if (unsent_initial_response_) {
    const std::string response = *std::exchange(unsent_initial_response_, std::nullopt);
    if (!challenge->empty()) {
      return cancel_auth(Reason::AuthProtocol, "a challenge where none was due", at);
    }
    return say_secret(response, "****", at);
  }
  SaslClient::Answer answer = sasl_->step(*challenge);
  if (answer.reason != Reason::None) {
    return cancel_auth(answer.reason, std::move(answer.detail), at);
  }
  if (!answer.detail.empty()) auth_detail_ = masked(std::move(answer.detail));
  say_secret(answer.response, answer.response.empty() ? "(empty response)" : "****", at);
}

void Dialogue::cancel_auth(Reason reason, std::string detail, Instant at) {
  record(at).reason = reason;
  record(at).detail = masked(std::move(detail));
  fail(Step::Auth, reason, record(at).detail);
  auth_cancelled_ = true;
  say("*", at);
}

void Dialogue::say_secret(std::string_view response, std::string shown, Instant at) {
  std::string encoded = base64_encode(response);
  if (encoded.size() + 2 > kAuthLineBytes) {
    return cancel_auth(Reason::Config, fmt::format("our response is over {} bytes", kAuthLineBytes),
                       at);
  }
  secrets_.add_sent(encoded);
  say(std::move(encoded), at, std::move(shown));
}

}  // namespace smtpprobe
