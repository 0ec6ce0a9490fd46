// Native test builds take this header for the compiler's own: SIMDe's portable versions of the wasm intrinsics.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/wasm/simd128.h>

#include <cstdint>
#include <cstring>

// Gaps of SIMDe 0.7.4.
#ifndef wasm_u8x16_splat
#define wasm_u8x16_splat(a) wasm_i8x16_splat(static_cast<int8_t>(a))
#endif
#ifndef wasm_u16x8_splat
#define wasm_u16x8_splat(a) wasm_i16x8_splat(static_cast<int16_t>(a))
#endif
#ifndef wasm_u32x4_splat
#define wasm_u32x4_splat(a) wasm_i32x4_splat(static_cast<int32_t>(a))
#endif
#ifndef wasm_i32x4_const_splat
#define wasm_i32x4_const_splat(a) wasm_i32x4_splat(a)
#endif
#ifndef wasm_f32x4_const_splat
#define wasm_f32x4_const_splat(a) wasm_f32x4_splat(a)
#endif

// SIMDe computes these with signed integers that may overflow: undefined in C++, and the sanitizer says so.
template <typename Operation>
v128_t for_each_unsigned_lane(v128_t a, v128_t b, Operation operation) {
  uint32_t x[4];
  uint32_t y[4];
  std::memcpy(x, &a, sizeof(x));
  std::memcpy(y, &b, sizeof(y));
  for (int i = 0; i < 4; ++i) x[i] = operation(x[i], y[i]);
  std::memcpy(&a, x, sizeof(x));
  return a;
}
inline v128_t wrapping_i32x4_mul(v128_t a, v128_t b) {
  return for_each_unsigned_lane(a, b, [](uint32_t x, uint32_t y) { return x * y; });
}
inline v128_t wrapping_i32x4_abs(v128_t a) {
  return for_each_unsigned_lane(a, a, [](uint32_t x, uint32_t) { return x >> 31 != 0 ? 0 - x : x; });
}
#undef wasm_i32x4_mul
#define wasm_i32x4_mul(a, b) wrapping_i32x4_mul((a), (b))
#undef wasm_i32x4_abs
#define wasm_i32x4_abs(a) wrapping_i32x4_abs((a))
