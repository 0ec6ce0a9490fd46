#pragma once

#include <wasm_simd128.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace arrowquant {

/// Four lanes in a v128. The same names as ScalarLanes, where they are documented, and the same results, to the bit.
/// The types are distinct so that a kernel cannot take bits for numbers.
struct WasmLanes {
  static constexpr size_t kWidth = 4;
  struct F32 {
    v128_t raw;
  };
  struct F64 {
    v128_t low, high;
  };
  struct I32 {
    v128_t raw;
  };
  struct Mask {
    v128_t raw;
  };
  struct I16 {
    v128_t raw;
  };
  struct Bytes {
    v128_t raw;
  };
  struct Table {
    v128_t raw;
  };

  // --- F32 ---------------------------------------------------------------------------------------------------------
  static F32 splat(float value) noexcept { return {wasm_f32x4_splat(value)}; }
  static F32 load(const float* from) noexcept { return {wasm_v128_load(from)}; }
  static void store(float* to, F32 value) noexcept { wasm_v128_store(to, value.raw); }
  static F32 add(F32 a, F32 b) noexcept { return {wasm_f32x4_add(a.raw, b.raw)}; }
  static F32 sub(F32 a, F32 b) noexcept { return {wasm_f32x4_sub(a.raw, b.raw)}; }
  static F32 mul(F32 a, F32 b) noexcept { return {wasm_f32x4_mul(a.raw, b.raw)}; }
  static F32 div(F32 a, F32 b) noexcept { return {wasm_f32x4_div(a.raw, b.raw)}; }
  static F32 sqrt(F32 a) noexcept { return {wasm_f32x4_sqrt(a.raw)}; }
  static F32 nearest(F32 a) noexcept { return {wasm_f32x4_nearest(a.raw)}; }
  static F32 floor(F32 a) noexcept { return {wasm_f32x4_floor(a.raw)}; }
  static F32 whole_part(F32 a) noexcept { return {wasm_f32x4_trunc(a.raw)}; }
  static F32 abs(F32 a) noexcept { return {wasm_f32x4_abs(a.raw)}; }
  static F32 neg(F32 a) noexcept { return {wasm_f32x4_neg(a.raw)}; }
  static F32 pmin(F32 a, F32 b) noexcept { return {wasm_f32x4_pmin(a.raw, b.raw)}; }
  static F32 pmax(F32 a, F32 b) noexcept { return {wasm_f32x4_pmax(a.raw, b.raw)}; }
  static Mask eq(F32 a, F32 b) noexcept { return {wasm_f32x4_eq(a.raw, b.raw)}; }
  static Mask ne(F32 a, F32 b) noexcept { return {wasm_f32x4_ne(a.raw, b.raw)}; }
  static Mask lt(F32 a, F32 b) noexcept { return {wasm_f32x4_lt(a.raw, b.raw)}; }
  static Mask le(F32 a, F32 b) noexcept { return {wasm_f32x4_le(a.raw, b.raw)}; }
  static Mask gt(F32 a, F32 b) noexcept { return {wasm_f32x4_gt(a.raw, b.raw)}; }
  static Mask ge(F32 a, F32 b) noexcept { return {wasm_f32x4_ge(a.raw, b.raw)}; }
  static F32 select(Mask mask, F32 yes, F32 no) noexcept { return {wasm_v128_bitselect(yes.raw, no.raw, mask.raw)}; }

