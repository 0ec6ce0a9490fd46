#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace arrowquant {

/// One lane of everything: the reference that WasmLanes equals lane by lane, to the bit.
///
/// A kernel is a template over a lane type. `F32`, `I32` and `F64` hold `kWidth` lanes, `I16` holds 2·kWidth and
/// `Bytes` 4·kWidth, so that 4 I32 narrow into one Bytes. Arithmetic is IEEE 754, one rounding an operation, half to
/// even; integers wrap. Loads and stores need no alignment beyond the element's own and touch exactly their elements.
/// Shift counts are less than the width of the element.
struct ScalarLanes {
  static constexpr size_t kWidth = 1;
  using F32 = float;
  using F64 = double;
  using I32 = int32_t;
  using Mask = bool;
  struct I16 {
    std::array<int16_t, 2> lanes;
  };
  struct Bytes {
    std::array<uint8_t, 4> lanes;
  };
  struct Table {
    std::array<uint8_t, 16> entries;
  };

  // --- F32 ---------------------------------------------------------------------------------------------------------
  static F32 splat(float value) noexcept { return value; }
  static F32 load(const float* from) noexcept { return *from; }
  static void store(float* to, F32 value) noexcept { *to = value; }
  static F32 add(F32 a, F32 b) noexcept { return a + b; }
  static F32 sub(F32 a, F32 b) noexcept { return a - b; }
  static F32 mul(F32 a, F32 b) noexcept { return a * b; }
  static F32 div(F32 a, F32 b) noexcept { return a / b; }
  static F32 sqrt(F32 a) noexcept { return std::sqrt(a); }
  /// The nearest integer, half to even. The sign of a zero may differ between lane types.
  static F32 nearest(F32 a) noexcept { return std::nearbyint(a); }
  /// The greatest integer that is not above a, still a float. The sign of a zero may differ between lane types.
  static F32 floor(F32 a) noexcept { return std::floor(a); }
  /// The integer next to a toward zero, still a float. The sign of a zero may differ between lane types.
  static F32 whole_part(F32 a) noexcept { return std::trunc(a); }
  static F32 abs(F32 a) noexcept { return from_bits(bits(a) & 0x7FFFFFFF); }
  static F32 neg(F32 a) noexcept { return from_bits(bits(a) ^ std::numeric_limits<int32_t>::min()); }
  /// b < a ? b : a. With a NaN on either side, a.
  static F32 pmin(F32 a, F32 b) noexcept { return b < a ? b : a; }
  /// a < b ? b : a. With a NaN on either side, a.
  static F32 pmax(F32 a, F32 b) noexcept { return a < b ? b : a; }
  static Mask eq(F32 a, F32 b) noexcept { return a == b; }
  static Mask ne(F32 a, F32 b) noexcept { return a != b; }
  static Mask lt(F32 a, F32 b) noexcept { return a < b; }
  static Mask le(F32 a, F32 b) noexcept { return a <= b; }
  static Mask gt(F32 a, F32 b) noexcept { return a > b; }
  static Mask ge(F32 a, F32 b) noexcept { return a >= b; }
  static F32 select(Mask mask, F32 yes, F32 no) noexcept { return mask ? yes : no; }

