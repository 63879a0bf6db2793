// XOAUTH2 (Google's and Microsoft's) and OAUTHBEARER (RFC 7628). Both send everything at once; a
// refusal comes as a challenge with JSON in it, which wants one empty answer before the 535
// follows.
#include <string>
#include <string_view>
#include <utility>

#include "common/smtp/sasl_mechanism.h"

namespace smtpprobe {
namespace {

constexpr char kSeparator = '\x01';
constexpr std::size_t kMaxDetailBytes = 512;

// An authzid in a GS2 header (RFC 5801 s4): "=" and "," are its framing.
std::string gs2_name(std::string_view name) {
  std::string encoded;
  encoded.reserve(name.size());
  for (const char c : name) {
    if (c == '=')
      encoded += "=3D";
    else if (c == ',')
      encoded += "=2C";
    else
      encoded += c;
  }
  return encoded;
}

class OauthClient final : public SaslClient {
 public:
  OauthClient(Mechanism mechanism, const Credentials& credentials)
      : bearer_(mechanism == Mechanism::Oauthbearer),
        username_(credentials.username),
        token_(credentials.token),
        host_(credentials.host),
        port_(credentials.port) {}
  OauthClient(const OauthClient&) = delete;
  OauthClient& operator=(const OauthClient&) = delete;
  ~OauthClient() override { wipe(token_); }

  bool speaks_first() const override { return true; }

  Answer step(std::string_view challenge) override {
    switch (std::exchange(state_, next(state_))) {
      case State::Start:
        return {.response = bearer_ ? bearer_response() : xoauth2_response(), .detail = {}};
      case State::Sent:
        refused_ = true;
        return {.response = bearer_ ? std::string(1, kSeparator) : std::string(),
                .detail = without_token(challenge.substr(0, kMaxDetailBytes))};
      case State::Refused:
        break;
    }
    return give_up(Reason::AuthProtocol, "a challenge after the error was acknowledged");
  }

  // A 235 behind an error challenge contradicts it.
  bool complete() const override { return state_ == State::Sent && !refused_; }

 private:
  enum class State : std::uint8_t { Start, Sent, Refused };

  static State next(State state) { return state == State::Start ? State::Sent : State::Refused; }

  std::string xoauth2_response() const {
    return "user=" + username_ + kSeparator + "auth=Bearer " + token_ + kSeparator + kSeparator;
  }

  std::string bearer_response() const {
    std::string response = "n,";
    if (!username_.empty()) response += "a=" + gs2_name(username_);
    response += ',';
    response += kSeparator;
    if (!host_.empty()) response += "host=" + host_ + kSeparator;
    if (port_ > 0) response += "port=" + std::to_string(port_) + kSeparator;
    response += "auth=Bearer " + token_ + kSeparator + kSeparator;
    return response;
  }

  // A server that echoes the token does not get it into our output.
  std::string without_token(std::string_view json) const {
    std::string text(json);
    if (token_.empty()) return text;
    constexpr std::string_view kMask = "***";
    for (std::size_t at = text.find(token_); at != std::string::npos;
         at = text.find(token_, at + kMask.size()))
      text.replace(at, token_.size(), kMask);
    return text;
  }

  bool bearer_;
  std::string username_;
  std::string token_;
  std::string host_;
  int port_;
  State state_ = State::Start;
  bool refused_ = false;
};

}  // namespace

std::unique_ptr<SaslClient> make_oauth_client(Mechanism mechanism, const Credentials& credentials) {
  return std::make_unique<OauthClient>(mechanism, credentials);
}

}  // namespace smtpprobe