  // --- I32 ---------------------------------------------------------------------------------------------------------
  static I32 splat(int32_t value) noexcept { return {wasm_i32x4_splat(value)}; }
  static I32 load(const int32_t* from) noexcept { return {wasm_v128_load(from)}; }
  static void store(int32_t* to, I32 value) noexcept { wasm_v128_store(to, value.raw); }
  static I32 add(I32 a, I32 b) noexcept { return {wasm_i32x4_add(a.raw, b.raw)}; }
  static I32 sub(I32 a, I32 b) noexcept { return {wasm_i32x4_sub(a.raw, b.raw)}; }
  static I32 mul(I32 a, I32 b) noexcept { return {wasm_i32x4_mul(a.raw, b.raw)}; }
  static I32 neg(I32 a) noexcept { return {wasm_i32x4_neg(a.raw)}; }
  static I32 abs(I32 a) noexcept { return {wasm_i32x4_abs(a.raw)}; }
  static I32 min(I32 a, I32 b) noexcept { return {wasm_i32x4_min(a.raw, b.raw)}; }
  static I32 max(I32 a, I32 b) noexcept { return {wasm_i32x4_max(a.raw, b.raw)}; }
  static I32 min_unsigned(I32 a, I32 b) noexcept { return {wasm_u32x4_min(a.raw, b.raw)}; }
  static I32 max_unsigned(I32 a, I32 b) noexcept { return {wasm_u32x4_max(a.raw, b.raw)}; }
  static I32 max_unsigned_halves(I32 a, I32 b) noexcept { return {wasm_u16x8_max(a.raw, b.raw)}; }
  static Mask eq(I32 a, I32 b) noexcept { return {wasm_i32x4_eq(a.raw, b.raw)}; }
  static Mask ne(I32 a, I32 b) noexcept { return {wasm_i32x4_ne(a.raw, b.raw)}; }
  static Mask lt(I32 a, I32 b) noexcept { return {wasm_i32x4_lt(a.raw, b.raw)}; }
  static Mask le(I32 a, I32 b) noexcept { return {wasm_i32x4_le(a.raw, b.raw)}; }
  static Mask gt(I32 a, I32 b) noexcept { return {wasm_i32x4_gt(a.raw, b.raw)}; }
  static Mask ge(I32 a, I32 b) noexcept { return {wasm_i32x4_ge(a.raw, b.raw)}; }
  static I32 select(Mask mask, I32 yes, I32 no) noexcept { return {wasm_v128_bitselect(yes.raw, no.raw, mask.raw)}; }
  static I32 bit_and(I32 a, I32 b) noexcept { return {wasm_v128_and(a.raw, b.raw)}; }
  static I32 bit_or(I32 a, I32 b) noexcept { return {wasm_v128_or(a.raw, b.raw)}; }
  static I32 bit_xor(I32 a, I32 b) noexcept { return {wasm_v128_xor(a.raw, b.raw)}; }
  static I32 bit_andnot(I32 a, I32 b) noexcept { return {wasm_v128_andnot(a.raw, b.raw)}; }
  static I32 bit_not(I32 a) noexcept { return {wasm_v128_not(a.raw)}; }
  static I32 shl(I32 a, uint32_t count) noexcept { return {wasm_i32x4_shl(a.raw, count)}; }
  static I32 shr(I32 a, uint32_t count) noexcept { return {wasm_i32x4_shr(a.raw, count)}; }
  static I32 shr_logical(I32 a, uint32_t count) noexcept { return {wasm_u32x4_shr(a.raw, count)}; }

