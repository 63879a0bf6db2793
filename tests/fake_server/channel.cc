#include "tests/fake_server/channel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

namespace smtpprobe {
namespace {

using Clock = std::chrono::steady_clock;

void must(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "fake server: %s failed\n", what);
  ERR_print_errors_fp(stderr);
  std::abort();
}

struct BioFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};

std::unique_ptr<BIO, BioFree> reader(const std::string& pem) {
  return std::unique_ptr<BIO, BioFree>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

void use_identity(SSL_CTX* context, const TestCertificate& identity) {
  const auto chain = reader(identity.chain);
  X509* leaf = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr);
  must(leaf != nullptr && SSL_CTX_use_certificate(context, leaf) == 1, "the certificate");
  X509_free(leaf);
  while (X509* issuer = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)) {
    must(SSL_CTX_add0_chain_cert(context, issuer) == 1, "the chain");
  }
  ERR_clear_error();  // the end of the text is an error to PEM_read
  const auto secret = reader(identity.key);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(secret.get(), nullptr, nullptr, nullptr);
  must(key != nullptr && SSL_CTX_use_PrivateKey(context, key) == 1, "the key");
  EVP_PKEY_free(key);
}

void demand_client_certificate(SSL_CTX* context, const std::string& ca) {
  X509* authority = PEM_read_bio_X509(reader(ca).get(), nullptr, nullptr, nullptr);
  must(authority != nullptr, "the client CA");
  must(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) == 1, "the client CA");
  must(SSL_CTX_add_client_CA(context, authority) == 1, "the client CA's name");
  X509_free(authority);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

std::string last_tls_error() {
  char text[256] = "";
  ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
  return text;
}

void describe_client(SSL* tls, TlsSeen& seen) {
  seen.version = SSL_get_version(tls);
  if (X509* client = SSL_get0_peer_certificate(tls)) {
    char* text = X509_NAME_oneline(X509_get_subject_name(client), nullptr, 0);
    seen.client_subject = text;
    OPENSSL_free(text);
  }
}

}  // namespace

ServerTls::ServerTls(const FakeServerOptions& options)
    : context_(SSL_CTX_new(TLS_server_method())) {
  must(context_ != nullptr, "SSL_CTX_new");
  SSL_CTX_set_security_level(context_, 0);  // old versions and weak certificates are wanted here
  must(SSL_CTX_set_min_proto_version(context_, options.min_tls_version) == 1, "the least version");
  must(SSL_CTX_set_max_proto_version(context_, options.max_tls_version) == 1, "the last version");
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  use_identity(context_, options.identity);
  if (!options.client_ca.empty()) demand_client_certificate(context_, options.client_ca);
}

ServerTls::~ServerTls() { SSL_CTX_free(context_); }

void Channel::Closed::operator()(ssl_st* tls) const { SSL_free(tls); }

Channel::Channel(int socket, int stop, std::function<void(std::string_view)> heard)
    : socket_(socket), stop_(stop), heard_(std::move(heard)) {}

Channel::~Channel() {
  tls_.reset();
  ::close(socket_);
}

