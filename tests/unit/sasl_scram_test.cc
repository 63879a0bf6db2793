// SCRAM against a server of the test's own, which is itself checked against the vectors of RFC 5802
// and RFC 7677: the library makes its own nonces, so the vectors cannot be played to it.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "common/smtp/base64.h"
#include "common/smtp/sasl.h"

namespace smtpprobe {
namespace {

std::unique_ptr<SaslClient> client(Mechanism mechanism, std::string name, std::string password) {
  Credentials credentials;
  credentials.username = std::move(name);
  credentials.password = std::move(password);
  std::string why;
  auto made = make_sasl_client(mechanism, credentials, &why);
  EXPECT_NE(made, nullptr) << why;
  return made;
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

class ScramServer {
 public:
  ScramServer(const EVP_MD* digest, std::string_view password, std::string salt,
              unsigned iterations)
      : digest_(digest), salt_(std::move(salt)), iterations_(iterations) {
    std::string salted(static_cast<std::size_t>(EVP_MD_get_size(digest)), '\0');
    EXPECT_EQ(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt_),
                                static_cast<int>(salt_.size()), static_cast<int>(iterations),
                                digest, static_cast<int>(salted.size()),
                                reinterpret_cast<unsigned char*>(salted.data())),
              1);
    client_key_ = hmac(salted, "Client Key");
    server_key_ = hmac(salted, "Server Key");
  }

  std::string first(std::string_view client_first, std::string_view nonce_part) {
    client_first_bare_ = client_first.substr(3);  // behind "n,,"
    nonce_ =
        client_first_bare_.substr(client_first_bare_.rfind("r=") + 2) + std::string(nonce_part);
    first_ = "r=" + nonce_ + ",s=" + base64_encode(salt_) + ",i=" + std::to_string(iterations_);
    return first_;
  }

  // The server-final-message; empty when the client's proof is wrong.
  std::string final(std::string_view client_final) {
    const std::size_t proof_at = client_final.rfind(",p=");
    if (proof_at == std::string_view::npos) return {};
    if (client_final.substr(0, proof_at) != "c=biws,r=" + nonce_) return {};
    std::string proof = hmac(hash(client_key_), auth_message());
    for (std::size_t i = 0; i < proof.size(); ++i)
      proof[i] = static_cast<char>(proof[i] ^ client_key_[i]);
    if (base64_encode(proof) != client_final.substr(proof_at + 3)) return {};
    return signature();
  }

  // The same without a look at the client's proof.
  std::string signature() const { return "v=" + base64_encode(hmac(server_key_, auth_message())); }

 private:
  std::string auth_message() const {
    return client_first_bare_ + "," + first_ + ",c=biws,r=" + nonce_;
  }
  std::string hmac(std::string_view key, std::string_view data) const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned size = 0;
    HMAC(digest_, key.data(), static_cast<int>(key.size()), bytes(data), data.size(), out.data(),
         &size);
    return {out.begin(), out.begin() + size};
  }
  std::string hash(std::string_view data) const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned size = 0;
    EVP_Digest(data.data(), data.size(), out.data(), &size, digest_, nullptr);
    return {out.begin(), out.begin() + size};
  }

  const EVP_MD* digest_;
  std::string salt_;
  unsigned iterations_;
  std::string client_key_;
  std::string server_key_;
  std::string client_first_bare_;
  std::string nonce_;
  std::string first_;
};

struct ScramCase {
  Mechanism mechanism;
  const EVP_MD* (*digest)();
};
const std::array kScram = {ScramCase{Mechanism::ScramSha1, EVP_sha1},
                           ScramCase{Mechanism::ScramSha256, EVP_sha256}};

