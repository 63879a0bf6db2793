// The steps of a probe, in the order in which they happen. The names are the closed list that every
// output uses; a step is added here and nowhere else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

namespace smtpprobe {

enum class Step : std::uint8_t {
  Resolve,
  Connect,  // the PROXY header counts as a part of it
  Tls,      // the handshake: right after Connect with implicit TLS, after Starttls otherwise
  Banner,
  Ehlo,  // EHLO, HELO or LHLO
  Starttls,
  EhloTls,
  Auth,
  Mail,
  Rcpt,     // all recipients together
  Command,  // the check's raw commands, all together
  Data,
  Message,  // the text and its final dot
  Quit,
};

inline constexpr std::array kSteps = {
    Step::Resolve,  Step::Connect, Step::Tls,     Step::Banner, Step::Ehlo,
    Step::Starttls, Step::EhloTls, Step::Auth,    Step::Mail,   Step::Rcpt,
    Step::Command,  Step::Data,    Step::Message, Step::Quit,
};
inline constexpr std::size_t kStepCount = kSteps.size();

constexpr std::size_t index(Step step) { return static_cast<std::size_t>(step); }

// A value for each step.
template <typename T>
class PerStep {
 public:
  constexpr T& operator[](Step step) { return values_[index(step)]; }
  constexpr const T& operator[](Step step) const { return values_[index(step)]; }

 private:
  std::array<T, kStepCount> values_{};
};

// The same where few steps have a value that is not T(): what has none takes no room.
template <typename T>
class FewSteps {
 public:
  // Makes room for it.
  T& operator[](Step step) { return values_[step]; }
  const T& operator[](Step step) const {
    static const T none{};
    const auto found = values_.find(step);
    return found == values_.end() ? none : found->second;
  }

 private:
  std::map<Step, T> values_;
};

// "ehlo_tls"
std::string_view step_name(Step step);

// nullopt when `name` is no step's name. Names are case-sensitive, as labels are.
std::optional<Step> step_from_name(std::string_view name);

}  // namespace smtpprobe