Channel::Ready Channel::wait_for(short events, Deadline deadline) const {
  while (true) {
    const auto left = std::chrono::ceil<Millis>(deadline - Clock::now());
    if (left.count() < 0) return Ready::TooLate;
    pollfd watched[] = {{socket_, events, 0}, {stop_, POLLIN, 0}};
    const int ready = ::poll(watched, 2, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Ready::TooLate;
    return watched[1].revents != 0 ? Ready::Stopped : Ready::Yes;
  }
}

bool Channel::pause(Millis time) const {
  pollfd watched = {stop_, POLLIN, 0};
  return ::poll(&watched, 1, static_cast<int>(time.count())) == 0;
}

ReadEnd Channel::fill_raw(Deadline deadline, std::string& into) {
  while (true) {
    const Ready ready = wait_for(POLLIN, deadline);
    if (ready != Ready::Yes) return ready == Ready::TooLate ? ReadEnd::TooLate : ReadEnd::PeerGone;
    char block[16384];
    const ssize_t count = ::recv(socket_, block, sizeof block, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return ReadEnd::PeerGone;
    into.append(block, static_cast<std::size_t>(count));
    return ReadEnd::Done;
  }
}

ReadEnd Channel::fill_tls(Deadline deadline) {
  while (true) {
    char block[16384];
    std::size_t count = 0;
    ERR_clear_error();
    const int done = SSL_read_ex(tls_.get(), block, sizeof block, &count);
    if (done == 1) {
      input_.append(block, count);
      heard_({block, count});
      return ReadEnd::Done;
    }
    const int problem = SSL_get_error(tls_.get(), done);
    if (problem != SSL_ERROR_WANT_READ && problem != SSL_ERROR_WANT_WRITE) return ReadEnd::PeerGone;
    const Ready ready = wait_for(problem == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline);
    if (ready != Ready::Yes) return ready == Ready::TooLate ? ReadEnd::TooLate : ReadEnd::PeerGone;
  }
}

ReadEnd Channel::fill(Deadline deadline) {
  if (input_.size() > kMaxInput) return ReadEnd::PeerGone;
  if (tls_) return fill_tls(deadline);
  const std::size_t before = input_.size();
  const ReadEnd end = fill_raw(deadline, input_);
  if (end == ReadEnd::Done) heard_(std::string_view(input_).substr(before));
  return end;
}

ReadEnd Channel::read_line(std::string& line) {
  const Deadline deadline = Clock::now() + kPatience;
  std::size_t end = input_.find('\n');
  while (end == std::string::npos) {
    const ReadEnd read = fill(deadline);
    if (read != ReadEnd::Done) return read;
    end = input_.find('\n');
  }
  line = input_.substr(0, end);
  if (line.ends_with('\r')) line.pop_back();
  input_.erase(0, end + 1);
  return ReadEnd::Done;
}

ReadEnd Channel::read_message(std::string& message) {
  const Deadline deadline = Clock::now() + kPatience;
  std::size_t end = end_of_message(input_);
  while (end == std::string::npos) {
    const ReadEnd read = fill(deadline);
    if (read != ReadEnd::Done) return read;
    end = end_of_message(input_);
  }
  message = input_.substr(0, end);
  input_.erase(0, end);
  return ReadEnd::Done;
}

ReadEnd Channel::read_bytes(std::size_t count, std::string& bytes) {
  const Deadline deadline = Clock::now() + kPatience;
  while (input_.size() < count) {
    const ReadEnd read = fill(deadline);
    if (read != ReadEnd::Done) return read;
  }
  bytes = input_.substr(0, count);
  input_.erase(0, count);
  return ReadEnd::Done;
}

ReadEnd Channel::read_raw(std::string& bytes) { return fill_raw(Clock::now() + kPatience, bytes); }

std::string Channel::read_all(Millis limit) {
  const Deadline deadline = Clock::now() + limit;
  std::string all = std::exchange(input_, {});
  while (fill(deadline) == ReadEnd::Done) {
    // Only the first of it is kept: a client that talks for ever must not fill the memory.
    if (all.size() < 65536) all += input_;
    input_.clear();
  }
  return all;
}

bool Channel::write_raw(std::string_view bytes) {
  const Deadline deadline = Clock::now() + kPatience;
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EAGAIN && errno != EINTR) {
      return false;
    } else if (wait_for(POLLOUT, deadline) != Ready::Yes) {
      return false;
    }
  }
  return true;
}

bool Channel::write(std::string_view bytes) {
  if (!tls_) return write_raw(bytes);
  const Deadline deadline = Clock::now() + kPatience;
  while (!bytes.empty()) {
    std::size_t count = 0;
    ERR_clear_error();
    const int done = SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &count);
    if (done == 1) {
      bytes.remove_prefix(count);
      continue;
    }
    const int problem = SSL_get_error(tls_.get(), done);
    if (problem != SSL_ERROR_WANT_READ && problem != SSL_ERROR_WANT_WRITE) return false;
    if (wait_for(problem == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline) != Ready::Yes) {
      return false;
    }
  }
  return true;
}

bool Channel::start_tls(const ServerTls& server, TlsSeen& seen) {
  const Deadline deadline = Clock::now() + kPatience;
  std::unique_ptr<ssl_st, Closed> tls(SSL_new(server.context()));
  must(tls != nullptr && SSL_set_fd(tls.get(), socket_) == 1, "SSL_new");
  while (true) {
    ERR_clear_error();
    const int done = SSL_accept(tls.get());
    // The name is known after the ClientHello, also where the handshake then fails.
    if (const char* name = SSL_get_servername(tls.get(), TLSEXT_NAMETYPE_host_name)) {
      seen.server_name = name;
    }
    if (done == 1) break;
    const int problem = SSL_get_error(tls.get(), done);
    const bool wants = problem == SSL_ERROR_WANT_READ || problem == SSL_ERROR_WANT_WRITE;
    if (!wants) {
      seen.error = last_tls_error();
      return false;
    }
    if (wait_for(problem == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline) != Ready::Yes) {
      seen.error = "the client does not go on with the handshake";
      return false;
    }
  }
  describe_client(tls.get(), seen);
  tls_ = std::move(tls);
  return true;
}

void Channel::end_output(bool notify) {
  if (tls_ && notify) {
    ERR_clear_error();
    SSL_shutdown(tls_.get());
  }
  ::shutdown(socket_, SHUT_WR);
}

void Channel::reset() {
  const linger at_once = {1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace smtpprobe
