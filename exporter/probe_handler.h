// /probe: from a request to the metrics of one probe. Law: what is wrong with the request is 400,
// what is not allowed 403, what there is no room for 503; what is wrong with a mail server is 200
// and probe_success 0.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <unordered_map>
#include <vector>

#include "exporter/event_loop.h"
#include "exporter/http_message.h"
#include "exporter/probe_order.h"
#include "exporter/probe_service.h"

namespace smtpprobe {

class ProbeHandler {
 public:
  // `offset` is taken off the scrape's timeout.
  ProbeHandler(ProbeService& service, SelfMetrics& metrics, std::size_t loops, Duration offset)
      : service_(service), metrics_(metrics), offset_(offset), known_(loops) {}

  // Of requests that were understood, for all loops together.
  static constexpr std::size_t kCachedBytes = std::size_t{8} * 1024 * 1024;
  std::size_t cached_bytes() const;  // while no loop runs

  boost::asio::awaitable<HttpResponse> answer(EventLoop& loop, const HttpRequest& request);

 private:
  // A request that has been understood.
  struct Asked {
    ProbeOrder order;
    bool debug = false;
    bool page = false;
  };
  using AskedOrNot = tl::expected<Asked, HttpResponse>;
  // What was understood under one configuration, of one loop.
  struct Known {
    std::shared_ptr<const ServedConfig> config;
    std::unordered_map<std::string, Asked> asked;
    std::size_t bytes = 0;  // of `asked`
  };
  static constexpr std::size_t kLongestKnown = 512;  // bytes of a key

  AskedOrNot read(EventLoop& loop, const HttpRequest& request) const;
  void keep(Known& known, std::string key, const Asked& asked);
  AskedOrNot understand(EventLoop& loop, const HttpRequest& request);
  boost::asio::awaitable<HttpResponse> probe(EventLoop& loop, Asked asked,
                                             ProbeService::Admission admission);
  static HttpResponse rendered(const ProbeRecord& record, const Asked& asked);

  ProbeService& service_;
  SelfMetrics& metrics_;
  Duration offset_;
  std::vector<Known> known_;  // by loop
};

}  // namespace smtpprobe
