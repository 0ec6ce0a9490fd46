// Where the lanes go: loads, stores, transposes, narrowing, widening and packing, for both lane types.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

template <typename L>
class LanesLayout : public ::testing::Test {
 protected:
  static constexpr size_t kWidth = L::kWidth;
  static constexpr size_t kShorts = 2 * kWidth;
  static constexpr size_t kBytes = 4 * kWidth;
  using ByteArray = std::array<uint8_t, kBytes>;

  static ByteArray bytes_of(typename L::Bytes value) {
    ByteArray bytes;
    L::store_bytes(bytes.data(), value);
    return bytes;
  }
  static std::array<int32_t, kShorts> shorts_of(typename L::I16 value) {
    std::array<int32_t, kShorts> shorts;
    L::store(shorts.data(), L::widen_low(value));
    L::store(shorts.data() + kWidth, L::widen_high(value));
    return shorts;
  }
  /// Of the given numbers, repeated.
  static typename L::I16 make_shorts(std::vector<int32_t> numbers) {
    std::array<int32_t, kShorts> shorts;
    for (size_t i = 0; i < kShorts; ++i) shorts[i] = numbers[i % numbers.size()];
    return L::narrow(L::load(shorts.data()), L::load(shorts.data() + kWidth));
  }
  template <typename Make>
  static typename L::Bytes make_bytes(Make make) {
    ByteArray bytes;
    for (size_t i = 0; i < kBytes; ++i) bytes[i] = static_cast<uint8_t>(make(i));
    return L::load_bytes(bytes.data());
  }
  template <typename Make>
  static void expect_bytes(typename L::Bytes actual, Make make) {
    const ByteArray bytes = bytes_of(actual);
    for (size_t i = 0; i < kBytes; ++i) EXPECT_EQ(bytes[i], static_cast<uint8_t>(make(i))) << i;
  }
};

using LaneTypes = ::testing::Types<ScalarLanes, WasmLanes>;
TYPED_TEST_SUITE(LanesLayout, LaneTypes);

TYPED_TEST(LanesLayout, TransposedLoadsAndStores) {
  using L = TypeParam;
  constexpr size_t kStride = 7;
  std::array<float, kStride * 4> from;
  std::iota(from.begin(), from.end(), 1.0F);
  const auto columns = L::load_transposed(from.data(), kStride);
  for (size_t c = 0; c < L::kWidth; ++c) {
    std::array<float, L::kWidth> lanes;
    L::store(lanes.data(), columns[c]);
    for (size_t r = 0; r < L::kWidth; ++r) EXPECT_EQ(lanes[r], from[r * kStride + c]);
  }
  std::array<float, L::kWidth> gathered;
  L::store(gathered.data(), L::gather(from.data() + 2, kStride));
  for (size_t r = 0; r < L::kWidth; ++r) EXPECT_EQ(gathered[r], from[r * kStride + 2]);

  std::array<float, kStride * 4> back{};
  L::store_transposed(back.data(), kStride, columns);
  for (size_t i = 0; i < back.size(); ++i) {
    const bool written = i / kStride < L::kWidth && i % kStride < L::kWidth;
    EXPECT_EQ(back[i], written ? from[i] : 0.0F) << i;
  }
}

TYPED_TEST(LanesLayout, TransposedIntegers) {
  using L = TypeParam;
  constexpr size_t kStride = 5;
  std::array<int32_t, kStride * 4> from;
  std::iota(from.begin(), from.end(), -3);
  const auto columns = L::load_transposed(from.data(), kStride);
  std::array<int32_t, kStride * 4> back{};
  L::store_transposed(back.data(), kStride, columns);
  for (size_t r = 0; r < L::kWidth; ++r) {
    std::array<int32_t, L::kWidth> lanes;
    L::store(lanes.data(), columns[r]);
    for (size_t c = 0; c < L::kWidth; ++c) {
      EXPECT_EQ(back[r * kStride + c], from[r * kStride + c]);
      EXPECT_EQ(lanes[c], from[c * kStride + r]);
    }
    std::array<int32_t, L::kWidth> gathered;
    L::store(gathered.data(), L::gather(from.data() + 1, kStride));
    EXPECT_EQ(gathered[r], from[r * kStride + 1]);
  }
}

TYPED_TEST(LanesLayout, LoadsAndStoresNeedNoAlignment) {
  using L = TypeParam;
  alignas(16) std::array<float, 8> floats = {0, 1, 2, 3, 4, 5, 6, 7};
  for (size_t at = 0; at < 4; ++at) {
    std::array<float, 8> to{};
    L::store(to.data() + at, L::load(floats.data() + at));
    for (size_t i = 0; i < 8; ++i) EXPECT_EQ(to[i], i >= at && i < at + L::kWidth ? floats[i] : 0.0F);
  }
}