  // --- I32 ---------------------------------------------------------------------------------------------------------
  static I32 splat(int32_t value) noexcept { return value; }
  static I32 load(const int32_t* from) noexcept { return *from; }
  static void store(int32_t* to, I32 value) noexcept { *to = value; }
  static I32 add(I32 a, I32 b) noexcept { return wrap(unsign(a) + unsign(b)); }
  static I32 sub(I32 a, I32 b) noexcept { return wrap(unsign(a) - unsign(b)); }
  static I32 mul(I32 a, I32 b) noexcept { return wrap(unsign(a) * unsign(b)); }
  static I32 neg(I32 a) noexcept { return wrap(0U - unsign(a)); }
  static I32 abs(I32 a) noexcept { return a < 0 ? neg(a) : a; }
  static I32 min(I32 a, I32 b) noexcept { return a < b ? a : b; }
  static I32 max(I32 a, I32 b) noexcept { return a < b ? b : a; }
  static I32 min_unsigned(I32 a, I32 b) noexcept { return unsign(a) < unsign(b) ? a : b; }
  static I32 max_unsigned(I32 a, I32 b) noexcept { return unsign(a) < unsign(b) ? b : a; }
  /// Of the lower and of the upper 16 bits by themselves, each without a sign.
  static I32 max_unsigned_halves(I32 a, I32 b) noexcept {
    return wrap(std::max(unsign(a) & 0xFFFF, unsign(b) & 0xFFFF) | std::max(unsign(a) >> 16, unsign(b) >> 16) << 16);
  }
  static Mask eq(I32 a, I32 b) noexcept { return a == b; }
  static Mask ne(I32 a, I32 b) noexcept { return a != b; }
  static Mask lt(I32 a, I32 b) noexcept { return a < b; }
  static Mask le(I32 a, I32 b) noexcept { return a <= b; }
  static Mask gt(I32 a, I32 b) noexcept { return a > b; }
  static Mask ge(I32 a, I32 b) noexcept { return a >= b; }
  static I32 select(Mask mask, I32 yes, I32 no) noexcept { return mask ? yes : no; }
  static I32 bit_and(I32 a, I32 b) noexcept { return a & b; }
  static I32 bit_or(I32 a, I32 b) noexcept { return a | b; }
  static I32 bit_xor(I32 a, I32 b) noexcept { return a ^ b; }
  /// a & ~b
  static I32 bit_andnot(I32 a, I32 b) noexcept { return a & ~b; }
  static I32 bit_not(I32 a) noexcept { return ~a; }
  static I32 shl(I32 a, uint32_t count) noexcept { return wrap(unsign(a) << count); }
  /// Copies of the sign come in from the left.
  static I32 shr(I32 a, uint32_t count) noexcept { return a >> count; }
  /// Zeros come in from the left.
  static I32 shr_logical(I32 a, uint32_t count) noexcept { return wrap(unsign(a) >> count); }

  /// kWidth bytes, zero-extended.
  static I32 load_u8(const uint8_t* from) noexcept { return *from; }
  /// kWidth little-endian 16-bit numbers, zero-extended.
  static I32 load_u16(const uint8_t* from) noexcept { return from[0] | from[1] << 8; }
  /// Little-endian; lanes must be in 0…65535.
  static void store_u16(uint8_t* to, I32 a) noexcept {
    to[0] = static_cast<uint8_t>(a);
    to[1] = static_cast<uint8_t>(a >> 8);
  }
  /// Lanes must be in 0…255.
  static void store_u8(uint8_t* to, I32 a) noexcept { *to = static_cast<uint8_t>(a); }

  // --- F32 and I32 -------------------------------------------------------------------------------------------------
  static I32 bits(F32 a) noexcept { return std::bit_cast<int32_t>(a); }
  static F32 from_bits(I32 a) noexcept { return std::bit_cast<float>(a); }
  /// Half to even.
  static F32 to_f32(I32 a) noexcept { return static_cast<float>(a); }
  /// Toward zero; saturates; NaN gives 0.
  static I32 truncate(F32 a) noexcept {
    if (a != a) return 0;
    if (a >= 2147483648.0F) return std::numeric_limits<int32_t>::max();
    if (a < -2147483648.0F) return std::numeric_limits<int32_t>::min();
    return static_cast<int32_t>(a);
  }
  /// Half to even by adding 1.5·2^23, whose last place is 1. Right for |a| ≤ 2^22. Above that the result is wrong but
  /// still grows with a, so that clamping it to a range inside ±2^22 stays right; below −2^22 the same holds only down
  /// to −1.5·2^23, where the sum changes sign and the subtraction may wrap. NaN gives an integer beyond ±2^29.
  static I32 round_magic(F32 a) noexcept { return sub(bits(add(a, 12582912.0F)), bits(12582912.0F)); }

