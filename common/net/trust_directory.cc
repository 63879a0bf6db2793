#include "common/net/trust_directory.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/regular_file.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1024} * 1024;  // of one file
constexpr int kMaxSameHash = 100;                            // files HASH.0, HASH.1 and so on

using Directories = std::vector<std::string>;

void free_directories(X509_LOOKUP* lookup) {
  delete static_cast<Directories*>(X509_LOOKUP_get_method_data(lookup));
}

// Nobody is there to ask.
int refuse_passphrase(char*, int, int, void*) { return -1; }

// All certificates of the file; false where there is none.
bool add_certificates(X509_STORE* store, const std::string& path) {
  RegularFile file(path);
  const std::optional<std::string> text = file.read(kMaxBytes);
  if (!text) return false;
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> pem(
      BIO_new_mem_buf(text->data(), static_cast<int>(text->size())), &BIO_free_all);
  bool any = false;
  while (pem) {
    const std::unique_ptr<X509, decltype(&X509_free)> one(
        PEM_read_bio_X509_AUX(pem.get(), nullptr, &refuse_passphrase, nullptr), &X509_free);
    if (!one) break;
    any = X509_STORE_add_cert(store, one.get()) == 1 || any;
  }
  return any;
}

// Whether `path` is there, as a file or as anything else.
bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool find_in_store(X509_STORE* store, const X509_NAME* name, X509_OBJECT* found) {
  X509_STORE_lock(store);
  X509_OBJECT* const object =
      X509_OBJECT_retrieve_by_subject(X509_STORE_get0_objects(store), X509_LU_X509, name);
  X509* const certificate = object != nullptr ? X509_OBJECT_get0_X509(object) : nullptr;
  const bool set = certificate != nullptr && X509_OBJECT_set1_X509(found, certificate) == 1;
  X509_STORE_unlock(store);
  // The caller counts one more reference, of one that it took for the store's own.
  if (set) X509_free(certificate);
  return set;
}

int find_by_subject(X509_LOOKUP* lookup, X509_LOOKUP_TYPE type, const X509_NAME* name,
                    X509_OBJECT* found) {
  if (type != X509_LU_X509) return 0;  // no revocation lists are asked for
  int hashed = 0;
  const unsigned long hash = X509_NAME_hash_ex(name, nullptr, nullptr, &hashed);
  if (hashed != 1) return 0;
  X509_STORE* const store = X509_LOOKUP_get_store(lookup);
  const auto& directories = *static_cast<Directories*>(X509_LOOKUP_get_method_data(lookup));
  bool any = false;
  ERR_set_mark();
  for (const std::string& directory : directories) {
    for (int number = 0; number < kMaxSameHash; ++number) {
      const std::string path = fmt::format("{}/{:08x}.{}", directory, hash, number);
      if (!exists(path)) break;
      any = add_certificates(store, path) || any;
    }
  }
  ERR_pop_to_mark();
  return any && find_in_store(store, name, found) ? 1 : 0;
}

X509_LOOKUP_METHOD* method() {
  static X509_LOOKUP_METHOD* const made = [] {
    X509_LOOKUP_METHOD* const fresh = X509_LOOKUP_meth_new("certificates in directories");
    if (fresh != nullptr) {
      X509_LOOKUP_meth_set_free(fresh, &free_directories);
      X509_LOOKUP_meth_set_get_by_subject(fresh, &find_by_subject);
    }
    return fresh;
  }();
  return made;
}

}  // namespace

bool add_trust_directories(SSL_CTX* context, std::string_view directories) {
  auto list = std::make_unique<Directories>();
  while (!directories.empty()) {
    const std::size_t colon = std::min(directories.find(':'), directories.size());
    if (colon > 0) list->emplace_back(directories.substr(0, colon));
    directories.remove_prefix(std::min(colon + 1, directories.size()));
  }
  if (method() == nullptr) return false;
  X509_LOOKUP* const lookup = X509_STORE_add_lookup(SSL_CTX_get_cert_store(context), method());
  // A store has one look-up of a method; a second call finds the first one's.
  if (lookup == nullptr || X509_LOOKUP_get_method_data(lookup) != nullptr) return false;
  return X509_LOOKUP_set_method_data(lookup, list.release()) == 1;
}

}  // namespace smtpprobe
