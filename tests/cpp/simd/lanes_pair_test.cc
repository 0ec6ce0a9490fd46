#include "simd/lanes_pair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();
constexpr std::array kNumbers = {0.0F,  -0.0F,  1.0F,      -1.0F,      0.5F,  1.5F,       2.5F,
                                 -2.5F, 0.3F,   -7.25F,    1e-30F,     1e30F, 4194302.5F, -4194303.0F,
                                 kTiny, -kTiny, kInfinity, -kInfinity, 3e38F};

/// Bits, with all zeros alike and all NaN alike.
uint32_t canonical(float value) {
  if (std::isnan(value)) return 0x7FC00000;
  return value == 0.0F ? 0 : std::bit_cast<uint32_t>(value);
}

template <typename Lanes>
class LanesPair : public ::testing::Test {
 public:
  /// Holds `operation` over all pairs of kNumbers against `scalar`, with another pair in each lane.
  template <typename Operation, typename Scalar>
  static void expect_each(Operation operation, Scalar scalar) {
    constexpr size_t kWidth = Lanes::kWidth;
    for (size_t shift = 0; shift < kNumbers.size(); ++shift) {
      for (size_t start = 0; start < kNumbers.size(); ++start) {
        std::array<float, kWidth> x;
        std::array<float, kWidth> y;
        for (size_t lane = 0; lane < kWidth; ++lane) {
          x[lane] = kNumbers[(start + lane) % kNumbers.size()];
          y[lane] = kNumbers[(start + shift + 2 * lane) % kNumbers.size()];
        }
        std::array<float, kWidth> found;
        Lanes::store(found.data(), operation(Lanes::load(x.data()), Lanes::load(y.data())));
        for (size_t lane = 0; lane < kWidth; ++lane) {
          EXPECT_EQ(canonical(found[lane]), canonical(scalar(x[lane], y[lane]))) << x[lane] << ' ' << y[lane];
        }
      }
    }
  }
};

using LaneTypes = ::testing::Types<ScalarLanes, WasmLanes, PairLanes<ScalarLanes>, PairLanes<WasmLanes>,
                                   PairLanes<PairLanes<ScalarLanes>>, PairLanes<PairLanes<WasmLanes>>>;
TYPED_TEST_SUITE(LanesPair, LaneTypes);

TYPED_TEST(LanesPair, ArithmeticIsThatOfEachLane) {
  using L = TypeParam;
  using F32 = typename L::F32;
  this->expect_each([](F32 x, F32 y) { return L::add(x, y); }, [](float x, float y) { return x + y; });
  this->expect_each([](F32 x, F32 y) { return L::sub(x, y); }, [](float x, float y) { return x - y; });
  this->expect_each([](F32 x, F32 y) { return L::mul(x, y); }, [](float x, float y) { return x * y; });
  this->expect_each([](F32 x, F32 y) { return L::div(x, y); }, [](float x, float y) { return x / y; });
  this->expect_each([](F32 x, F32) { return L::sqrt(x); }, [](float x, float) { return std::sqrt(x); });
  this->expect_each([](F32 x, F32) { return L::nearest(x); }, [](float x, float) { return std::nearbyint(x); });
  this->expect_each([](F32 x, F32) { return L::abs(x); }, [](float x, float) { return std::fabs(x); });
  this->expect_each([](F32 x, F32) { return L::neg(x); }, [](float x, float) { return -x; });
  this->expect_each([](F32 x, F32 y) { return L::pmin(x, y); }, [](float x, float y) { return y < x ? y : x; });
  this->expect_each([](F32 x, F32 y) { return L::pmax(x, y); }, [](float x, float y) { return x < y ? y : x; });
}

