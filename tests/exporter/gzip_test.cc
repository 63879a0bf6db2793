// Every stream is read back by zlib itself; Accept-Encoding by the cases of RFC 9110 s12.5.3.
#include "exporter/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <string>
#include <string_view>

namespace smtpprobe {
namespace {

// What one whole gzip stream holds; anything else is a failure.
std::string gunzip(std::string stream, std::size_t max_bytes) {
  z_stream z{};
  constexpr int kGzipOnly = 15 + 16;
  EXPECT_EQ(inflateInit2(&z, kGzipOnly), Z_OK);
  std::string text(max_bytes + 1, '\0');
  z.next_in = reinterpret_cast<Bytef*>(stream.data());
  z.avail_in = static_cast<uInt>(stream.size());
  z.next_out = reinterpret_cast<Bytef*>(text.data());
  z.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(z.avail_in, 0U) << "bytes behind the end of the stream";
  text.resize(text.size() - z.avail_out);
  inflateEnd(&z);
  return text;
}

std::string exposition_of(int steps) {
  std::string text;
  for (int step = 0; step < steps; ++step) {
    text += "probe_smtp_step_duration_seconds{step=\"s" + std::to_string(step) + "\"} 0.00" +
            std::to_string(step * 7919) + "\n";
  }
  return text;
}

std::string noise(std::size_t bytes) {
  std::mt19937 random(1);  // NOLINT: the same noise every time
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(random() & 0xffU);
  return text;
}

TEST(Gzip, IsReadBackByZlib) {
  Gzip gzip;
  for (const std::string& text :
       {std::string(), std::string("x"), exposition_of(50), exposition_of(20'000)}) {
    EXPECT_EQ(gunzip(gzip.compress(text), text.size()), text) << text.size() << " bytes";
  }
}

TEST(Gzip, TakesWhatCannotBeMadeSmaller) {
  Gzip gzip;
  for (const std::size_t bytes : {100U, 65'536U, 1'000'000U}) {
    const std::string text = noise(bytes);
    EXPECT_EQ(gunzip(gzip.compress(text), text.size()), text) << bytes << " bytes";
  }
}

TEST(Gzip, MakesAnExpositionMuchSmaller) {
  Gzip gzip;
  const std::string text = exposition_of(200);
  EXPECT_LT(gzip.compress(text).size() * 3, text.size());
}

TEST(Gzip, GivesTheSameBytesForTheSameText) {
  Gzip gzip;
  const std::string first = gzip.compress(exposition_of(30));
  gzip.compress(noise(100'000));
  EXPECT_EQ(gzip.compress(exposition_of(30)), first);
  EXPECT_EQ(Gzip().compress(exposition_of(30)), first);
}

// RFC 1952 s2.3: the magic number, deflate, no flags, no time.
TEST(Gzip, HasAPlainHeader) {
  const std::string stream = Gzip().compress("text");
  ASSERT_GE(stream.size(), 18U);
  EXPECT_EQ(stream.substr(0, 8), std::string_view("\x1f\x8b\x08\0\0\0\0\0", 8));
}

TEST(AcceptsGzip, ByNameOrByStar) {
  for (const std::string_view field : {"gzip",
                                       "GZip",
                                       "x-gzip",
                                       "gzip, deflate, br",
                                       "deflate,gzip",
                                       " gzip ",
                                       "\tgzip\t",
                                       "br;q=1.0, gzip;q=0.8, *;q=0.1",
                                       "*",
                                       "*;q=0.5",
                                       "gzip;q=1",
                                       "gzip;q=1.",
                                       "gzip;q=1.000",
                                       "gzip;q=0.001",
                                       "gzip ; q=0.5",
                                       "gzip;Q=0.5",
                                       "gzip;q = 0.5",
                                       "*;q=0, gzip",
                                       "gzip, *;q=0",
                                       ",,gzip,,",
                                       "gzip;level=1",
                                       "gzip;level=1;q=0.5",
                                       "identity;q=0, gzip"}) {
    EXPECT_TRUE(accepts_gzip(field)) << field;
  }
}

TEST(AcceptsGzip, NotWhereItIsAbsentRefusedOrUnclear) {
  for (const std::string_view field : {"",
                                       " ",
                                       ",",
                                       ";",
                                       "identity",
                                       "deflate, br",
                                       "gzipped",
                                       "gzi",
                                       "xgzip",
                                       "gzip deflate",
                                       "gzip;q=0",
                                       "gzip;q=0.",
                                       "gzip;q=0.0",
                                       "gzip;q=0.000",
                                       "*;q=0",
                                       "gzip;q=0, *",
                                       "*, gzip;q=0",
                                       "gzip, gzip;q=0",
                                       "gzip;q=0, x-gzip",
                                       "gzip;level=1;q=0",
                                       "identity, *;q=0",
                                       "q=1",
                                       ";q=1"}) {
    EXPECT_FALSE(accepts_gzip(field)) << field;
  }
}

TEST(AcceptsGzip, AMalformedWeightIsARefusal) {
  for (const std::string_view field :
       {"gzip;q", "gzip;q=", "gzip;q=2", "gzip;q=1.1", "gzip;q=1.001", "gzip;q=0.0001",
        "gzip;q=0.5555", "gzip;q=1.0000", "gzip;q=.5", "gzip;q=00.5", "gzip;q=-1", "gzip;q=0,5",
        "gzip;q=0x1", "gzip;q=0.5x", "gzip;q=\"1\"", "gzip;q=1 0"}) {
    EXPECT_FALSE(accepts_gzip(field)) << field;
  }
}

}  // namespace
}  // namespace smtpprobe
