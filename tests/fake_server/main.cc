// smtp_fake_server: serves transcripts, each on a port of its own, or a small mail server, to
// whoever connects. For shell tests and the demo; loopback unless told otherwise.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/fake_server/fake_server.h"

namespace smtpprobe {
namespace {

constexpr const char* kUsage =
    "usage: smtp_fake_server [options] [NAME=]TRANSCRIPT...\n"
    "       smtp_fake_server [options] --mail [[NAME=]TRANSCRIPT...]\n"
    "       smtp_fake_server --write-certs DIR\n"
    "Serves each transcript on a port of its own and prints \"NAME PORT\" for each, then "
    "\"ready\".\n"
    "  --mail             also a small well-behaved mail server, named \"mail\"\n"
    "  --listen ADDRESS   IPv4 or IPv6 literal, or unix:PATH (127.0.0.1)\n"
    "  --port N           the port of the first one printed (0: any)\n"
    "  --tls-cert-dir DIR show server.pem and server.key of DIR (made if missing: --write-certs)\n"
    "  --cert NAME        show NAME.pem and NAME.key of that directory: expired, wrong-name, ...\n"
    "  --log FILE         write the dialogues to FILE\n"
    "  --until-eof        end when stdin closes; SIGTERM and SIGINT end it always\n"
    "  --write-certs DIR  write ca.pem, server.pem, server.key, expired.pem, ... and end\n";

struct Options {
  std::vector<std::pair<std::string, Transcript>> scripts;
  bool mail = false;
  bool until_eof = false;
  std::string listen = "127.0.0.1";
  int port = 0;
  std::string certificates;
  std::string certificate = "server";
  std::string log;
  std::string write_certificates;
};

Result<void> add_script(Options& options, const std::string& argument) {
  const std::size_t equals = argument.find('=');
  const std::string path = equals == std::string::npos ? argument : argument.substr(equals + 1);
  Result<Transcript> transcript = read_transcript(path);
  if (!transcript) return Unexpected(transcript.error());
  const std::string name =
      equals == std::string::npos ? transcript->name : argument.substr(0, equals);
  options.scripts.emplace_back(name, std::move(*transcript));
  return {};
}

Result<Options> parse(const std::vector<std::string>& arguments) {
  Options options;
  const std::pair<std::string_view, std::string Options::*> kValues[] = {
      {"--listen", &Options::listen},
      {"--tls-cert-dir", &Options::certificates},
      {"--cert", &Options::certificate},
      {"--log", &Options::log},
      {"--write-certs", &Options::write_certificates},
  };
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string& argument = arguments[at];
    if (argument == "--mail") {
      options.mail = true;
    } else if (argument == "--until-eof") {
      options.until_eof = true;
    } else if (!argument.starts_with("--")) {
      const Result<void> added = add_script(options, argument);
      if (!added) return Unexpected(added.error());
    } else {
      if (at + 1 == arguments.size()) return error(argument + ": unknown, or lacks its value");
      const std::string& value = arguments[++at];
      std::string Options::*field = nullptr;
      for (const auto& [name, candidate] : kValues) {
        if (argument == name) field = candidate;
      }
      if (field != nullptr) {
        options.*field = value;
      } else if (argument == "--port") {
        const auto [end, bad] =
            std::from_chars(value.data(), value.data() + value.size(), options.port);
        if (bad != std::errc() || end != value.data() + value.size() || options.port < 0 ||
            options.port > 65535) {
          return error(fmt::format("--port: '{}', wanted 0 to 65535", value));
        }
      } else {
        return error(argument + ": unknown option");
      }
    }
  }
  if (options.scripts.empty() && !options.mail && options.write_certificates.empty()) {
    return error("nothing to serve: wanted transcripts, --mail or --write-certs");
  }
  return options;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(path + ": cannot be read");
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

Result<TestCertificate> identity_of(const Options& options) {
  if (options.certificates.empty()) return TestCertificate{};
  const std::string stem = options.certificates + '/' + options.certificate;
  if (!read_file(stem + ".pem")) {
    const Result<void> written = write_certificates(options.certificates);
    if (!written) return Unexpected(written.error());
  }
  Result<std::string> chain = read_file(stem + ".pem");
  Result<std::string> key = read_file(stem + ".key");
  if (!chain) return Unexpected(chain.error());
  if (!key) return Unexpected(key.error());
  return TestCertificate{std::move(*chain), std::move(*key)};
}

// SIGTERM and SIGINT as a descriptor, blocked in every thread that is started later.
int end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC);
}

void wait_for_end(int signals, bool until_eof) {
  pollfd watched[] = {{signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  while (true) {
    if (::poll(watched, until_eof ? 2 : 1, -1) < 0) continue;
    if (watched[0].revents != 0) return;
    char ignored[4096];
    if (watched[1].revents != 0 && ::read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return;
  }
}

Result<void> serve(Options options) {
  Result<TestCertificate> identity = identity_of(options);
  if (!identity) return Unexpected(identity.error());
  std::FILE* log = nullptr;
  if (!options.log.empty() && (log = std::fopen(options.log.c_str(), "we")) == nullptr) {
    return error(fmt::format("{}: cannot be written: {}", options.log, std::strerror(errno)));
  }
  const int signals = end_signals();
  std::mutex log_mutex;
  std::vector<FakeServer> servers;
  const auto add = [&](const std::string& name, std::optional<Transcript> script) {
    FakeServerOptions server;
    server.address = options.listen;
    server.port = servers.empty() ? options.port : 0;
    server.identity = *identity;
    if (log != nullptr) {
      server.log = [log, name, &log_mutex](int connection, const std::string& line) {
        const std::lock_guard lock(log_mutex);
        fmt::print(log, "{} {} {}\n", name, connection, line);
        std::fflush(log);
      };
    }
    if (script) {
      servers.emplace_back(std::move(*script), std::move(server));
    } else {
      servers.push_back(FakeServer(FakeServer::Mail{}, std::move(server)));
    }
    fmt::print("{} {}\n", name, servers.back().port());
  };
  if (options.mail) add("mail", std::nullopt);
  for (auto& [name, script] : options.scripts) add(name, std::move(script));
  fmt::print("ready\n");
  std::fflush(stdout);
  wait_for_end(signals, options.until_eof);
  servers.clear();
  if (log != nullptr) std::fclose(log);
  return {};
}

}  // namespace
}  // namespace smtpprobe

int main(int argc, char** argv) {
  using namespace smtpprobe;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  for (const std::string& argument : arguments) {
    if (argument != "--help" && argument != "-h") continue;
    std::fputs(kUsage, stdout);
    return 0;
  }
  Result<Options> options = parse(arguments);
  if (!options) {
    fmt::print(stderr, "smtp_fake_server: {}\n{}", options.error().text, kUsage);
    return 2;
  }
  Result<void> done = options->write_certificates.empty()
                          ? serve(std::move(*options))
                          : write_certificates(options->write_certificates);
  if (!done) fmt::print(stderr, "smtp_fake_server: {}\n", done.error().text);
  return done ? 0 : 1;
}
