// What TlsContext::create() makes of the user's files: trust, client certificate, key.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/net/tls_pair.h"

namespace smtpprobe {
namespace {

// What create() says; "" when it is content.
std::string complaint(const TlsPlan& plan, TlsVerify verify = TlsVerify::Report) {
  const Result<std::shared_ptr<const TlsContext>> made = TlsContext::create(plan, verify);
  return made ? "" : made.error().text;
}

// Keys made for this test alone, with the passphrase "secret": written out, for OpenSSL as the
// check starts it can make neither.
constexpr std::string_view kEncryptedPkcs8 =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjWx8dr43ikagICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIWwTjmTFTPxPhzll3J26LwEgZBt\n"
    "VdFEp2M/Xa/Ce9nPu8Bh6MvIu373d4EUgjrGfNDqASg3a/377aKQA/O2Y5S5Zvvl\n"
    "57ID53bA1Uu/EVBw8kGmm6xuofWdOZH1RCF9Wovo+T17UiWt4lpzR3/DAqz3uw8U\n"
    "JGh4yhht5U/wEL4JfFpJ9rqFs+Zn2WaSZ6d5bFsZ5UPlklB3vPBefA7+szkD8kU=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";
constexpr std::string_view kEncryptedTraditional =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,7039CB834DA3B94D4B4BB2005F56CFB8\n"
    "\n"
    "YiWjgObWy41yZvsnWfQhhA55A19T6PnK6n+OMJUTGtEJ4XG0tKnecPbVgSu+QCDo\n"
    "DpBE7L7fA9q1UQjiSJF/2lU4n1EAkHzyjyaPHikH9iJM4zi0NZwefTJCSMzHsY/F\n"
    "S9/Q4GRv23EhNjdnCioCTHWnodEjjQIXEC+PtQd0UC4=\n"
    "-----END EC PRIVATE KEY-----\n";

bool verifies(const TlsPlan& plan) {
  const ContextHandle server = server_context(pki().server, {});
  TlsPair pair(context_of(plan)->new_session("mx.test"), server.get());
  pair.handshake();
  return pair.facts().verified();
}

std::string hashed_name(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> x509(
      PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr), &X509_free);
  char name[32];
  std::snprintf(name, sizeof name, "%08lx.0", X509_subject_name_hash(x509.get()));
  return name;
}

TEST(TlsTrustTest, TheSystemsTrustDoesNotKnowTheTestsRoot) { EXPECT_FALSE(verifies({})); }

TEST(TlsTrustTest, AHashedDirectoryIsTrusted) {
  const Folder folder;
  folder.write(hashed_name(pki().root.chain), pki().root.chain);
  TlsPlan plan;
  plan.ca_path = folder.path();
  EXPECT_TRUE(verifies(plan));
  const Environment directory("SSL_CERT_DIR", "/nonexistent:" + folder.path());
  EXPECT_TRUE(verifies({}));
}

// Two authorities of one name, and a FIFO that is called like a third.
TEST(TlsTrustTest, AHashedDirectoryHasSeveralOfOneNameAndNoFileBlocks) {
  const Folder folder;
  const std::string name = hashed_name(pki().root.chain);
  const std::string stem = name.substr(0, name.size() - 1);
  const TestPki other = TestPki::make();
  folder.write(stem + "0", other.root.chain);
  ASSERT_EQ(::mkfifo((folder.path() + "/" + stem + "1").c_str(), 0600), 0);
  TlsPlan plan;
  plan.ca_path = folder.path();
  EXPECT_FALSE(verifies(plan));
  folder.write(stem + "2", pki().root.chain);
  EXPECT_TRUE(verifies(plan));
}

TEST(TlsTrustTest, TheEnvironmentsFileIsTrustedAndMustBeReadable) {
  const Folder folder;
  const Environment file("SSL_CERT_FILE", folder.write("ca.pem", pki().root.chain));
  EXPECT_TRUE(verifies({}));
  const Environment gone("SSL_CERT_FILE", folder.path() + "/gone.pem");
  EXPECT_EQ(complaint({}), "SSL_CERT_FILE: got '" + folder.path() +
                               "/gone.pem' (No such file or directory), expected a readable file "
                               "of PEM certificates");
}

TEST(TlsTrustTest, AnAuthorityOfThePlanReplacesTheSystems) {
  const Folder folder;
  const Environment file("SSL_CERT_FILE", folder.write("root.pem", pki().root.chain));
  TlsPlan plan;
  plan.ca_file = folder.write("other.pem", make_certificate(CertificateRequest{}).chain);
  EXPECT_FALSE(verifies(plan));
}

TEST(TlsTrustTest, BadFilesAreNamedWithWhatIsWanted) {
  const Folder folder;
  const std::string wanted = ", expected a readable file of PEM certificates";
  TlsPlan plan;
  plan.ca_file = folder.path() + "/none.pem";
  EXPECT_EQ(complaint(plan),
            "ca_file: got '" + plan.ca_file + "' (No such file or directory)" + wanted);
  plan.ca_file = folder.path();
  EXPECT_EQ(complaint(plan), "ca_file: got '" + folder.path() + "' (is a directory)" + wanted);
  plan.ca_file = folder.write("text.pem", "no certificate\n");
  EXPECT_EQ(complaint(plan),
            "ca_file: got '" + plan.ca_file + "' (no certificate or crl found)" + wanted);
  plan.ca_file = folder.write("empty.pem", "");
  EXPECT_EQ(complaint(plan).find("ca_file: got '" + plan.ca_file + "' ("), 0u);
  plan.ca_file = folder.write("broken.pem", pki().root.chain.substr(0, 200));
  EXPECT_EQ(complaint(plan).find("ca_file: got '" + plan.ca_file + "' ("), 0u);
  plan.ca_file.clear();
  plan.ca_path = folder.write("file.pem", pki().root.chain);
  EXPECT_EQ(complaint(plan),
            "ca_path: got '" + plan.ca_path +
                "' (not a directory), expected a directory made by openssl rehash");
  plan.ca_path = folder.path() + "/none";
  EXPECT_NE(complaint(plan).find("No such file or directory"), std::string::npos);
}

TEST(TlsTrustTest, TrustIsNotReadWhenNothingIsVerified) {
  TlsPlan plan;
  plan.ca_file = "/nonexistent";
  EXPECT_EQ(complaint(plan, TlsVerify::Off), "");
}

TEST(TlsTrustTest, AFileWithoutPermissionIsRefused) {
  const Folder folder;
  TlsPlan plan;
  plan.ca_file = folder.write("secret.pem", pki().root.chain);
  std::filesystem::permissions(plan.ca_file, std::filesystem::perms::none);
  const bool root = ::geteuid() == 0;  // reads every file
  ASSERT_EQ(root ? ::seteuid(65534) : 0, 0);
  const std::string said = complaint(plan);
  ASSERT_EQ(root ? ::seteuid(0) : 0, 0);
  EXPECT_NE(said.find("Permission denied"), std::string::npos) << said;
}

class ClientCertificateTest : public testing::Test {
 protected:
  ClientCertificateTest() {
    plan_.cert_file = folder_.write("client.pem", pki().client.chain);
    plan_.key_file = folder_.write("client.key", pki().client.key);
  }

