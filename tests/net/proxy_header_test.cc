#include "common/net/proxy_header.h"

#include <gtest/gtest.h>

#include <string_view>

namespace smtpprobe {
namespace {

using namespace std::string_view_literals;

ProxyEnd v4(std::uint8_t last, std::uint16_t port) {
  return {4, {192, 0, 2, last}, "192.0.2." + std::to_string(last), port};
}

ProxyEnd v6(std::uint8_t last, std::uint16_t port) {
  return {6,
          {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last},
          "2001:db8::" + std::to_string(last),
          port};
}

TEST(ProxyHeaderTest, NoneIsEmpty) {
  EXPECT_EQ(proxy_header(ProxyHeader::None, v4(7, 41234), v4(1, 25)), "");
}

TEST(ProxyHeaderTest, Version1HasTheTrueAddresses) {
  EXPECT_EQ(proxy_header(ProxyHeader::V1, v4(7, 41234), v4(1, 25)),
            "PROXY TCP4 192.0.2.7 192.0.2.1 41234 25\r\n");
  EXPECT_EQ(proxy_header(ProxyHeader::V1, v6(7, 65535), v6(1, 465)),
            "PROXY TCP6 2001:db8::7 2001:db8::1 65535 465\r\n");
}

TEST(ProxyHeaderTest, Version1StaysWithin107Bytes) {
  ProxyEnd end = v6(1, 65535);
  end.ip_text = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  EXPECT_LE(proxy_header(ProxyHeader::V1, end, end).size(), 107U);
}

TEST(ProxyHeaderTest, Version2WithIpv4Is28Bytes) {
  EXPECT_EQ(proxy_header(ProxyHeader::V2, v4(7, 0xa112), v4(1, 25)),
            "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x01\xa1\x12\0\x19"sv);
}

TEST(ProxyHeaderTest, Version2WithIpv6Is52Bytes) {
  EXPECT_EQ(proxy_header(ProxyHeader::V2, v6(7, 0xa112), v6(1, 0x1d1)),
            "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
            "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
            "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
            "\xa1\x12\x01\xd1"sv);
}

TEST(ProxyHeaderTest, LocalIs16BytesWhateverTheAddresses) {
  constexpr auto kWanted = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"sv;
  EXPECT_EQ(proxy_header(ProxyHeader::Local, v4(7, 41234), v4(1, 25)), kWanted);
  EXPECT_EQ(proxy_header(ProxyHeader::Local, {}, {}), kWanted);
}

TEST(ProxyHeaderTest, WhatHasNoUsableAddressIsSaidAsSuch) {
  EXPECT_EQ(proxy_header(ProxyHeader::V1, {}, {}), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(proxy_header(ProxyHeader::V1, v4(7, 1), v6(1, 25)), "PROXY UNKNOWN\r\n");
  const std::string local = proxy_header(ProxyHeader::Local, {}, {});
  EXPECT_EQ(proxy_header(ProxyHeader::V2, {}, {}), local);
  EXPECT_EQ(proxy_header(ProxyHeader::V2, v6(7, 1), v4(1, 25)), local);
}

}  // namespace
}  // namespace smtpprobe