TYPED_TEST(LanesLayout, SixteenBitsAndBytesTouchOnlyTheirOwn) {
  using L = TypeParam;
  const std::unique_ptr<uint8_t[]> halves(new uint8_t[2 * L::kWidth + 1]);
  for (size_t i = 0; i < 2 * L::kWidth + 1; ++i) halves[i] = static_cast<uint8_t>(0xF1 + i);
  std::array<int32_t, L::kWidth> lanes;
  L::store(lanes.data(), L::load_u16(halves.get() + 1));
  for (size_t i = 0; i < L::kWidth; ++i) EXPECT_EQ(lanes[i], halves[1 + 2 * i] | halves[2 + 2 * i] << 8);

  const std::unique_ptr<uint8_t[]> back(new uint8_t[2 * L::kWidth + 1]);
  L::store_u16(back.get() + 1, L::load(lanes.data()));
  EXPECT_EQ(std::memcmp(back.get() + 1, halves.get() + 1, 2 * L::kWidth), 0);

  const std::unique_ptr<uint8_t[]> bytes(new uint8_t[L::kWidth]);
  for (size_t i = 0; i < L::kWidth; ++i) lanes[i] = static_cast<int32_t>(255 - i);
  L::store_u8(bytes.get(), L::load(lanes.data()));
  for (size_t i = 0; i < L::kWidth; ++i) EXPECT_EQ(bytes[i], 255 - i);

  std::array<int32_t, L::kWidth> read_back;
  L::store(read_back.data(), L::load_u8(bytes.get()));
  EXPECT_EQ(read_back, lanes);
}

TYPED_TEST(LanesLayout, ScatteredSixteenBitsTouchOnlyTheirOwn) {
  using L = TypeParam;
  constexpr size_t kStride = 5;
  std::array<int32_t, L::kWidth> lanes;
  for (size_t i = 0; i < L::kWidth; ++i) lanes[i] = static_cast<int32_t>(0xFFFF - 0x0123 * i);
  std::array<uint8_t, kStride * L::kWidth + 1> to{};
  L::scatter_u16(to.data() + 1, kStride, L::load(lanes.data()));
  for (size_t i = 0; i + 1 < to.size(); ++i) {
    const int32_t lane = lanes[i / kStride];
    const int32_t expected = i % kStride == 0 ? lane & 0xFF : i % kStride == 1 ? lane >> 8 : 0;
    EXPECT_EQ(to[i + 1], expected) << i;
  }
}

TYPED_TEST(LanesLayout, JoinNibbles) {
  using L = TypeParam;
  const auto low = this->make_bytes([](size_t i) { return i % 16; });
  const auto high = this->make_bytes([](size_t i) { return 15 - i * 3 % 16; });
  this->expect_bytes(L::join_nibbles(low, high), [](size_t i) { return i % 16 | (15 - i * 3 % 16) << 4; });
}

TYPED_TEST(LanesLayout, HalfBytes) {
  using L = TypeParam;
  const std::unique_ptr<uint8_t[]> from(new uint8_t[2 * L::kWidth]);
  for (size_t i = 0; i < 2 * L::kWidth; ++i) from[i] = static_cast<uint8_t>(i + 1);
  const auto loaded = L::load_half_bytes(from.get());
  this->expect_bytes(loaded, [](size_t i) { return i < 2 * L::kWidth ? i + 1 : 0; });
  const std::unique_ptr<uint8_t[]> to(new uint8_t[2 * L::kWidth]);
  L::store_half_bytes(to.get(), loaded);
  EXPECT_EQ(std::memcmp(to.get(), from.get(), 2 * L::kWidth), 0);
}

TYPED_TEST(LanesLayout, NarrowSaturatesToSixteenBits) {
  using L = TypeParam;
  std::array<int32_t, 2 * L::kWidth> from;
  const std::array<int32_t, 8> values = {0, -1, 32767, 32768, -32768, -32769, 0x7FFFFFFF, -0x7FFFFFFF - 1};
  for (size_t shift = 0; shift < values.size(); ++shift) {
    for (size_t i = 0; i < from.size(); ++i) from[i] = values[(i + shift) % values.size()];
    const auto shorts = this->shorts_of(L::narrow(L::load(from.data()), L::load(from.data() + L::kWidth)));
    for (size_t i = 0; i < from.size(); ++i) EXPECT_EQ(shorts[i], std::clamp(from[i], -32768, 32767));
  }
}