TYPED_TEST(LanesPair, ComparisonsSelectLaneByLane) {
  using L = TypeParam;
  using F32 = typename L::F32;
  this->expect_each([](F32 x, F32 y) { return L::select(L::eq(x, y), x, L::neg(y)); },
                    [](float x, float y) { return x == y ? x : -y; });
  this->expect_each([](F32 x, F32 y) { return L::select(L::ne(x, y), x, L::neg(y)); },
                    [](float x, float y) { return x != y ? x : -y; });
  this->expect_each([](F32 x, F32 y) { return L::select(L::lt(x, y), x, L::neg(y)); },
                    [](float x, float y) { return x < y ? x : -y; });
  this->expect_each([](F32 x, F32 y) { return L::select(L::le(x, y), x, L::neg(y)); },
                    [](float x, float y) { return x <= y ? x : -y; });
  this->expect_each([](F32 x, F32 y) { return L::select(L::gt(x, y), x, L::neg(y)); },
                    [](float x, float y) { return x > y ? x : -y; });
}

TYPED_TEST(LanesPair, MasksCombineLaneByLane) {
  using L = TypeParam;
  using F32 = typename L::F32;
  const auto one = [](F32 x, typename L::Mask mask) { return L::select(mask, x, L::splat(42.0F)); };
  this->expect_each([&](F32 x, F32 y) { return one(x, L::mask_and(L::lt(x, y), L::gt(x, L::splat(0.0F)))); },
                    [](float x, float y) { return x < y && x > 0.0F ? x : 42.0F; });
  this->expect_each([&](F32 x, F32 y) { return one(x, L::mask_or(L::lt(x, y), L::gt(x, L::splat(0.0F)))); },
                    [](float x, float y) { return x < y || x > 0.0F ? x : 42.0F; });
  this->expect_each([&](F32 x, F32 y) { return one(x, L::mask_andnot(L::lt(x, y), L::gt(x, L::splat(0.0F)))); },
                    [](float x, float y) { return x < y && !(x > 0.0F) ? x : 42.0F; });
}

TYPED_TEST(LanesPair, BitsOfEachLane) {
  using L = TypeParam;
  using F32 = typename L::F32;
  const auto mantissa = 0x007FFFFF;
  const auto of = [](float x) { return std::bit_cast<int32_t>(x); };
  this->expect_each(
      [&](F32 x, F32 y) {
        const auto joined =
            L::bit_or(L::bit_and(L::bits(x), L::splat(mantissa)), L::bit_and(L::bits(y), L::splat(~mantissa)));
        return L::from_bits(L::max(L::min(joined, L::splat(of(1e20F))), L::splat(of(1e-20F))));
      },
      [&](float x, float y) {
        const int32_t joined = (of(x) & mantissa) | (of(y) & ~mantissa);
        return std::bit_cast<float>(std::max(std::min(joined, of(1e20F)), of(1e-20F)));
      });
  this->expect_each(
      [](F32 x, F32 y) {
        return L::from_bits(L::select(L::ne(L::bits(x), L::bits(y)), L::bits(x), L::splat(int32_t{0x3F800000})));
      },
      [&](float x, float y) { return of(x) != of(y) ? x : 1.0F; });
}

TYPED_TEST(LanesPair, AnyAndAllSeeEveryLane) {
  using L = TypeParam;
  for (size_t odd = 0; odd < L::kWidth; ++odd) {
    std::array<float, L::kWidth> values{};
    values[odd] = 1.0F;
    const auto set = L::gt(L::load(values.data()), L::splat(0.5F));
    const auto clear = L::lt(L::load(values.data()), L::splat(0.5F));
    EXPECT_TRUE(L::any(set)) << odd;
    EXPECT_EQ(L::all(set), L::kWidth == 1) << odd;
    EXPECT_FALSE(L::all(clear)) << odd;
    EXPECT_EQ(L::any(clear), L::kWidth > 1) << odd;
  }
  EXPECT_TRUE(L::all(L::gt(L::splat(1.0F), L::splat(0.0F))));
  EXPECT_FALSE(L::any(L::lt(L::splat(1.0F), L::splat(0.0F))));
}

TYPED_TEST(LanesPair, IntegersAreStoredInOrder) {
  using L = TypeParam;
  std::array<int32_t, L::kWidth> numbers;
  for (size_t lane = 0; lane < L::kWidth; ++lane) numbers[lane] = static_cast<int32_t>(lane * 1000003) - 5;
  std::array<int32_t, L::kWidth> found{};
  L::store(found.data(), L::load(numbers.data()));
  EXPECT_EQ(found, numbers);
}

}  // namespace
}  // namespace arrowquant