  // --- Mask --------------------------------------------------------------------------------------------------------
  static Mask mask_and(Mask a, Mask b) noexcept { return a && b; }
  static Mask mask_or(Mask a, Mask b) noexcept { return a || b; }
  static Mask mask_andnot(Mask a, Mask b) noexcept { return a && !b; }
  static Mask mask_not(Mask a) noexcept { return !a; }
  static bool any(Mask a) noexcept { return a; }
  static bool all(Mask a) noexcept { return a; }
  /// Whether any bit is set.
  static bool any(I32 a) noexcept { return a != 0; }
  /// Bit i is lane i.
  static uint32_t bitmask(Mask a) noexcept { return a ? 1U : 0U; }
  /// −1 where set, 0 elsewhere.
  static I32 mask_bits(Mask a) noexcept { return a ? -1 : 0; }

  // --- F64 ---------------------------------------------------------------------------------------------------------
  static F64 splat(double value) noexcept { return value; }
  static F64 load(const double* from) noexcept { return *from; }
  static void store(double* to, F64 value) noexcept { *to = value; }
  static F64 to_f64(F32 a) noexcept { return a; }
  /// Half to even.
  static F32 to_f32(F64 a) noexcept { return static_cast<float>(a); }
  static F64 add(F64 a, F64 b) noexcept { return a + b; }
  static F64 sub(F64 a, F64 b) noexcept { return a - b; }
  static F64 mul(F64 a, F64 b) noexcept { return a * b; }
  static F64 div(F64 a, F64 b) noexcept { return a / b; }
  static F64 abs(F64 a) noexcept { return std::fabs(a); }
  static F64 pmin(F64 a, F64 b) noexcept { return b < a ? b : a; }
  static F64 pmax(F64 a, F64 b) noexcept { return a < b ? b : a; }

  // --- kWidth rows -------------------------------------------------------------------------------------------------
  using F32Square = std::array<F32, kWidth>;
  using I32Square = std::array<I32, kWidth>;
  /// Lane c of row r becomes lane r of row c.
  static F32Square transpose(const F32Square& rows) noexcept { return rows; }
  static I32Square transpose(const I32Square& rows) noexcept { return rows; }
  /// Lane r of column c is from[r·stride + c], for r and c < kWidth.
  static F32Square load_transposed(const float* from, size_t /*stride*/) noexcept { return {load(from)}; }
  static I32Square load_transposed(const int32_t* from, size_t /*stride*/) noexcept { return {load(from)}; }
  static void store_transposed(float* to, size_t /*stride*/, const F32Square& columns) noexcept {
    store(to, columns[0]);
  }
  static void store_transposed(int32_t* to, size_t /*stride*/, const I32Square& columns) noexcept {
    store(to, columns[0]);
  }
  /// Lane r is from[r·stride].
  static F32 gather(const float* from, size_t /*stride*/) noexcept { return *from; }
  static I32 gather(const int32_t* from, size_t /*stride*/) noexcept { return *from; }
  /// Lane r becomes two little-endian bytes at to + r·stride. Lanes must be in 0…65535.
  static void scatter_u16(uint8_t* to, size_t /*stride*/, I32 a) noexcept { store_u16(to, a); }