TYPED_TEST(LanesLayout, NarrowSaturatesToBytes) {
  using L = TypeParam;
  const std::vector<int32_t> values = {0, 255, 256, -1, 127, 128, -128, -129, 32767, -32768, 77};
  for (size_t shift = 0; shift < values.size(); ++shift) {
    std::vector<int32_t> turned = values;
    std::rotate(turned.begin(), turned.begin() + static_cast<ptrdiff_t>(shift), turned.end());
    const auto low = this->make_shorts(turned);
    const auto high = this->make_shorts({turned[3], turned[5]});
    const auto at = [&](size_t i) {
      const size_t k = i % (2 * L::kWidth);
      return i < 2 * L::kWidth ? turned[k % turned.size()] : (k % 2 == 0 ? turned[3] : turned[5]);
    };
    this->expect_bytes(L::narrow_unsigned(low, high), [&](size_t i) { return std::clamp(at(i), 0, 255); });
    this->expect_bytes(L::narrow_signed(low, high), [&](size_t i) { return std::clamp(at(i), -128, 127); });
  }
}

TYPED_TEST(LanesLayout, WidenBytes) {
  using L = TypeParam;
  const auto value = [](size_t i) { return (i * 37 + 120) & 0xFF; };
  const auto bytes = this->make_bytes(value);
  const auto low = this->shorts_of(L::widen_low_unsigned(bytes));
  const auto high = this->shorts_of(L::widen_high_unsigned(bytes));
  const auto signed_low = this->shorts_of(L::widen_low_signed(bytes));
  const auto signed_high = this->shorts_of(L::widen_high_signed(bytes));
  for (size_t i = 0; i < 2 * L::kWidth; ++i) {
    EXPECT_EQ(low[i], static_cast<int32_t>(value(i)));
    EXPECT_EQ(high[i], static_cast<int32_t>(value(i + 2 * L::kWidth)));
    EXPECT_EQ(signed_low[i], static_cast<int8_t>(value(i)));
    EXPECT_EQ(signed_high[i], static_cast<int8_t>(value(i + 2 * L::kWidth)));
  }
}

TYPED_TEST(LanesLayout, ShortArithmeticWraps) {
  using L = TypeParam;
  const std::vector<int32_t> values = {0, 1, -1, 300, -300, 32767, -32768, 255};
  for (const int16_t other : {int16_t{0}, int16_t{1}, int16_t{-1}, int16_t{181}, int16_t{32767}, int16_t{-32768}}) {
    const auto a = this->make_shorts(values);
    const auto b = L::splat_i16(other);
    const auto expect = [&](typename L::I16 actual, auto operation) {
      const auto shorts = this->shorts_of(actual);
      for (size_t i = 0; i < shorts.size(); ++i) {
        EXPECT_EQ(shorts[i], static_cast<int16_t>(operation(values[i % values.size()], int{other})));
      }
    };
    expect(L::add(a, b), [](int x, int y) { return x + y; });
    expect(L::sub(a, b), [](int x, int y) { return x - y; });
    expect(L::mul(a, b), [](int x, int y) { return x * y; });
    expect(L::min(a, b), [](int x, int y) { return std::min(x, y); });
    expect(L::max(a, b), [](int x, int y) { return std::max(x, y); });
    expect(L::bit_and(a, b), [](int x, int y) { return x & y; });
    expect(L::bit_or(a, b), [](int x, int y) { return x | y; });
    EXPECT_EQ(L::any(b), other != 0);
    for (const uint32_t count : {0U, 1U, 5U, 15U}) {
      expect(L::shr(a, count), [count](int x, int) { return x >> count; });
    }
  }
  EXPECT_TRUE(L::any(this->make_shorts({0, 1})));
}

TYPED_TEST(LanesLayout, ProductsOfNeighbouringShorts) {
  using L = TypeParam;
  const std::vector<int32_t> x = {3, -300, 32767, -32768, -32768, 32767, 0, -1};
  const std::vector<int32_t> y = {-7, 500, 32767, -32768, 32767, -1, -32768, 2};
  std::array<int32_t, L::kWidth> sums;
  L::store(sums.data(), L::dot(this->make_shorts(x), this->make_shorts(y)));
  for (size_t i = 0; i < L::kWidth; ++i) EXPECT_EQ(sums[i], x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1]);
}

TYPED_TEST(LanesLayout, HalvesOfWords) {
  using L = TypeParam;
  for (const int32_t word : {0, 1, -1, 65535, -65536, 0x12348765, std::numeric_limits<int32_t>::min()}) {
    const auto halves = this->shorts_of(L::halves(L::splat(word)));
    for (size_t i = 0; i < halves.size(); ++i) EXPECT_EQ(halves[i], static_cast<int16_t>(word >> (i % 2 * 16)));
  }
}

