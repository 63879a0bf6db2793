// The scripted SMTP server: transcripts over real TCP (IPv4, IPv6), unix sockets and TLS, on the
// loopback, for tests and the demo. One thread for the listener and one for each connection; the
// destructor ends them all and waits for them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/fake_server/test_certificates.h"
#include "tests/fake_server/transcript.h"

namespace smtpprobe {

struct FakeServerOptions {
  // An IPv4 or IPv6 literal, or "unix:/path" (the file is removed at the end).
  std::string address = "127.0.0.1";
  int port = 0;  // 0: the kernel's choice
  // What the server shows: the leaf's chain in the order it is to be sent, and the leaf's key.
  // Empty: a self-signed certificate for localhost, 127.0.0.1 and ::1, made when first needed.
  TestCertificate identity;
  // 0: OpenSSL's default. Else TLS1_VERSION .. TLS1_3_VERSION (SECLEVEL is lowered for the old
  // ones).
  int min_tls_version = 0;
  int max_tls_version = 0;
  std::string client_ca;  // PEM; not empty: a client certificate from this CA is demanded
  // Called with each line of the dialogue ("C: EHLO probe.test"), from any of the threads.
  std::function<void(int connection, const std::string& line)> log;
};

// What one handshake showed of the client.
struct TlsSeen {
  std::string version;         // "TLSv1.3"; empty: the handshake failed
  std::string server_name;     // SNI; empty: none
  std::string client_subject;  // of the client's certificate, one line
  std::string error;           // OpenSSL's words when it failed
};

class FakeServer {
 public:
  // Each connection is played `script`.
  explicit FakeServer(Transcript script, FakeServerOptions options = {});
  // The first connection the first script, ..., the last one all that follow.
  explicit FakeServer(std::vector<Transcript> scripts, FakeServerOptions options = {});
  // A small well-behaved mail server (mail_server.h) on every connection.
  struct Mail {};
  FakeServer(Mail, FakeServerOptions options);
  // Parses the text of a transcript; aborts the program with the error when it is none.
  static FakeServer from_text(std::string_view script, FakeServerOptions options = {});
  // tests/transcripts/NAME.txt, with SMTPPROBE_TESTS_DIR as `tests_dir`.
  static FakeServer from_file(const std::string& tests_dir, const std::string& name,
                              FakeServerOptions options = {});

  FakeServer(FakeServer&&) noexcept;
  FakeServer& operator=(FakeServer&&) = delete;
  ~FakeServer();

  int port() const;                    // 0 for a unix socket
  const std::string& address() const;  // as in the options
  // PEM of what a client must trust to verify the server: the last certificate of the identity.
  const std::string& trust_anchor() const;

  // So far, over all connections, in the order of arrival. A message is one entry.
  std::vector<std::string> received() const;
  std::string received_bytes() const;  // raw, line ends included
  // "connection 1, line 7: wanted \"QUIT\", got \"RSET\"", also for what was said behind the end.
  std::vector<std::string> mismatches() const;
  std::vector<TlsSeen> handshakes() const;
  int connections() const;  // accepted so far
  // Waits until every accepted connection has ended; false when `limit` has passed first. Call it
  // before looking at mismatches(): the server may still be reading.
  bool wait_idle(std::chrono::milliseconds limit = std::chrono::seconds(5)) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace smtpprobe
