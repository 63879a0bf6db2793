#include "common/net/interrupt.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace smtpprobe {

void Interrupt::request(std::string why) {
  boost::asio::post(executor_, [self = shared_from_this(), why = std::move(why)]() mutable {
    boost::asio::cancellation_signal* const signal = std::exchange(self->signal_, nullptr);
    if (signal == nullptr) return;
    self->why_ = std::move(why);
    signal->emit(boost::asio::cancellation_type::terminal);
  });
}

}  // namespace smtpprobe