  Folder folder_;
  TlsPlan plan_;
};

TEST_F(ClientCertificateTest, IsSent) {
  ServerSettings settings;
  settings.wants_client_certificate = true;
  const ContextHandle server = server_context(pki().server, settings);
  TlsPair pair(context_of(plan_)->new_session("mx.test"), server.get());
  EXPECT_FALSE(pair.handshake().has_value());
  X509* seen = SSL_get0_peer_certificate(pair.server());
  ASSERT_NE(seen, nullptr);
  char name[64];
  X509_NAME_get_text_by_NID(X509_get_subject_name(seen), NID_commonName, name, sizeof name);
  EXPECT_STREQ(name, "client.test");
}

TEST_F(ClientCertificateTest, TheKeyMayStandInTheSameFile) {
  plan_.cert_file = folder_.write("both.pem", pki().client.chain + pki().client.key);
  plan_.key_file.clear();
  EXPECT_EQ(complaint(plan_), "");
}

TEST_F(ClientCertificateTest, AnotherKeyIsRefused) {
  const std::string wanted = ", expected the key of certificate " + plan_.cert_file;
  plan_.key_file = folder_.write("other.key", pki().server.key);
  EXPECT_EQ(complaint(plan_),
            "key_file: got '" + plan_.key_file + "' (key values mismatch)" + wanted);
  CertificateRequest request;
  request.rsa = true;
  plan_.key_file = folder_.write("rsa.key", make_certificate(request).key);
  const std::string other_type = complaint(plan_);
  EXPECT_EQ(other_type.find("key_file: got '" + plan_.key_file + "' ("), 0u) << other_type;
  EXPECT_NE(other_type.find(wanted), std::string::npos) << other_type;
}

TEST_F(ClientCertificateTest, AnEncryptedKeyIsRefusedWithoutAsking) {
  for (const std::string_view key : {kEncryptedPkcs8, kEncryptedTraditional}) {
    plan_.key_file = folder_.write("locked.key", key);
    EXPECT_EQ(complaint(plan_), "key_file: got '" + plan_.key_file +
                                    "' (is encrypted), expected a PEM private key without a "
                                    "passphrase");
  }
}

TEST_F(ClientCertificateTest, BadFilesAreNamedWithWhatIsWanted) {
  const std::string good_certificate = plan_.cert_file;
  plan_.cert_file = folder_.path() + "/none.pem";
  EXPECT_EQ(complaint(plan_), "cert_file: got '" + plan_.cert_file +
                                  "' (No such file or directory), expected PEM certificates, the "
                                  "client's own first");
  plan_.cert_file = folder_.write("key-only.pem", pki().client.key);
  EXPECT_NE(complaint(plan_).find("(no start line), expected PEM certificates"), std::string::npos)
      << complaint(plan_);
  plan_.cert_file = good_certificate;
  plan_.key_file = good_certificate;
  EXPECT_EQ(complaint(plan_).find("key_file: got '" + good_certificate + "' ("), 0u);
  EXPECT_NE(complaint(plan_).find("expected a PEM private key"), std::string::npos)
      << complaint(plan_);
  plan_.key_file = folder_.path();
  EXPECT_NE(complaint(plan_).find("(is a directory), "), std::string::npos);
  plan_.key_file = folder_.path() + "/none.key";
  EXPECT_NE(complaint(plan_).find("(No such file or directory), "), std::string::npos);
}

TEST_F(ClientCertificateTest, AKeyNeedsACertificate) {
  plan_.cert_file.clear();
  EXPECT_EQ(complaint(plan_),
            "key_file: got '" + plan_.key_file +
                "' (has no certificate to go with), expected a client certificate "
                "too");
}

}  // namespace
}  // namespace smtpprobe