  // --- I16 ---------------------------------------------------------------------------------------------------------
  static I16 splat_i16(int16_t value) noexcept { return {{value, value}}; }
  /// The lanes of a, then those of b, saturated to −32768…32767.
  static I16 narrow(I32 a, I32 b) noexcept { return {{saturate<int16_t>(a), saturate<int16_t>(b)}}; }
  /// The first and the second half of the lanes, sign-extended.
  static I32 widen_low(I16 a) noexcept { return a.lanes[0]; }
  static I32 widen_high(I16 a) noexcept { return a.lanes[1]; }
  static I16 add(I16 a, I16 b) noexcept {
    return each(a, b, [](int x, int y) { return x + y; });
  }
  static I16 sub(I16 a, I16 b) noexcept {
    return each(a, b, [](int x, int y) { return x - y; });
  }
  static I16 mul(I16 a, I16 b) noexcept {
    return each(a, b, [](int x, int y) { return x * y; });
  }
  static I16 min(I16 a, I16 b) noexcept {
    return each(a, b, [](int x, int y) { return x < y ? x : y; });
  }
  static I16 max(I16 a, I16 b) noexcept {
    return each(a, b, [](int x, int y) { return x < y ? y : x; });
  }
  static I16 bit_and(I16 a, I16 b) noexcept {
    return each(a, b, [](int x, int y) { return x & y; });
  }
  static I16 bit_or(I16 a, I16 b) noexcept {
    return each(a, b, [](int x, int y) { return x | y; });
  }
  /// Copies of the sign come in from the left.
  static I16 shr(I16 a, uint32_t count) noexcept {
    return each(a, a, [count](int x, int) { return x >> count; });
  }
  /// The lower and the upper 16 bits of each lane, side by side.
  static I16 halves(I32 a) noexcept { return {{static_cast<int16_t>(a), static_cast<int16_t>(a >> 16)}}; }
  /// Lane k is the sum of the products of lanes 2k and 2k + 1.
  static I32 dot(I16 a, I16 b) noexcept {
    return wrap(unsign(a.lanes[0] * b.lanes[0]) + unsign(a.lanes[1] * b.lanes[1]));
  }
  static bool any(I16 a) noexcept { return (a.lanes[0] | a.lanes[1]) != 0; }