  static I32 load_u8(const uint8_t* from) noexcept {
    return {wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(from)))};
  }
  static I32 load_u16(const uint8_t* from) noexcept { return {wasm_u32x4_load16x4(from)}; }
  static void store_u16(uint8_t* to, I32 a) noexcept {
    wasm_v128_store64_lane(to, wasm_u16x8_narrow_i32x4(a.raw, a.raw), 0);
  }
  static void store_u8(uint8_t* to, I32 a) noexcept {
    const v128_t halves = wasm_u16x8_narrow_i32x4(a.raw, a.raw);
    wasm_v128_store32_lane(to, wasm_u8x16_narrow_i16x8(halves, halves), 0);
  }

  // --- F32 and I32 -------------------------------------------------------------------------------------------------
  static I32 bits(F32 a) noexcept { return {a.raw}; }
  static F32 from_bits(I32 a) noexcept { return {a.raw}; }
  static F32 to_f32(I32 a) noexcept { return {wasm_f32x4_convert_i32x4(a.raw)}; }
  static I32 truncate(F32 a) noexcept { return {wasm_i32x4_trunc_sat_f32x4(a.raw)}; }
  static I32 round_magic(F32 a) noexcept {
    const F32 magic = splat(12582912.0F);
    return sub(bits(add(a, magic)), bits(magic));
  }

  // --- Mask --------------------------------------------------------------------------------------------------------
  static Mask mask_and(Mask a, Mask b) noexcept { return {wasm_v128_and(a.raw, b.raw)}; }
  static Mask mask_or(Mask a, Mask b) noexcept { return {wasm_v128_or(a.raw, b.raw)}; }
  static Mask mask_andnot(Mask a, Mask b) noexcept { return {wasm_v128_andnot(a.raw, b.raw)}; }
  static Mask mask_not(Mask a) noexcept { return {wasm_v128_not(a.raw)}; }
  static bool any(Mask a) noexcept { return wasm_v128_any_true(a.raw); }
  static bool any(I32 a) noexcept { return wasm_v128_any_true(a.raw); }
  static bool all(Mask a) noexcept { return wasm_i32x4_all_true(a.raw); }
  static uint32_t bitmask(Mask a) noexcept { return static_cast<uint32_t>(wasm_i32x4_bitmask(a.raw)); }
  static I32 mask_bits(Mask a) noexcept { return {a.raw}; }

  // --- F64 ---------------------------------------------------------------------------------------------------------
  static F64 splat(double value) noexcept { return {wasm_f64x2_splat(value), wasm_f64x2_splat(value)}; }
  static F64 load(const double* from) noexcept { return {wasm_v128_load(from), wasm_v128_load(from + 2)}; }
  static void store(double* to, F64 value) noexcept {
    wasm_v128_store(to, value.low);
    wasm_v128_store(to + 2, value.high);
  }
  static F64 to_f64(F32 a) noexcept {
    return {wasm_f64x2_promote_low_f32x4(a.raw),
            wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(a.raw, a.raw, 2, 3, 2, 3))};
  }
  static F32 to_f32(F64 a) noexcept {
    return {wasm_i32x4_shuffle(wasm_f32x4_demote_f64x2_zero(a.low), wasm_f32x4_demote_f64x2_zero(a.high), 0, 1, 4, 5)};
  }
  static F64 add(F64 a, F64 b) noexcept { return {wasm_f64x2_add(a.low, b.low), wasm_f64x2_add(a.high, b.high)}; }
  static F64 sub(F64 a, F64 b) noexcept { return {wasm_f64x2_sub(a.low, b.low), wasm_f64x2_sub(a.high, b.high)}; }
  static F64 mul(F64 a, F64 b) noexcept { return {wasm_f64x2_mul(a.low, b.low), wasm_f64x2_mul(a.high, b.high)}; }
  static F64 div(F64 a, F64 b) noexcept { return {wasm_f64x2_div(a.low, b.low), wasm_f64x2_div(a.high, b.high)}; }
  static F64 abs(F64 a) noexcept { return {wasm_f64x2_abs(a.low), wasm_f64x2_abs(a.high)}; }
  static F64 pmin(F64 a, F64 b) noexcept { return {wasm_f64x2_pmin(a.low, b.low), wasm_f64x2_pmin(a.high, b.high)}; }
  static F64 pmax(F64 a, F64 b) noexcept { return {wasm_f64x2_pmax(a.low, b.low), wasm_f64x2_pmax(a.high, b.high)}; }

  // --- kWidth rows -------------------------------------------------------------------------------------------------
  using F32Square = std::array<F32, kWidth>;
  using I32Square = std::array<I32, kWidth>;
  static F32Square transpose(const F32Square& rows) noexcept { return transpose_lanes(rows); }
  static I32Square transpose(const I32Square& rows) noexcept { return transpose_lanes(rows); }
  static F32Square load_transposed(const float* from, size_t stride) noexcept {
    return transpose(F32Square{load(from), load(from + stride), load(from + 2 * stride), load(from + 3 * stride)});
  }
  static I32Square load_transposed(const int32_t* from, size_t stride) noexcept {
    return transpose(I32Square{load(from), load(from + stride), load(from + 2 * stride), load(from + 3 * stride)});
  }
  static void store_transposed(float* to, size_t stride, const F32Square& columns) noexcept {
    const F32Square rows = transpose(columns);
    for (size_t r = 0; r < kWidth; ++r) store(to + r * stride, rows[r]);
  }
  static void store_transposed(int32_t* to, size_t stride, const I32Square& columns) noexcept {
    const I32Square rows = transpose(columns);
    for (size_t r = 0; r < kWidth; ++r) store(to + r * stride, rows[r]);
  }
  static F32 gather(const float* from, size_t stride) noexcept {
    return {wasm_f32x4_make(from[0], from[stride], from[2 * stride], from[3 * stride])};
  }
  static I32 gather(const int32_t* from, size_t stride) noexcept {
    return {wasm_i32x4_make(from[0], from[stride], from[2 * stride], from[3 * stride])};
  }
  static void scatter_u16(uint8_t* to, size_t stride, I32 a) noexcept {
    wasm_v128_store16_lane(to, a.raw, 0);
    wasm_v128_store16_lane(to + stride, a.raw, 2);
    wasm_v128_store16_lane(to + 2 * stride, a.raw, 4);
    wasm_v128_store16_lane(to + 3 * stride, a.raw, 6);
  }

  // --- I16 ---------------------------------------------------------------------------------------------------------
  static I16 splat_i16(int16_t value) noexcept { return {wasm_i16x8_splat(value)}; }
  static I16 narrow(I32 a, I32 b) noexcept { return {wasm_i16x8_narrow_i32x4(a.raw, b.raw)}; }
  static I32 widen_low(I16 a) noexcept { return {wasm_i32x4_extend_low_i16x8(a.raw)}; }
  static I32 widen_high(I16 a) noexcept { return {wasm_i32x4_extend_high_i16x8(a.raw)}; }
  static I16 add(I16 a, I16 b) noexcept { return {wasm_i16x8_add(a.raw, b.raw)}; }
  static I16 sub(I16 a, I16 b) noexcept { return {wasm_i16x8_sub(a.raw, b.raw)}; }
  static I16 mul(I16 a, I16 b) noexcept { return {wasm_i16x8_mul(a.raw, b.raw)}; }
  static I16 min(I16 a, I16 b) noexcept { return {wasm_i16x8_min(a.raw, b.raw)}; }
  static I16 max(I16 a, I16 b) noexcept { return {wasm_i16x8_max(a.raw, b.raw)}; }
  static I16 bit_and(I16 a, I16 b) noexcept { return {wasm_v128_and(a.raw, b.raw)}; }
  static I16 bit_or(I16 a, I16 b) noexcept { return {wasm_v128_or(a.raw, b.raw)}; }
  static I16 shr(I16 a, uint32_t count) noexcept { return {wasm_i16x8_shr(a.raw, count)}; }
  static I16 halves(I32 a) noexcept { return {a.raw}; }
  static I32 dot(I16 a, I16 b) noexcept { return {wasm_i32x4_dot_i16x8(a.raw, b.raw)}; }
  static bool any(I16 a) noexcept { return wasm_v128_any_true(a.raw); }

  // --- Bytes -------------------------------------------------------------------------------------------------------
  static Bytes splat_bytes(uint8_t value) noexcept { return {wasm_i8x16_splat(static_cast<int8_t>(value))}; }
  static Bytes load_bytes(const uint8_t* from) noexcept { return {wasm_v128_load(from)}; }
  static void store_bytes(uint8_t* to, Bytes value) noexcept { wasm_v128_store(to, value.raw); }
  static Bytes load_half_bytes(const uint8_t* from) noexcept { return {wasm_v128_load64_zero(from)}; }
  static void store_half_bytes(uint8_t* to, Bytes value) noexcept { wasm_v128_store64_lane(to, value.raw, 0); }
  static Bytes narrow_unsigned(I16 a, I16 b) noexcept { return {wasm_u8x16_narrow_i16x8(a.raw, b.raw)}; }
  static Bytes narrow_signed(I16 a, I16 b) noexcept { return {wasm_i8x16_narrow_i16x8(a.raw, b.raw)}; }
  static I16 widen_low_unsigned(Bytes a) noexcept { return {wasm_u16x8_extend_low_u8x16(a.raw)}; }
  static I16 widen_high_unsigned(Bytes a) noexcept { return {wasm_u16x8_extend_high_u8x16(a.raw)}; }
  static I16 widen_low_signed(Bytes a) noexcept { return {wasm_i16x8_extend_low_i8x16(a.raw)}; }
  static I16 widen_high_signed(Bytes a) noexcept { return {wasm_i16x8_extend_high_i8x16(a.raw)}; }
  static Bytes add(Bytes a, Bytes b) noexcept { return {wasm_i8x16_add(a.raw, b.raw)}; }
  static Bytes sub(Bytes a, Bytes b) noexcept { return {wasm_i8x16_sub(a.raw, b.raw)}; }
  static Bytes min_unsigned(Bytes a, Bytes b) noexcept { return {wasm_u8x16_min(a.raw, b.raw)}; }
  static Bytes max_unsigned(Bytes a, Bytes b) noexcept { return {wasm_u8x16_max(a.raw, b.raw)}; }
  static Bytes ge_unsigned(Bytes a, Bytes b) noexcept { return {wasm_u8x16_ge(a.raw, b.raw)}; }
  static uint32_t bitmask(Bytes a) noexcept { return static_cast<uint32_t>(wasm_i8x16_bitmask(a.raw)); }
  static Bytes bit_and(Bytes a, Bytes b) noexcept { return {wasm_v128_and(a.raw, b.raw)}; }
  static Bytes bit_or(Bytes a, Bytes b) noexcept { return {wasm_v128_or(a.raw, b.raw)}; }
  static Bytes bit_xor(Bytes a, Bytes b) noexcept { return {wasm_v128_xor(a.raw, b.raw)}; }
  static Bytes shl(Bytes a, uint32_t count) noexcept { return {wasm_i8x16_shl(a.raw, count)}; }
  static Bytes shr_logical(Bytes a, uint32_t count) noexcept { return {wasm_u8x16_shr(a.raw, count)}; }
  static Bytes join_nibbles(Bytes low, Bytes high) noexcept {
    // Nothing leaves a byte, so that any width of shift does, and those of bytes are slow on x86.
    return {wasm_v128_or(low.raw, wasm_i32x4_shl(high.raw, 4))};
  }
  static Bytes zip_low(Bytes a, Bytes b) noexcept {
    return {wasm_i8x16_shuffle(a.raw, b.raw, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)};
  }
  static Bytes zip_high(Bytes a, Bytes b) noexcept {
    return {wasm_i8x16_shuffle(a.raw, b.raw, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)};
  }
  template <uint32_t kBits>
  static Bytes join_pairs(Bytes a, Bytes b) noexcept {
    return {wasm_u8x16_narrow_i16x8(join_in_pairs<kBits>(a.raw), join_in_pairs<kBits>(b.raw))};
  }
  static Table load_table(const uint8_t* from) noexcept { return {wasm_v128_load(from)}; }
  static Bytes lookup(Table table, Bytes index) noexcept { return {wasm_i8x16_swizzle(table.raw, index.raw)}; }

 private:
  template <typename Square>
  static Square transpose_lanes(const Square& rows) noexcept {
    const v128_t low_01 = wasm_i32x4_shuffle(rows[0].raw, rows[1].raw, 0, 4, 1, 5);
    const v128_t high_01 = wasm_i32x4_shuffle(rows[0].raw, rows[1].raw, 2, 6, 3, 7);
    const v128_t low_23 = wasm_i32x4_shuffle(rows[2].raw, rows[3].raw, 0, 4, 1, 5);
    const v128_t high_23 = wasm_i32x4_shuffle(rows[2].raw, rows[3].raw, 2, 6, 3, 7);
    return {{{wasm_i32x4_shuffle(low_01, low_23, 0, 1, 4, 5)},
             {wasm_i32x4_shuffle(low_01, low_23, 2, 3, 6, 7)},
             {wasm_i32x4_shuffle(high_01, high_23, 0, 1, 4, 5)},
             {wasm_i32x4_shuffle(high_01, high_23, 2, 3, 6, 7)}}};
  }

  /// Each 16-bit lane holds two bytes; their ones above kBits let an AND put them together. The high byte becomes 0.
  template <uint32_t kBits>
  static v128_t join_in_pairs(v128_t pairs) noexcept {
    const v128_t joined = wasm_v128_and(pairs, wasm_u16x8_shr(pairs, 8 - kBits));
    return wasm_v128_and(joined, wasm_i16x8_splat(0xFF));
  }
};

}  // namespace arrowquant
