#include "common/net/interrupt.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace smtpprobe {

void Interrupt::request(std::string why, std::optional<unsigned> attempt) {
  boost::asio::post(executor_,
                    [self = shared_from_this(), why = std::move(why), attempt]() mutable {
                      if (attempt && *attempt != self->attempt_) return;
                      if (self->signal_ == nullptr) return;
                      if (!attempt) self->for_good_ = true;
                      if (self->why_) return;
                      self->why_ = std::make_unique<const std::string>(std::move(why));
                      self->signal_->emit(boost::asio::cancellation_type::terminal);
                    });
}

void Interrupt::begin_next_attempt() {
  ++attempt_;
  why_.reset();
}

}  // namespace smtpprobe
