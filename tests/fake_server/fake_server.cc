#include "tests/fake_server/fake_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "tests/fake_server/channel.h"
#include "tests/fake_server/mail_server.h"
#include "tests/fake_server/script_player.h"

namespace smtpprobe {
namespace {

constexpr std::string_view kUnix = "unix:";

void must(bool good, const std::string& what) {
  if (good) return;
  std::fprintf(stderr, "fake server: %s: %s\n", what.c_str(), std::strerror(errno));
  std::abort();
}

sockaddr* generic(sockaddr_storage& address) { return reinterpret_cast<sockaddr*>(&address); }

// The socket address that options.address and .port say.
socklen_t fill(sockaddr_storage& address, const FakeServerOptions& options) {
  if (options.address.starts_with(kUnix)) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    const std::string path = options.address.substr(kUnix.size());
    must(!path.empty() && path.size() < sizeof local.sun_path, "socket path " + path);
    std::memcpy(local.sun_path, path.c_str(), path.size() + 1);
    std::memcpy(&address, &local, sizeof local);
    return sizeof local;
  }
  const auto port = htons(static_cast<std::uint16_t>(options.port));
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, options.address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = port;
    std::memcpy(&address, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6{};
  must(::inet_pton(AF_INET6, options.address.c_str(), &v6.sin6_addr) == 1,
       "address " + options.address);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = port;
  std::memcpy(&address, &v6, sizeof v6);
  return sizeof v6;
}

int bound_port(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  must(::getsockname(listener, generic(address), &size) == 0, "getsockname");
  // The port stands at the same place in both families.
  if (address.ss_family == AF_UNIX) return 0;
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  return ntohs(v4.sin_port);
}

// A write to a peer that has gone ends with EPIPE in our threads; the program under test keeps its
// own.
void block_sigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

TestCertificate localhost_identity() {
  CertificateRequest request = TestPki::server_request();
  request.common_name = "localhost";
  return make_certificate(request);
}

}  // namespace

struct FakeServer::State {
  struct Connection {
    std::atomic<bool> done = false;
    std::thread thread;
  };

  State(std::vector<Transcript> played, FakeServerOptions given)
      : options(std::move(given)), scripts(std::move(played)), recorder(options) {
    if (options.identity.empty()) options.identity = localhost_identity();
    anchor = last_certificate(options.identity.chain);
    tls = std::make_unique<ServerTls>(options);
    listen();
    listening = std::thread([this] { accept_all(); });
  }

  ~State() {
    const std::uint64_t one = 1;
    must(::write(stop, &one, sizeof one) == sizeof one, "eventfd");
    listening.join();
    for (Connection& connection : threads) connection.thread.join();
    ::close(listener);
    ::close(stop);
    if (options.address.starts_with(kUnix)) ::unlink(options.address.c_str() + kUnix.size());
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void listen() {
    stop = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sockaddr_storage address{};
    const socklen_t size = fill(address, options);
    listener = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(stop >= 0 && listener >= 0, "socket");
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    must(::bind(listener, generic(address), size) == 0, "bind " + options.address);
    must(::listen(listener, 512) == 0, "listen");
    port = bound_port(listener);
  }

  void accept_all() {
    block_sigpipe();
    while (true) {
      pollfd watched[] = {{listener, POLLIN, 0}, {stop, POLLIN, 0}};
      if (::poll(watched, 2, -1) < 0 && errno != EINTR) return;
      if (watched[1].revents != 0) return;
      const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      const int on = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      threads.remove_if([](Connection& connection) {
        if (!connection.done) return false;
        connection.thread.join();
        return true;
      });
      const int number = recorder.connection_began();
      Connection& connection = threads.emplace_back();
      connection.thread = std::thread([this, socket, number, &connection] {
        serve(socket, number);
        recorder.connection_ended();
        connection.done = true;
      });
    }
  }

  void serve(int socket, int number) {
    Channel channel(socket, stop, [this](std::string_view bytes) { recorder.heard_bytes(bytes); });
    if (scripts.empty()) {
      serve_mail(channel, *tls, recorder, number);
      return;
    }
    const std::size_t which = std::min(static_cast<std::size_t>(number), scripts.size()) - 1;
    play(scripts[which], channel, *tls, recorder, number);
  }

  FakeServerOptions options;
  std::vector<Transcript> scripts;  // empty: the mail server
  Recorder recorder;
  std::string anchor;
  std::unique_ptr<ServerTls> tls;
  int stop = -1;
  int listener = -1;
  int port = 0;
  std::list<Connection> threads;  // of the listening thread, until it has ended
  std::thread listening;
};

FakeServer::FakeServer(Transcript script, FakeServerOptions options)
    : FakeServer(std::vector<Transcript>{std::move(script)}, std::move(options)) {}

FakeServer::FakeServer(std::vector<Transcript> scripts, FakeServerOptions options) {
  must(!scripts.empty(), "no script");
  state_ = std::make_unique<State>(std::move(scripts), std::move(options));
}

FakeServer::FakeServer(Mail, FakeServerOptions options)
    : state_(std::make_unique<State>(std::vector<Transcript>{}, std::move(options))) {}

FakeServer FakeServer::from_text(std::string_view script, FakeServerOptions options) {
  Result<Transcript> transcript = parse_transcript(script, "script");
  must(transcript.has_value(), transcript ? "" : transcript.error().text);
  return FakeServer(std::move(*transcript), std::move(options));
}

FakeServer FakeServer::from_file(const std::string& tests_dir, const std::string& name,
                                 FakeServerOptions options) {
  Result<Transcript> transcript =
      read_transcript(fmt::format("{}/transcripts/{}.txt", tests_dir, name));
  must(transcript.has_value(), transcript ? "" : transcript.error().text);
  return FakeServer(std::move(*transcript), std::move(options));
}

FakeServer::FakeServer(FakeServer&&) noexcept = default;
FakeServer::~FakeServer() = default;

int FakeServer::port() const { return state_->port; }
const std::string& FakeServer::address() const { return state_->options.address; }
const std::string& FakeServer::trust_anchor() const { return state_->anchor; }
std::vector<std::string> FakeServer::received() const { return state_->recorder.received(); }
std::string FakeServer::received_bytes() const { return state_->recorder.received_bytes(); }
std::vector<std::string> FakeServer::mismatches() const { return state_->recorder.mismatches(); }
std::vector<TlsSeen> FakeServer::handshakes() const { return state_->recorder.handshakes(); }
int FakeServer::connections() const { return state_->recorder.connections(); }

bool FakeServer::wait_idle(std::chrono::milliseconds limit) const {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (state_->recorder.open_connections() > 0) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace smtpprobe