TYPED_TEST(LanesLayout, ByteArithmetic) {
  using L = TypeParam;
  const auto x = [](size_t i) { return (i * 71 + 3) & 0xFF; };
  const auto y = [](size_t i) { return (i * 113 + 250) & 0xFF; };
  const auto a = this->make_bytes(x);
  const auto b = this->make_bytes(y);
  this->expect_bytes(L::add(a, b), [&](size_t i) { return x(i) + y(i); });
  this->expect_bytes(L::sub(a, b), [&](size_t i) { return x(i) - y(i); });
  this->expect_bytes(L::min_unsigned(a, b), [&](size_t i) { return std::min(x(i), y(i)); });
  this->expect_bytes(L::max_unsigned(a, b), [&](size_t i) { return std::max(x(i), y(i)); });
  this->expect_bytes(L::bit_and(a, b), [&](size_t i) { return x(i) & y(i); });
  this->expect_bytes(L::bit_or(a, b), [&](size_t i) { return x(i) | y(i); });
  this->expect_bytes(L::bit_xor(a, b), [&](size_t i) { return x(i) ^ y(i); });
  for (const uint32_t count : {0U, 1U, 4U, 7U}) {
    this->expect_bytes(L::shl(a, count), [&](size_t i) { return x(i) << count; });
    this->expect_bytes(L::shr_logical(a, count), [&](size_t i) { return x(i) >> count; });
  }
  this->expect_bytes(L::splat_bytes(0xC3), [](size_t) { return 0xC3; });
}

TYPED_TEST(LanesLayout, ByteComparison) {
  using L = TypeParam;
  const auto x = [](size_t i) { return (i * 71 + 3) & 0xFF; };
  const auto a = this->make_bytes(x);
  for (const uint32_t limit : {0U, 3U, 74U, 127U, 128U, 200U, 255U}) {
    const auto at_least = L::ge_unsigned(a, L::splat_bytes(static_cast<uint8_t>(limit)));
    this->expect_bytes(at_least, [&](size_t i) { return x(i) >= limit ? 0xFF : 0; });
    uint32_t mask = 0;
    for (size_t i = 0; i < 4 * L::kWidth; ++i) mask |= (x(i) >= limit ? 1U : 0U) << i;
    EXPECT_EQ(L::bitmask(at_least), mask);
  }
}

TYPED_TEST(LanesLayout, ZipsAndLookups) {
  using L = TypeParam;
  const auto a = this->make_bytes([](size_t i) { return i; });
  const auto b = this->make_bytes([](size_t i) { return 100 + i; });
  constexpr size_t kHalf = 2 * L::kWidth;
  this->expect_bytes(L::zip_low(a, b), [](size_t i) { return (i % 2) * 100 + i / 2; });
  this->expect_bytes(L::zip_high(a, b), [](size_t i) { return (i % 2) * 100 + i / 2 + kHalf; });

  std::array<uint8_t, 16> entries;
  for (size_t i = 0; i < 16; ++i) entries[i] = static_cast<uint8_t>(200 - 9 * i);
  const auto table = L::load_table(entries.data());
  for (const size_t first : {size_t{0}, size_t{4}, size_t{8}, size_t{12}, size_t{14}, size_t{128}, size_t{240}}) {
    const auto index = this->make_bytes([=](size_t i) { return first + i; });
    this->expect_bytes(L::lookup(table, index), [&](size_t i) {
      const size_t at = (first + i) & 0xFF;
      return at < 16 ? entries[at] : 0;
    });
  }
}

template <typename L, uint32_t kBits, typename Fixture>
void expect_joined_pairs(const Fixture&, auto make_bytes, auto expect_bytes) {
  constexpr uint32_t kOnes = 0x100 - (1U << kBits);
  const auto x = [](size_t i) { return kOnes | ((i * 7 + i / 3) & ((1U << kBits) - 1)); };
  const auto a = make_bytes(x);
  const auto b = make_bytes([&](size_t i) { return x(i + 4 * L::kWidth); });
  const auto low = [&](size_t i) { return x(i) & ((1U << kBits) - 1); };
  expect_bytes(L::template join_pairs<kBits>(a, b),
               [&](size_t i) { return low(2 * i) | low(2 * i + 1) << kBits | (0x100 - (1U << 2 * kBits)); });
}

TYPED_TEST(LanesLayout, JoinPairs) {
  using L = TypeParam;
  const auto make = [this](auto at) { return this->make_bytes(at); };
  const auto expect = [this](auto actual, auto at) { this->expect_bytes(actual, at); };
  expect_joined_pairs<L, 1>(*this, make, expect);
  expect_joined_pairs<L, 2>(*this, make, expect);
  expect_joined_pairs<L, 4>(*this, make, expect);
}

}  // namespace
}  // namespace arrowquant
