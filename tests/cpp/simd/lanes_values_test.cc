// What WasmLanes computes in each lane is what ScalarLanes computes, to the bit, on values at the edges of everything.

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();
constexpr auto kFloats = std::to_array<float>(
    {0.0F,           -0.0F,      1.0F,        -1.0F,     0.5F,       -0.5F,         1.5F,          2.5F,
     -2.5F,          0.1F,       -0.3F,       3.0F,      255.5F,     -128.5F,       65504.0F,      65519.996F,
     65520.0F,       FLT_MIN,    -FLT_MIN,    kTiny,     -kTiny,     1.1e-38F,      4194303.5F,    -4194303.5F,
     4194304.0F,     8388609.0F, 12582912.0F, 1e10F,     -1e10F,     2147483520.0F, 2147483648.0F, -2147483648.0F,
     -2147483904.0F, FLT_MAX,    -FLT_MAX,    kInfinity, -kInfinity, kNan,          -kNan});
constexpr auto kIntegers = std::to_array<int32_t>({0,
                                                   1,
                                                   -1,
                                                   2,
                                                   3,
                                                   7,
                                                   8,
                                                   127,
                                                   128,
                                                   -128,
                                                   -129,
                                                   255,
                                                   256,
                                                   32767,
                                                   32768,
                                                   -32768,
                                                   -32769,
                                                   65535,
                                                   65536,
                                                   0x00800000,
                                                   0x3F800000,
                                                   0x4B400000,
                                                   0x55555555,
                                                   -0x55555556,
                                                   std::numeric_limits<int32_t>::max(),
                                                   std::numeric_limits<int32_t>::min(),
                                                   std::numeric_limits<int32_t>::min() + 1});
constexpr auto kDoubles = std::to_array<double>(
    {0.0, -0.0, 1.0, -1.5, 0.1, 1e-300, 5e-324, 1e300, -1e300, 6.8e38, 3.4028235e38, 1.17549428e-38, 7.0e-46, 15.0});

template <typename T>
auto load(const std::array<T, 4>& lanes) {
  return WasmLanes::load(lanes.data());
}

/// NaN are alike whatever their payload, everything else by its bits.
template <typename T>
auto comparable(T value) {
  if constexpr (std::is_same_v<T, float>) {
    return std::isnan(value) ? 0x7FC00000U : std::bit_cast<uint32_t>(value);
  } else if constexpr (std::is_same_v<T, double>) {
    return std::isnan(value) ? 0x7FF8000000000000U : std::bit_cast<uint64_t>(value);
  } else {
    return value;
  }
}

template <typename Result, typename WasmResult>
std::array<Result, 4> lanes_of(WasmResult result) {
  std::array<Result, 4> lanes{};
  if constexpr (std::is_same_v<Result, bool>) {
    for (size_t i = 0; i < 4; ++i) lanes[i] = (WasmLanes::bitmask(result) >> i & 1) != 0;
  } else {
    WasmLanes::store(lanes.data(), result);
  }
  return lanes;
}

/// Every value in every lane. `operation` is called as operation(L{}, a).
template <typename T, size_t kCount, typename Operation>
void expect_same_for_each(const std::array<T, kCount>& values, Operation operation) {
  using Result = decltype(operation(ScalarLanes{}, T{}));
  for (size_t i = 0; i < kCount; ++i) {
    std::array<T, 4> a;
    for (size_t lane = 0; lane < 4; ++lane) a[lane] = values[(i + lane) % kCount];
    const auto actual = lanes_of<Result>(operation(WasmLanes{}, load(a)));
    for (size_t lane = 0; lane < 4; ++lane) {
      ASSERT_EQ(comparable(actual[lane]), comparable(operation(ScalarLanes{}, a[lane]))) << a[lane];
    }
  }
}

/// Every pair of values in every lane.
template <typename T, size_t kCount, typename Operation>
void expect_same_for_pairs(const std::array<T, kCount>& values, Operation operation) {
  for (const T b : values) {
    expect_same_for_each(values, [&](auto lanes, auto a) {
      using L = decltype(lanes);
      return operation(lanes, a, L::splat(b));
    });
    expect_same_for_each(values, [&](auto lanes, auto a) {
      using L = decltype(lanes);
      return operation(lanes, L::splat(b), a);
    });
  }
}

TEST(LanesValues, FloatArithmetic) {
  expect_same_for_pairs(kFloats, []<typename L>(L, auto a, auto b) { return L::add(a, b); });
  expect_same_for_pairs(kFloats, []<typename L>(L, auto a, auto b) { return L::sub(a, b); });
  expect_same_for_pairs(kFloats, []<typename L>(L, auto a, auto b) { return L::mul(a, b); });
  expect_same_for_pairs(kFloats, []<typename L>(L, auto a, auto b) { return L::div(a, b); });
  expect_same_for_each(kFloats, []<typename L>(L, auto a) { return L::sqrt(a); });
}

