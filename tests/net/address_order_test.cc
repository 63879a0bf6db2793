#include "common/net/address_order.h"

#include <gtest/gtest.h>

namespace smtpprobe {
namespace {

using Addresses = std::vector<std::string>;

Addresses ordered(std::vector<Destination> destinations) {
  order_destinations(destinations);
  Addresses addresses;
  for (const Destination& one : destinations) addresses.push_back(one.address);
  return addresses;
}

// The examples of RFC 6724 section 10.2, with the source that section 10.1 would choose.
TEST(AddressOrderTest, IsThatOfTheExamplesInTheRfc) {
  EXPECT_EQ(ordered({{"198.51.100.121", "169.254.13.78"}, {"2001:db8:1::1", "2001:db8:1::2"}}),
            (Addresses{"2001:db8:1::1", "198.51.100.121"}));
  EXPECT_EQ(ordered({{"2001:db8:1::1", "fe80::1"}, {"198.51.100.121", "198.51.100.117"}}),
            (Addresses{"198.51.100.121", "2001:db8:1::1"}));
  EXPECT_EQ(ordered({{"10.1.2.3", "10.1.2.4"}, {"2001:db8:1::1", "2001:db8:1::2"}}),
            (Addresses{"2001:db8:1::1", "10.1.2.3"}));
  EXPECT_EQ(ordered({{"2001:db8:1::1", "2001:db8:1::2"}, {"fe80::1", "fe80::2"}}),
            (Addresses{"fe80::1", "2001:db8:1::1"}));
  EXPECT_EQ(ordered({{"2001:db8:1::1", "2001:db8:1::2"}, {"2001:db8:3ffe::1", "2001:db8:3f44::2"}}),
            (Addresses{"2001:db8:1::1", "2001:db8:3ffe::1"}));
  EXPECT_EQ(
      ordered({{"2002:c633:6401::1", "2002:c633:6401::2"}, {"2001:db8:1::1", "2002:c633:6401::2"}}),
      (Addresses{"2002:c633:6401::1", "2001:db8:1::1"}));
}

TEST(AddressOrderTest, WhatCannotBeReachedIsLast) {
  EXPECT_EQ(ordered({{"2001:db8::1", std::nullopt}, {"192.0.2.1", "192.0.2.7"}}),
            (Addresses{"192.0.2.1", "2001:db8::1"}));
}

TEST(AddressOrderTest, EqualOnesStayAsTheServerHadThem) {
  EXPECT_EQ(
      ordered({{"192.0.2.9", "192.0.2.7"}, {"192.0.2.1", "192.0.2.7"}, {"192.0.2.5", "192.0.2.7"}}),
      (Addresses{"192.0.2.9", "192.0.2.1", "192.0.2.5"}));
}

TEST(AddressOrderTest, TheKernelIsAskedForTheSources) {
  Addresses both{"127.0.0.1", "::1"};
  order_addresses(both);
  EXPECT_EQ(both, (Addresses{"::1", "127.0.0.1"}));
}

}  // namespace
}  // namespace smtpprobe
