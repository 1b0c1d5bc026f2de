#include "filter/numbers.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace merlin::filter {
namespace {

TEST(Numbers, WholeOnesHaveASignAndDigitsAlone) {
  EXPECT_EQ(java_int("+5"), 5);
  EXPECT_EQ(java_int("-0"), 0);
  EXPECT_EQ(java_int("-2147483648"), INT32_MIN);
  EXPECT_EQ(java_long("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(java_int("٣５"), 35) << "digits of any script";
  for (const char* wrong : {"", "-", "+", " 5", "5 ", "5L", "5.0", "2147483648", "0x5", "中"}) {
    EXPECT_FALSE(java_int(wrong)) << wrong;
  }
  EXPECT_FALSE(java_long("9223372036854775808"));
  EXPECT_FALSE(java_long("-9223372036854775809"));
}

TEST(Numbers, RealOnesAsDoubleValueOf) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(java_double(" 1.5d\n"), 1.5);
  EXPECT_EQ(java_double("5."), 5.0);
  EXPECT_EQ(java_double(".5e+01"), 5.0);
  EXPECT_EQ(java_double("0x1.8p1"), 3.0);
  EXPECT_EQ(java_double("-0x.8p0f"), -0.5);
  EXPECT_EQ(java_double("1e400"), inf);
  EXPECT_EQ(java_double("-1e99999999999999999999"), -inf);
  EXPECT_EQ(java_double("1e-99999999999999999999"), 0.0);
  EXPECT_EQ(java_double("0e99999999999999999999"), 0.0);
  EXPECT_EQ(java_double("0." + std::string(500, '0') + "1e502"), 10.0);
  EXPECT_EQ(java_double("1" + std::string(500, '0') + "e-500"), 1.0);
  EXPECT_EQ(java_double("0x1p99999"), inf);
  EXPECT_EQ(java_double("0x1p-99999"), 0.0);
  EXPECT_EQ(java_double("-Infinity"), -inf);
  EXPECT_TRUE(std::isnan(*java_double("NaN")));
  EXPECT_TRUE(std::signbit(*java_double("-0")));
  for (const char* wrong : {"", ".", "e5", "1e", "1e+", "0x1", "0x.p1", "infinity", "NaNd", "1..2", "1_0", "+-1", "５",
                            "1dd", "0x", "1 2", "inf", "nan"}) {
    EXPECT_FALSE(java_double(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace merlin::filter