  // --- Bytes -------------------------------------------------------------------------------------------------------
  static Bytes splat_bytes(uint8_t value) noexcept { return {{value, value, value, value}}; }
  static Bytes load_bytes(const uint8_t* from) noexcept { return {{from[0], from[1], from[2], from[3]}}; }
  static void store_bytes(uint8_t* to, Bytes value) noexcept { std::memcpy(to, value.lanes.data(), 4); }
  /// The first half of the lanes from 2·kWidth bytes, zeros in the second.
  static Bytes load_half_bytes(const uint8_t* from) noexcept { return {{from[0], from[1], 0, 0}}; }
  /// The first half of the lanes.
  static void store_half_bytes(uint8_t* to, Bytes value) noexcept { std::memcpy(to, value.lanes.data(), 2); }
  /// The lanes of a, then those of b, saturated to 0…255.
  static Bytes narrow_unsigned(I16 a, I16 b) noexcept {
    return {{saturate<uint8_t>(a.lanes[0]), saturate<uint8_t>(a.lanes[1]), saturate<uint8_t>(b.lanes[0]),
             saturate<uint8_t>(b.lanes[1])}};
  }
  /// The lanes of a, then those of b, saturated to −128…127 (two's complement).
  static Bytes narrow_signed(I16 a, I16 b) noexcept {
    return {{signed_byte(a.lanes[0]), signed_byte(a.lanes[1]), signed_byte(b.lanes[0]), signed_byte(b.lanes[1])}};
  }
  static I16 widen_low_unsigned(Bytes a) noexcept { return {{a.lanes[0], a.lanes[1]}}; }
  static I16 widen_high_unsigned(Bytes a) noexcept { return {{a.lanes[2], a.lanes[3]}}; }
  static I16 widen_low_signed(Bytes a) noexcept { return {{as_signed(a.lanes[0]), as_signed(a.lanes[1])}}; }
  static I16 widen_high_signed(Bytes a) noexcept { return {{as_signed(a.lanes[2]), as_signed(a.lanes[3])}}; }
  static Bytes add(Bytes a, Bytes b) noexcept {
    return each(a, b, [](int x, int y) { return x + y; });
  }
  static Bytes sub(Bytes a, Bytes b) noexcept {
    return each(a, b, [](int x, int y) { return x - y; });
  }
  static Bytes min_unsigned(Bytes a, Bytes b) noexcept {
    return each(a, b, [](int x, int y) { return x < y ? x : y; });
  }
  static Bytes max_unsigned(Bytes a, Bytes b) noexcept {
    return each(a, b, [](int x, int y) { return x < y ? y : x; });
  }
  /// 255 where a ≥ b, 0 elsewhere.
  static Bytes ge_unsigned(Bytes a, Bytes b) noexcept {
    return each(a, b, [](int x, int y) { return x < y ? 0 : 255; });
  }
  /// Bit i is the highest bit of lane i.
  static uint32_t bitmask(Bytes a) noexcept {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < 4; ++i) mask |= static_cast<uint32_t>(a.lanes[i] >> 7) << i;
    return mask;
  }
  static Bytes bit_and(Bytes a, Bytes b) noexcept {
    return each(a, b, [](int x, int y) { return x & y; });
  }
  static Bytes bit_or(Bytes a, Bytes b) noexcept {
    return each(a, b, [](int x, int y) { return x | y; });
  }
  static Bytes bit_xor(Bytes a, Bytes b) noexcept {
    return each(a, b, [](int x, int y) { return x ^ y; });
  }
  static Bytes shl(Bytes a, uint32_t count) noexcept {
    return each(a, a, [count](int x, int) { return x << count; });
  }
  static Bytes shr_logical(Bytes a, uint32_t count) noexcept {
    return each(a, a, [count](int x, int) { return x >> count; });
  }
  /// low | high << 4. Lanes must be < 16.
  static Bytes join_nibbles(Bytes low, Bytes high) noexcept {
    return each(low, high, [](int x, int y) { return x | y << 4; });
  }
  /// a0 b0 a1 b1 … of the first half of the lanes.
  static Bytes zip_low(Bytes a, Bytes b) noexcept { return {{a.lanes[0], b.lanes[0], a.lanes[1], b.lanes[1]}}; }
  /// The same of the second half.
  static Bytes zip_high(Bytes a, Bytes b) noexcept { return {{a.lanes[2], b.lanes[2], a.lanes[3], b.lanes[3]}}; }
  /// Of the sequence x = lanes of a, then of b: lane k is x[2k] and x[2k+1] side by side, kBits (at most 4) of each,
  /// the first in the low bits. Above those, the lanes of x must be all ones, and so are the result's.
  template <uint32_t kBits>
  static Bytes join_pairs(Bytes a, Bytes b) noexcept {
    const auto join = [](const Bytes& x, size_t k) {
      return static_cast<uint8_t>(x.lanes[2 * k] & (x.lanes[2 * k + 1] << kBits | ((1 << kBits) - 1)));
    };
    return {{join(a, 0), join(a, 1), join(b, 0), join(b, 1)}};
  }
  static Table load_table(const uint8_t* from) noexcept {
    Table table;
    std::memcpy(table.entries.data(), from, 16);
    return table;
  }
  /// entries[index], 0 where the index is over 15.
  static Bytes lookup(const Table& table, Bytes index) noexcept {
    return each(index, index, [&](int x, int) { return x < 16 ? table.entries[static_cast<size_t>(x)] : 0; });
  }

 private:
  static uint32_t unsign(int32_t a) noexcept { return static_cast<uint32_t>(a); }
  static int32_t wrap(uint32_t a) noexcept { return static_cast<int32_t>(a); }
  static int16_t as_signed(uint8_t a) noexcept { return static_cast<int8_t>(a); }
  static uint8_t signed_byte(int32_t a) noexcept { return static_cast<uint8_t>(saturate<int8_t>(a)); }

  template <typename T>
  static T saturate(int32_t a) noexcept {
    return static_cast<T>(min(max(a, std::numeric_limits<T>::min()), std::numeric_limits<T>::max()));
  }

  template <typename Operation>
  static I16 each(I16 a, I16 b, Operation operation) noexcept {
    for (size_t i = 0; i < 2; ++i) a.lanes[i] = static_cast<int16_t>(operation(a.lanes[i], b.lanes[i]));
    return a;
  }
  template <typename Operation>
  static Bytes each(Bytes a, Bytes b, Operation operation) noexcept {
    for (size_t i = 0; i < 4; ++i) a.lanes[i] = static_cast<uint8_t>(operation(a.lanes[i], b.lanes[i]));
    return a;
  }
};

}  // namespace arrowquant
