// PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195) and SCRAM (RFC 5802, RFC 7677) by libgsasl. The
// library is initialised here and only when a client is made: a check without AUTH pays nothing for
// it. It also prepares user name and password (SASLprep, RFC 4013) where the mechanism asks for it.
#include <gsasl.h>
#include <string.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/smtp/sasl_mechanism.h"

namespace smtpprobe {
namespace {

struct EndLibrary {
  void operator()(Gsasl* library) const { gsasl_done(library); }
};

// The session keeps its own copy of the password and frees it as it is, so it is overwritten first.
struct EndSession {
  void operator()(Gsasl_session* session) const {
    if (const char* kept = gsasl_property_fast(session, GSASL_PASSWORD)) {
      char* password = const_cast<char*>(kept);
      explicit_bzero(password, strlen(password));
    }
    gsasl_finish(session);
  }
};

using Library = std::unique_ptr<Gsasl, EndLibrary>;
using Session = std::unique_ptr<Gsasl_session, EndSession>;

bool is_scram(Mechanism mechanism) {
  return mechanism == Mechanism::ScramSha1 || mechanism == Mechanism::ScramSha256;
}

class GsaslClient final : public SaslClient {
 public:
  GsaslClient(Mechanism mechanism, Library library, Session session)
      : mechanism_(mechanism), library_(std::move(library)), session_(std::move(session)) {}

  // LOGIN could, but not every server takes a user name with the command.
  bool speaks_first() const override {
    return mechanism_ == Mechanism::Plain || is_scram(mechanism_);
  }

  Answer step(std::string_view challenge) override {
    Answer answer = take(challenge);
    if (answer.reason != Reason::None) state_ = State::Failed;
    return answer;
  }

  bool complete() const override { return state_ == State::Complete; }

 private:
  enum class State : std::uint8_t {
    Running,
    Complete,
    Refused,  // SCRAM: the server said e=, its reply decides
    Failed,
  };

  Answer take(std::string_view challenge) {
    if (state_ != State::Running)
      return give_up(Reason::AuthProtocol, "a challenge after the exchange had ended");
    if (challenge.size() > kMaxChallengeBytes)
      return give_up(Reason::AuthProtocol, "the challenge is too long");
    const int round = round_++;
    if (is_scram(mechanism_)) return take_scram(round, challenge);
    if (mechanism_ == Mechanism::CramMd5 && challenge.empty())
      return give_up(Reason::AuthProtocol, "CRAM-MD5: an empty challenge");
    return ask_library(challenge);
  }

  Answer take_scram(int round, std::string_view challenge) {
    if (round == 0) {
      Answer first = ask_library({});
      nonce_ = scram_nonce(first.response);
      return first;
    }
    if (round == 1) {
      if (challenge.starts_with("e=")) return refused(challenge);
      if (Answer fault = check_scram_server_first(challenge, nonce_); fault.reason != Reason::None)
        return fault;
      return ask_library(challenge);
    }
    if (challenge.starts_with("e=")) return refused(challenge);
    if (!challenge.starts_with("v="))
      return give_up(Reason::AuthServerSignature, "the server gave no signature");
    Answer last = ask_library(challenge);
    if (last.reason != Reason::None || state_ != State::Complete)
      return give_up(Reason::AuthServerSignature, "the server's signature is wrong");
    return last;
  }

  // server-error (RFC 5802 s7). The reply that follows, a 535 as a rule, says what it means;
  // complete() stays false, so that a 235 is not believed.
  Answer refused(std::string_view challenge) {
    constexpr std::size_t kMaxShown = 100;
    state_ = State::Refused;
    return {.response = {},
            .detail = "SCRAM: the server says " + std::string(challenge.substr(0, kMaxShown))};
  }

  Answer ask_library(std::string_view challenge) {
    char* output = nullptr;
    std::size_t size = 0;
    const int code = gsasl_step(session_.get(), challenge.data(), challenge.size(), &output, &size);
    Answer answer;
    if (code == GSASL_OK || code == GSASL_NEEDS_MORE) {
      if (output) answer.response.assign(output, size);
      if (code == GSASL_OK) state_ = State::Complete;
    } else {
      Reason reason = Reason::AuthProtocol;
      if (code == GSASL_MALLOC_ERROR) reason = Reason::LocalError;
      // The user name or the password is no UTF-8: nothing that the server could be blamed for.
      if (code == GSASL_SASLPREP_ERROR) {
        reason = Reason::Config;
      }
      answer =
          give_up(reason, std::string(mechanism_name(mechanism_)) + ": " + gsasl_strerror(code));
    }
    if (output) {
      explicit_bzero(output, size);
      gsasl_free(output);
    }
    return answer;
  }

  Mechanism mechanism_;
  Library library_;
  Session session_;
  State state_ = State::Running;
  int round_ = 0;
  std::string nonce_;
};

}  // namespace

std::unique_ptr<SaslClient> make_gsasl_client(Mechanism mechanism, const Credentials& credentials,
                                              std::string* why) {
  const auto fail = [&](const char* what, int code) {
    if (why) *why = std::string(what) + ": " + gsasl_strerror(code);
    return nullptr;
  };
  Gsasl* raw_library = nullptr;
  if (const int code = gsasl_init(&raw_library); code != GSASL_OK) return fail("libgsasl", code);
  Library library(raw_library);
  Gsasl_session* raw_session = nullptr;
  const std::string name(mechanism_name(mechanism));
  if (const int code = gsasl_client_start(raw_library, name.c_str(), &raw_session);
      code != GSASL_OK)
    return fail(name.c_str(), code);
  Session session(raw_session);
  int code = gsasl_property_set(raw_session, GSASL_AUTHID, credentials.username.c_str());
  if (code == GSASL_OK)
    code = gsasl_property_set(raw_session, GSASL_PASSWORD, credentials.password.c_str());
  if (code != GSASL_OK) return fail(name.c_str(), code);
  return std::make_unique<GsaslClient>(mechanism, std::move(library), std::move(session));
}

}  // namespace smtpprobe