TEST(LanesValues, FloatSigns) {
  const auto bits_of = [](auto change) {
    return [change]<typename L>(L lanes, auto a) { return L::bits(change(lanes, a)); };
  };
  expect_same_for_each(kFloats, bits_of([]<typename L>(L, auto a) { return L::abs(a); }));
  expect_same_for_each(kFloats, bits_of([]<typename L>(L, auto a) { return L::neg(a); }));
}

TEST(LanesValues, PseudoMinimumAndMaximum) {
  expect_same_for_pairs(kFloats, []<typename L>(L, auto a, auto b) { return L::pmin(a, b); });
  expect_same_for_pairs(kFloats, []<typename L>(L, auto a, auto b) { return L::pmax(a, b); });
  // With a NaN on either side, the first.
  EXPECT_EQ(ScalarLanes::pmin(3.0F, kNan), 3.0F);
  EXPECT_TRUE(std::isnan(ScalarLanes::pmin(kNan, 3.0F)));
  EXPECT_EQ(ScalarLanes::pmax(3.0F, kNan), 3.0F);
  EXPECT_TRUE(std::isnan(ScalarLanes::pmax(kNan, 3.0F)));
}

template <typename T, size_t kCount>
void expect_same_comparisons(const std::array<T, kCount>& values) {
  expect_same_for_pairs(values, []<typename L>(L, auto a, auto b) { return L::eq(a, b); });
  expect_same_for_pairs(values, []<typename L>(L, auto a, auto b) { return L::ne(a, b); });
  expect_same_for_pairs(values, []<typename L>(L, auto a, auto b) { return L::lt(a, b); });
  expect_same_for_pairs(values, []<typename L>(L, auto a, auto b) { return L::le(a, b); });
  expect_same_for_pairs(values, []<typename L>(L, auto a, auto b) { return L::gt(a, b); });
  expect_same_for_pairs(values, []<typename L>(L, auto a, auto b) { return L::ge(a, b); });
  expect_same_for_pairs(values, []<typename L>(L, auto a, auto b) { return L::select(L::lt(a, b), a, b); });
}

TEST(LanesValues, FloatComparisons) { expect_same_comparisons(kFloats); }

TEST(LanesValues, IntegerComparisons) { expect_same_comparisons(kIntegers); }

TEST(LanesValues, Masks) {
  const auto compare = [](auto combine) {
    return
        [combine]<typename L>(L lanes, auto a, auto b) { return combine(lanes, L::lt(a, b), L::ge(a, L::splat(3))); };
  };
  expect_same_for_pairs(kIntegers, compare([]<typename L>(L, auto a, auto b) { return L::mask_and(a, b); }));
  expect_same_for_pairs(kIntegers, compare([]<typename L>(L, auto a, auto b) { return L::mask_or(a, b); }));
  expect_same_for_pairs(kIntegers, compare([]<typename L>(L, auto a, auto b) { return L::mask_andnot(a, b); }));
  expect_same_for_pairs(kIntegers, compare([]<typename L>(L, auto a, auto) { return L::mask_not(a); }));
  expect_same_for_pairs(kIntegers, compare([]<typename L>(L, auto a, auto) { return L::mask_bits(a); }));
  for (uint32_t set = 0; set < 16; ++set) {
    std::array<int32_t, 4> lanes;
    for (size_t i = 0; i < 4; ++i) lanes[i] = (set >> i & 1) != 0 ? 1 : 0;
    const auto mask = WasmLanes::gt(load(lanes), WasmLanes::splat(0));
    EXPECT_EQ(WasmLanes::bitmask(mask), set);
    EXPECT_EQ(WasmLanes::any(mask), set != 0);
    EXPECT_EQ(WasmLanes::all(mask), set == 15);
  }
}