// The oracle first: the exchange of RFC 5802 s5 (RFC 7677 s3) with its own nonces.
TEST(SaslScram, TheTestsServerKnowsTheVectorsOfTheRfcs) {
  ScramServer sha1(EVP_sha1(), "pencil", *base64_decode("QSXCR+Q6sek8bf92"), 4096);
  EXPECT_EQ(sha1.first("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j"),
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
  EXPECT_EQ(sha1.final("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
                       "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="),
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
  ScramServer sha256(EVP_sha256(), "pencil", *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
  EXPECT_EQ(sha256.first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  EXPECT_EQ(sha256.final("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                         "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  EXPECT_EQ(sha256.final("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                         "p=AHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
            "");
}

TEST(SaslScram, CompletesOnlyWithTheServersSignature) {
  for (const auto& [mechanism, digest] : kScram) {
    SCOPED_TRACE(mechanism_name(mechanism));
    for (const unsigned iterations : {4096U, 10'000U}) {
      ScramServer server(digest(), "pencil", "a salt", iterations);
      auto scram = client(mechanism, "user", "pencil");
      ASSERT_TRUE(scram->speaks_first());
      const auto first = scram->step("");
      ASSERT_EQ(first.reason, Reason::None) << first.detail;
      EXPECT_EQ(first.response.substr(0, 12), "n,,n=user,r=");
      EXPECT_GE(first.response.size(), 12U + 16U);
      const auto proof = scram->step(server.first(first.response, "theirs"));
      ASSERT_EQ(proof.reason, Reason::None) << proof.detail;
      EXPECT_FALSE(scram->complete());
      const std::string final = server.final(proof.response);
      ASSERT_NE(final, "") << "the client's proof is wrong";
      const auto last = scram->step(final);
      EXPECT_EQ(last.reason, Reason::None) << last.detail;
      EXPECT_EQ(last.response, "");
      EXPECT_TRUE(scram->complete());
      EXPECT_EQ(scram->step(final).reason, Reason::AuthProtocol);
      EXPECT_FALSE(scram->complete());
    }
  }
}

TEST(SaslScram, ItsNonceIsNewEachTime) {
  EXPECT_NE(client(Mechanism::ScramSha256, "u", "p")->step("").response,
            client(Mechanism::ScramSha256, "u", "p")->step("").response);
}

TEST(SaslScram, PreparesAndEncodesNames) {
  // SASLprep (RFC 4013 s3): U+00AA becomes "a", U+00AD vanishes. "," and "=" are escaped.
  ScramServer server(EVP_sha256(), "IX", "salt", 4096);
  auto scram = client(Mechanism::ScramSha256, "a,b=\u00AA", "I\u00ADX");
  const auto first = scram->step("");
  EXPECT_EQ(first.response.substr(0, 17), "n,,n=a=2Cb=3Da,r=");
  const auto proof = scram->step(server.first(first.response, "x"));
  const std::string final = server.final(proof.response);
  ASSERT_NE(final, "");
  EXPECT_EQ(scram->step(final).reason, Reason::None);
  EXPECT_TRUE(scram->complete());
}

TEST(SaslScram, RefusesWrongAndMissingSignatures) {
  for (const auto& [mechanism, digest] : kScram) {
    for (int fault = 0; fault < 7; ++fault) {
      SCOPED_TRACE(testing::Message() << mechanism_name(mechanism) << " fault " << fault);
      ScramServer server(digest(), "pencil", "salt", 4096);
      auto scram = client(mechanism, "user", "pencil");
      const auto proof = scram->step(server.first(scram->step("").response, "x"));
      std::string final = server.final(proof.response);
      ASSERT_GT(final.size(), 10U);
      if (fault == 0) final[5] = final[5] == 'A' ? 'B' : 'A';
      if (fault == 1) final = "";
      if (fault == 2) final = "v=";
      if (fault == 3) final = "v=****";
      if (fault == 4) final.resize(final.size() - 4);
      if (fault == 5) final = "ok";
      if (fault == 6) final = "v=" + base64_encode(std::string(4000, 'x'));
      const auto last = scram->step(final);
      EXPECT_EQ(last.reason, Reason::AuthServerSignature);
      EXPECT_EQ(last.response, "");
      EXPECT_NE(last.detail.find("signature"), std::string::npos);
      EXPECT_FALSE(scram->complete());
    }
  }
}

// Who does not know the password can sign, too, but with the key of another one.
TEST(SaslScram, RefusesTheSignatureOfAnImpostor) {
  for (const std::string_view known : {"pencil", "guess"}) {
    SCOPED_TRACE(known);
    ScramServer server(EVP_sha256(), known, "salt", 4096);
    auto scram = client(Mechanism::ScramSha256, "user", "pencil");
    const auto proof = scram->step(server.first(scram->step("").response, "x"));
    ASSERT_EQ(proof.reason, Reason::None);
    const bool honest = known == "pencil";
    EXPECT_EQ(server.final(proof.response).empty(), !honest);
    EXPECT_EQ(scram->step(server.signature()).reason,
              honest ? Reason::None : Reason::AuthServerSignature);
    EXPECT_EQ(scram->complete(), honest);
  }
}

TEST(SaslScram, LeavesAnErrorToTheReply) {
  ScramServer server(EVP_sha256(), "pencil", "salt", 4096);
  auto scram = client(Mechanism::ScramSha256, "user", "wrong");
  const auto proof = scram->step(server.first(scram->step("").response, "x"));
  EXPECT_EQ(server.final(proof.response), "");
  const auto answer = scram->step("e=invalid-proof");
  EXPECT_EQ(answer.reason, Reason::None);
  EXPECT_EQ(answer.response, "");
  EXPECT_NE(answer.detail.find("e=invalid-proof"), std::string::npos);
  EXPECT_FALSE(scram->complete());
  EXPECT_EQ(scram->step("v=AAAA").reason, Reason::AuthProtocol);
  auto early = client(Mechanism::ScramSha256, "nobody", "x");
  early->step("");
  EXPECT_EQ(early->step("e=unknown-user").reason, Reason::None);
  EXPECT_FALSE(early->complete());
}

TEST(SaslScram, BoundsTheIterationCount) {
  struct Case {
    std::string_view count;
    Reason reason;
  };
  for (const auto& [count, reason] : {
           Case{"4096", Reason::None},
           Case{"600000", Reason::None},
           Case{"4095", Reason::AuthLimits},
           Case{"600001", Reason::AuthLimits},
           Case{"1", Reason::AuthLimits},
           Case{"2147483648", Reason::AuthLimits},
           Case{"4294971392", Reason::AuthLimits},  // 2^32 + 4096
           Case{"99999999999999999999999999999", Reason::AuthLimits},
           Case{"0", Reason::AuthProtocol},
           Case{"04096", Reason::AuthProtocol},
           Case{"-4096", Reason::AuthProtocol},
           Case{"+4096", Reason::AuthProtocol},
           Case{"4096x", Reason::AuthProtocol},
           Case{"0x1000", Reason::AuthProtocol},
           Case{"", Reason::AuthProtocol},
       }) {
    SCOPED_TRACE(count);
    auto scram = client(Mechanism::ScramSha1, "user", "pencil");
    const std::string first = scram->step("").response;
    const std::string nonce = first.substr(first.rfind("r=") + 2);
    const auto answer = scram->step("r=" + nonce + "x,s=QSXCR+Q6sek8bf92,i=" + std::string(count));
    EXPECT_EQ(answer.reason, reason) << answer.detail;
    EXPECT_FALSE(scram->complete());
    if (reason == Reason::AuthLimits) {
      EXPECT_EQ(answer.response, "");
      EXPECT_NE(answer.detail.find(count.substr(0, 20)), std::string::npos) << answer.detail;
    }
  }
}

TEST(SaslScram, RefusesMalformedChallenges) {
  // "@" stands for our nonce.
  for (const std::string_view text : {
           "r=@,s=QSXCR+Q6sek8bf92,i=4096",         // not extended
           "r=other,s=QSXCR+Q6sek8bf92,i=4096",     // not ours
           "r=x@y,s=QSXCR+Q6sek8bf92,i=4096",       // ours, but not in front
           "r=,s=QSXCR+Q6sek8bf92,i=4096",          //
           "r=@x,s=,i=4096",                        // no salt
           "r=@x,s=Q!XC,i=4096",                    // no base64
           "r=@x,s=QSXCR+Q6sek8bf9,i=4096",         // padding
           "r=@x,i=4096,s=QSXCR+Q6sek8bf92",        // order
           "m=ext,r=@x,s=QSXCR+Q6sek8bf92,i=4096",  // a mandatory extension nobody knows
           "r=@x,s=QSXCR+Q6sek8bf92",               //
           "r=@x",                                  //
           "",                                      //
           ",",                                     //
           "r",                                     //
           "r=@x,s=QSXCR+Q6sek8bf92,i=4096\n",      //
           "r=@x\t,s=QSXCR+Q6sek8bf92,i=4096",      //
           "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",        // the end before the middle
           " r=@x,s=QSXCR+Q6sek8bf92,i=4096",       //
           "{\"status\":\"401\"}",                  //
       }) {
    SCOPED_TRACE(text);
    auto scram = client(Mechanism::ScramSha256, "user", "pencil");
    const std::string first = scram->step("").response;
    std::string challenge(text);
    if (const auto at = challenge.find('@'); at != std::string::npos)
      challenge.replace(at, 1, first.substr(first.rfind("r=") + 2));
    const auto answer = scram->step(challenge);
    EXPECT_EQ(answer.reason, Reason::AuthProtocol);
    EXPECT_EQ(answer.response, "");
    EXPECT_FALSE(answer.detail.empty());
    EXPECT_EQ(answer.detail.find("pencil"), std::string::npos);
    EXPECT_EQ(scram->step(challenge).reason, Reason::AuthProtocol);
    EXPECT_FALSE(scram->complete());
  }
}

}  // namespace
}  // namespace smtpprobe
