// smtp_responder: a scripted SMTP server for load, for the benchmarks alone. One thread, epoll, as
// few system calls as a dialogue can do with: it must never be what a measurement waits for. It
// answers banner, EHLO, STARTTLS, MAIL, RCPT, DATA and QUIT and judges nothing; whatever else is
// said gets a 250. Its law: what it counted can be asked for, so that a benchmark can prove that
// the dialogues it paid for were held.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smtpprobe {
namespace {

constexpr const char* kUsage =
    "usage: smtp_responder [--tls-cert-dir DIR | --silent] [--delay MS] [--all-addresses]\n"
    "Listens on two ports of 127.0.0.1 and prints \"smtp PORT\", \"stats PORT\", \"ready\". "
    "Whoever\n"
    "connects to the second is told: accepted N, open N, dialogues N (QUIT was said), tls N,\n"
    "messages N (taken whole).\n"
    "  --tls-cert-dir DIR offer STARTTLS with server.pem and server.key of DIR\n"
    "  --delay MS         every reply comes so many milliseconds later\n"
    "  --all-addresses    the first port on every address of the loopback interface\n"
    "  --silent           accept and say nothing\n"
    "Ends when stdin does.\n";

constexpr int kBacklog = 4096;
constexpr std::size_t kInputSize = 512;  // a command line, RFC 5321 section 4.5.3.1.4

constexpr std::string_view kBanner = "220 mx.test ESMTP\r\n";
constexpr std::string_view kEhlo =
    "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-ENHANCEDSTATUSCODES\r\n"
    "250 8BITMIME\r\n";
constexpr std::string_view kEhloStarttls =
    "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n"
    "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n";
constexpr std::string_view kGo = "220 2.0.0 Ready to start TLS\r\n";
constexpr std::string_view kOk = "250 2.1.0 Ok\r\n";
constexpr std::string_view kGoOn = "354 End data with <CR><LF>.<CR><LF>\r\n";
constexpr std::string_view kBye = "221 2.0.0 Bye\r\n";

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

using Clock = std::chrono::steady_clock;

struct Connection {
  unsigned long serial = 0;
  std::unique_ptr<SSL, SslFree> ssl;
  bool handshaking = false;
  bool in_message = false;
  std::size_t used = 0;
  std::array<char, kInputSize> input;
};

// What is done once a reply is said.
enum class Then { Nothing, StartTls, Drop };

// A reply whose time has not come.
struct Held {
  Clock::time_point due;
  int fd;
  unsigned long serial;  // of the connection, which may be gone by then
  std::string_view reply;
  Then then;
};

struct Options {
  std::string certificates;
  bool silent = false;
  bool all_addresses = false;
  std::chrono::milliseconds delay{0};
};

struct Counts {
  unsigned long accepted = 0;
  unsigned long open = 0;
  unsigned long dialogues = 0;
  unsigned long tls = 0;
  unsigned long messages = 0;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "smtp_responder: %s: %s\n", what, std::strerror(errno));
  ERR_print_errors_fp(stderr);
  std::_Exit(1);
}

int must(int returned, const char* what) {
  if (returned < 0) fail(what);
  return returned;
}

// A listener on a port of the kernel's choice, which is printed under `name`. With `all` on every
// address of the loopback interface, and on no other interface.
int listen_as(const char* name, bool all) {
  const int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  const int on = 1;
  must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");  // inherited
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(all ? INADDR_ANY : INADDR_LOOPBACK);
  constexpr char kLoopback[] = "lo";
  if (all) must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, kLoopback, sizeof kLoopback), "lo");
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  must(bind(fd, generic, size), "bind");
  must(listen(fd, kBacklog), "listen");
  must(getsockname(fd, generic, &size), "getsockname");
  std::printf("%s %d\n", name, ntohs(address.sin_port));
  return fd;
}

SSL_CTX* make_context(const std::string& folder) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  const std::string chain = folder + "/server.pem";
  const std::string key = folder + "/server.key";
  if (context == nullptr || SSL_CTX_use_certificate_chain_file(context, chain.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    fail(folder.c_str());
  }
  SSL_CTX_set_read_ahead(context, 1);  // one recv() a record, not two
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return context;
}

class Responder {
 public:
  explicit Responder(const Options& options);
  void run();  // until stdin ends

 private:
  void watch(int fd, std::uint32_t events);
  void accept_one();
  void tell_stats();
  void serve(int fd, Connection& connection);
  bool read_more(int fd, Connection& connection);
  bool answer_lines(int fd, Connection& connection);
  bool answer(int fd, Connection& connection, std::string_view line);
  bool reply(int fd, Connection& connection, std::string_view text, Then then = Then::Nothing);
  bool reply_now(int fd, Connection& connection, std::string_view text, Then then);
  std::optional<timespec> until_next() const;
  void say_what_is_due();
  bool say(int fd, const Connection& connection, std::string_view text, int flags = 0);
  bool handshake(Connection& connection);
  void drop(int fd);