TEST(LanesValues, IntegerArithmetic) {
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::add(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::sub(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::mul(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::min(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::max(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::min_unsigned(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::max_unsigned_halves(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::max_unsigned(a, b); });
  expect_same_for_each(kIntegers, []<typename L>(L, auto a) { return L::neg(a); });
  expect_same_for_each(kIntegers, []<typename L>(L, auto a) { return L::abs(a); });
}

TEST(LanesValues, IntegerBits) {
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::bit_and(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::bit_or(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::bit_xor(a, b); });
  expect_same_for_pairs(kIntegers, []<typename L>(L, auto a, auto b) { return L::bit_andnot(a, b); });
  expect_same_for_each(kIntegers, []<typename L>(L, auto a) { return L::bit_not(a); });
  for (const uint32_t count : {0U, 1U, 4U, 13U, 16U, 31U}) {
    expect_same_for_each(kIntegers, [=]<typename L>(L, auto a) { return L::shl(a, count); });
    expect_same_for_each(kIntegers, [=]<typename L>(L, auto a) { return L::shr(a, count); });
    expect_same_for_each(kIntegers, [=]<typename L>(L, auto a) { return L::shr_logical(a, count); });
  }
}

TEST(LanesValues, FloatsAndIntegers) {
  expect_same_for_each(kFloats, []<typename L>(L, auto a) { return L::bits(a); });
  expect_same_for_each(kIntegers, []<typename L>(L, auto a) { return L::bits(L::from_bits(a)); });
  expect_same_for_each(kIntegers, []<typename L>(L, auto a) { return L::to_f32(a); });
  expect_same_for_each(kFloats, []<typename L>(L, auto a) { return L::truncate(a); });
}

TEST(LanesValues, WholeFloats) {
  // The sign of a zero is nobody's promise, and SIMDe keeps it or not by compiler: adding 0 makes both +0.
  const auto positive_zero = [](auto round) {
    return [round]<typename L>(L lanes, auto a) { return L::add(round(lanes, a), L::splat(0.0F)); };
  };
  expect_same_for_each(kFloats, positive_zero([]<typename L>(L, auto a) { return L::nearest(a); }));
  expect_same_for_each(kFloats, positive_zero([]<typename L>(L, auto a) { return L::floor(a); }));
  expect_same_for_each(kFloats, positive_zero([]<typename L>(L, auto a) { return L::whole_part(a); }));
  EXPECT_EQ(ScalarLanes::nearest(2.5F), 2.0F);
  EXPECT_EQ(ScalarLanes::floor(-2.5F), -3.0F);
  EXPECT_EQ(ScalarLanes::whole_part(-2.5F), -2.0F);
}

TEST(LanesValues, TruncateSaturates) {
  EXPECT_EQ(ScalarLanes::truncate(-1.9F), -1);
  EXPECT_EQ(ScalarLanes::truncate(1.9F), 1);
  EXPECT_EQ(ScalarLanes::truncate(kInfinity), std::numeric_limits<int32_t>::max());
  EXPECT_EQ(ScalarLanes::truncate(-kInfinity), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(ScalarLanes::truncate(kNan), 0);
}

TEST(LanesValues, RoundMagicIsHalfToEvenUpToTwoToThe22) {
  for (const float value : kFloats) {
    if (std::isnan(value)) continue;
    expect_same_for_each(std::array{value}, []<typename L>(L, auto a) { return L::round_magic(a); });
    if (std::fabs(value) <= 4194304.0F) {
      EXPECT_EQ(ScalarLanes::round_magic(value), std::nearbyint(value)) << value;
    } else if (value > 0) {
      EXPECT_GE(ScalarLanes::round_magic(value), 4194304) << value;
    }
  }
  EXPECT_LE(ScalarLanes::round_magic(-12582911.0F), -4194304);
  for (const uint32_t nan : {0x7FC00000U, 0xFFC00000U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
    const int32_t level = ScalarLanes::round_magic(std::bit_cast<float>(nan));
    EXPECT_GT(std::abs(int64_t{level}), 1 << 29);
  }
}

TEST(LanesValues, Doubles) {
  expect_same_for_pairs(kDoubles, []<typename L>(L, auto a, auto b) { return L::add(a, b); });
  expect_same_for_pairs(kDoubles, []<typename L>(L, auto a, auto b) { return L::sub(a, b); });
  expect_same_for_pairs(kDoubles, []<typename L>(L, auto a, auto b) { return L::mul(a, b); });
  expect_same_for_pairs(kDoubles, []<typename L>(L, auto a, auto b) { return L::div(a, b); });
  expect_same_for_pairs(kDoubles, []<typename L>(L, auto a, auto b) { return L::pmin(a, b); });
  expect_same_for_pairs(kDoubles, []<typename L>(L, auto a, auto b) { return L::pmax(a, b); });
  expect_same_for_each(kDoubles, []<typename L>(L, auto a) { return L::abs(a); });
  expect_same_for_each(kDoubles, []<typename L>(L, auto a) { return L::to_f32(a); });
  expect_same_for_each(kFloats, []<typename L>(L, auto a) { return L::to_f64(a); });
}

}  // namespace
}  // namespace arrowquant
