// Hides secrets in what a server sent, before it is stored or shown: a server may repeat what it
// received, changed or in pieces. Pure.
//
// Invariants: no run of kMaskedRun characters of a secret, of its base64 form, or of what was sent
// as base64 remains, in any letter case, also where line ends interrupt it, and as hexadecimal
// digits. Of a secret shorter than that only the whole is masked. What is masked becomes "****";
// all other bytes stay. The time is that of sorting the text, whatever the text is.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace smtpprobe {

class SecretMask {
 public:
  static constexpr std::size_t kMaskedRun = 6;
  // Anything shorter would mask ordinary words.
  static constexpr std::size_t kShortestSecret = 3;

  // A password or token. Does nothing below kShortestSecret.
  void add_secret(std::string_view secret);
  // What was sent as it is: an initial response, already in base64.
  void add_sent(std::string_view encoded);
  bool empty() const { return secrets_ == nullptr; }

  // `text` may hold several lines.
  std::string masked(std::string text) const;
  // For a text that breaks off: the beginning of a secret at its end is masked as well.
  std::string masked_unfinished(std::string text) const;
  // The lines of one reply, without their line ends.
  void mask_lines(std::vector<std::string>& lines) const;
  // The same for lines of which the last breaks off.
  void mask_unfinished_lines(std::vector<std::string>& lines) const;

 private:
  // The lower-case texts whose runs are masked; made at the first use.
  const std::vector<std::string>& forms() const;
  std::vector<bool> hits_of_unfinished(std::string_view text) const;
  std::vector<bool> hits(std::string_view text) const;
  void hit_whole_secrets(std::string_view text, std::vector<bool>& hit) const;
  std::size_t unfinished_secret(std::string_view text) const;

  struct Secrets {
    std::vector<std::string> whole;
    std::vector<std::string> sent;
    std::vector<std::string> forms;
  };
  Secrets& secrets();

  std::unique_ptr<Secrets> secrets_;  // null for most sessions, of which there are thousands
};

}  // namespace smtpprobe