  const bool silent_;
  const std::chrono::milliseconds delay_;
  const std::unique_ptr<SSL_CTX, SslFree> context_;
  const int listener_;
  const int stats_;
  const int epoll_;
  int spare_;  // given up to refuse a client where descriptors are short
  Counts counts_;
  std::vector<std::unique_ptr<Connection>> connections_;  // by descriptor
  std::deque<Held> held_;  // in the order in which they are due, for all wait equally long
};

Responder::Responder(const Options& options)
    : silent_(options.silent),
      delay_(options.delay),
      context_(options.certificates.empty() ? nullptr : make_context(options.certificates)),
      listener_(listen_as("smtp", options.all_addresses)),
      stats_(listen_as("stats", false)),
      epoll_(must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      spare_(must(open("/dev/null", O_RDONLY | O_CLOEXEC), "/dev/null")) {
  watch(listener_, EPOLLIN);
  watch(stats_, EPOLLIN);
  watch(STDIN_FILENO, EPOLLIN);
  std::puts("ready");
  std::fflush(stdout);
}

void Responder::watch(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  must(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

void Responder::run() {
  std::array<epoll_event, 256> events;
  for (;;) {
    const std::optional<timespec> wait = until_next();
    const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                   wait ? &*wait : nullptr, nullptr);
    if (count < 0 && errno != EINTR) fail("epoll_pwait2");
    say_what_is_due();
    for (int at = 0; at < count; ++at) {
      const int fd = events[static_cast<std::size_t>(at)].data.fd;
      if (fd == listener_) {
        accept_one();
      } else if (fd == stats_) {
        tell_stats();
      } else if (fd == STDIN_FILENO) {
        char ignored[256];
        if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return;
      } else if (Connection* connection = connections_[static_cast<std::size_t>(fd)].get()) {
        serve(fd, *connection);
      }
    }
  }
}

void Responder::accept_one() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno != EMFILE && errno != ENFILE) return;
    close(spare_);
    close(accept(listener_, nullptr, nullptr));
    spare_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return;
  }
  const auto place = static_cast<std::size_t>(fd);
  if (connections_.size() <= place) connections_.resize(place * 2 + 64);
  connections_[place] = std::make_unique<Connection>();
  connections_[place]->serial = ++counts_.accepted;
  counts_.open++;
  watch(fd, EPOLLIN);
  if (!silent_ && !reply(fd, *connections_[place], kBanner)) drop(fd);
}

