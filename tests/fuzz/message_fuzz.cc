// The message: what is composed of a subject, a header and a body, and how it goes on the wire.
// Law: one end of the text and not two, whatever is in it (SMTP smuggling).
#include "common/smtp/message.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

void check_wire(std::string_view wire) {
  SMTPPROBE_HOLDS(wire.ends_with("\r\n.\r\n") || wire == ".\r\n", wire);
  for (std::size_t i = 0; i < wire.size(); ++i) {
    if (wire[i] == '\n') SMTPPROBE_HOLDS(i > 0 && wire[i - 1] == '\r', wire);
    if (wire[i] == '\r') SMTPPROBE_HOLDS(i + 1 < wire.size() && wire[i + 1] == '\n', wire);
  }
  const std::size_t first = wire.starts_with(".\r\n") ? 0 : wire.find("\r\n.\r\n") + 2;
  SMTPPROBE_HOLDS(first + 3 == wire.size(), wire);
}

void check(std::string_view input) {
  check_wire(dot_stuff(input));
  MessagePlan plan;
  plan.subject = take_chunk(input);
  std::string name(take_chunk(input));
  plan.headers.emplace_back(std::move(name), take_chunk(input));
  plan.body = input;
  if (!check_message(plan)) return;
  MessageFacts facts;
  facts.from = "a@b.test";
  facts.to = {"c@d.test"};
  facts.unique = "unique";
  facts.host_name = "probe.test";
  const std::string text = compose_message(plan, facts);
  check_wire(dot_stuff(text));
  bool in_header = true;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find("\r\n");
    SMTPPROBE_HOLDS(end != std::string_view::npos && end <= kMaxTextLine, text);
    const std::string_view line = rest.substr(0, end);
    if (line.empty()) in_header = false;
    // A field or the continuation of one.
    const bool field = line.find(':') != std::string_view::npos || line.starts_with(' ');
    SMTPPROBE_HOLDS(!in_header || field, text);
    for (const char c : line) SMTPPROBE_HOLDS(static_cast<unsigned char>(c) < 0x80, text);
    rest.remove_prefix(end + 2);
  }
  SMTPPROBE_HOLDS(!in_header, text);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  smtpprobe::fuzz::check(smtpprobe::fuzz::bytes_of(data, size));
  return 0;
}