std::optional<timespec> Responder::until_next() const {
  if (held_.empty()) return std::nullopt;
  const std::chrono::nanoseconds left = std::max(Clock::duration{}, held_[0].due - Clock::now());
  return timespec{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
}

void Responder::say_what_is_due() {
  while (!held_.empty() && held_.front().due <= Clock::now()) {
    const Held next = held_.front();
    held_.pop_front();
    Connection* const to = connections_[static_cast<std::size_t>(next.fd)].get();
    if (to == nullptr || to->serial != next.serial) continue;
    if (!reply_now(next.fd, *to, next.reply, next.then)) drop(next.fd);
  }
}

// False: the dialogue is at its end.
bool Responder::reply(int fd, Connection& connection, std::string_view text, Then then) {
  if (delay_.count() == 0) return reply_now(fd, connection, text, then);
  held_.push_back({Clock::now() + delay_, fd, connection.serial, text, then});
  return true;
}

bool Responder::reply_now(int fd, Connection& connection, std::string_view text, Then then) {
  switch (then) {
    case Then::Nothing:
      return say(fd, connection, text);
    case Then::StartTls:
      if (!say(fd, connection, text)) return false;
      connection.ssl.reset(SSL_new(context_.get()));
      if (!connection.ssl || SSL_set_fd(connection.ssl.get(), fd) != 1) fail("SSL_new");
      SSL_set_accept_state(connection.ssl.get());
      connection.handshaking = true;
      return true;
    case Then::Drop:
      // The 221 and the FIN in one segment: it is always we who close first, and the ports in
      // TIME_WAIT are not the client's.
      say(fd, connection, text, MSG_MORE);
      if (connection.ssl) SSL_shutdown(connection.ssl.get());
      return false;
  }
  return false;
}

void Responder::tell_stats() {
  const int fd = accept4(stats_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  char text[160];
  const int size = std::snprintf(
      text, sizeof text, "accepted %lu\nopen %lu\ndialogues %lu\ntls %lu\nmessages %lu\n",
      counts_.accepted, counts_.open, counts_.dialogues, counts_.tls, counts_.messages);
  [[maybe_unused]] const ssize_t sent =
      send(fd, text, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  close(fd);
}

void Responder::serve(int fd, Connection& connection) {
  if (connection.handshaking) {
    if (!handshake(connection)) return drop(fd);
    // The first command may have come, and been read, with the end of the handshake.
    if (connection.handshaking || SSL_has_pending(connection.ssl.get()) == 0) return;
  }
  do {
    if (!read_more(fd, connection) || !answer_lines(fd, connection)) return drop(fd);
  } while (connection.ssl && SSL_has_pending(connection.ssl.get()) == 1);
}

// False: the peer has gone, or says more in a line than it may.
bool Responder::read_more(int fd, Connection& connection) {
  char* const end = connection.input.data() + connection.used;
  const std::size_t room = connection.input.size() - connection.used;
  if (room == 0) return false;
  if (connection.ssl) {
    const int got = SSL_read(connection.ssl.get(), end, static_cast<int>(room));
    if (got <= 0) return SSL_get_error(connection.ssl.get(), got) == SSL_ERROR_WANT_READ;
    connection.used += static_cast<std::size_t>(got);
    return true;
  }
  const ssize_t got = recv(fd, end, room, 0);
  if (got <= 0) return got < 0 && errno == EAGAIN;
  connection.used += static_cast<std::size_t>(got);
  return true;
}

bool Responder::answer_lines(int fd, Connection& connection) {
  if (silent_) {
    connection.used = 0;
    return true;
  }
  std::string_view rest(connection.input.data(), connection.used);
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    if (!answer(fd, connection, rest.substr(0, end))) return false;
    rest.remove_prefix(end + 1);
  }
  std::memmove(connection.input.data(), rest.data(), rest.size());
  connection.used = rest.size();
  return true;
}

// False: the dialogue is at its end.
bool Responder::answer(int fd, Connection& connection, std::string_view line) {
  if (connection.in_message) {
    if (line != ".\r") return true;
    connection.in_message = false;
    counts_.messages++;
    return reply(fd, connection, kOk);
  }
  if (line.starts_with("EHLO")) {
    return reply(fd, connection, context_ != nullptr && !connection.ssl ? kEhloStarttls : kEhlo);
  }
  if (line.starts_with("STARTTLS") && context_ != nullptr && !connection.ssl) {
    return reply(fd, connection, kGo, Then::StartTls);
  }
  if (line.starts_with("DATA")) {
    connection.in_message = true;
    return reply(fd, connection, kGoOn);
  }
  if (line.starts_with("QUIT")) {
    counts_.dialogues++;
    return reply(fd, connection, kBye, Then::Drop);
  }
  return reply(fd, connection, kOk);
}

// A reply is far shorter than a socket's buffer: what is not taken at once ends the connection.
bool Responder::say(int fd, const Connection& connection, std::string_view text, int flags) {
  if (connection.ssl) {
    return SSL_write(connection.ssl.get(), text.data(), static_cast<int>(text.size())) > 0;
  }
  return send(fd, text.data(), text.size(), MSG_NOSIGNAL | flags) ==
         static_cast<ssize_t>(text.size());
}

bool Responder::handshake(Connection& connection) {
  const int done = SSL_do_handshake(connection.ssl.get());
  if (done == 1) {
    connection.handshaking = false;
    counts_.tls++;
    return true;
  }
  return SSL_get_error(connection.ssl.get(), done) == SSL_ERROR_WANT_READ;
}

void Responder::drop(int fd) {
  connections_[static_cast<std::size_t>(fd)].reset();
  ERR_clear_error();
  counts_.open--;
  close(fd);
}

bool parse(int argc, char** argv, Options& options) {
  for (int at = 1; at < argc; ++at) {
    const std::string_view argument = argv[at];
    if (argument == "--silent") {
      options.silent = true;
    } else if (argument == "--tls-cert-dir" && at + 1 < argc) {
      options.certificates = argv[++at];
    } else if (argument == "--delay" && at + 1 < argc) {
      options.delay = std::chrono::milliseconds(std::atoi(argv[++at]));
    } else if (argument == "--all-addresses") {
      options.all_addresses = true;
    } else {
      return false;
    }
  }
  return !(options.silent && !options.certificates.empty());
}

void raise_descriptor_limit() {
  rlimit limit{};
  must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

}  // namespace
}  // namespace smtpprobe

int main(int argc, char** argv) {
  smtpprobe::Options options;
  if (!smtpprobe::parse(argc, argv, options)) {
    std::fputs(smtpprobe::kUsage, stderr);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  smtpprobe::raise_descriptor_limit();
  smtpprobe::Responder(options).run();
  return 0;
}
