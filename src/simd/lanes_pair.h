#pragma once

#include <cstddef>
#include <cstdint>

namespace arrowquant {

/// Two vectors of `Part` side by side, with the names of the lane type that they are made of (see ScalarLanes).
///
/// For kernels whose chains of dependent operations are longer than the processor's pipelines: two independent chains
/// overlap. The results are lane by lane those of `Part`. Pairs of pairs work too.
template <typename Part>
struct PairLanes {
  static constexpr size_t kWidth = 2 * Part::kWidth;
  struct F32 {
    typename Part::F32 a, b;
  };
  struct I32 {
    typename Part::I32 a, b;
  };
  struct Mask {
    typename Part::Mask a, b;
  };

  // --- F32 ---------------------------------------------------------------------------------------------------------
  static F32 splat(float value) noexcept { return {Part::splat(value), Part::splat(value)}; }
  static F32 load(const float* from) noexcept { return {Part::load(from), Part::load(from + Part::kWidth)}; }
  static void store(float* to, F32 value) noexcept {
    Part::store(to, value.a);
    Part::store(to + Part::kWidth, value.b);
  }
  static F32 add(F32 x, F32 y) noexcept { return {Part::add(x.a, y.a), Part::add(x.b, y.b)}; }
  static F32 sub(F32 x, F32 y) noexcept { return {Part::sub(x.a, y.a), Part::sub(x.b, y.b)}; }
  static F32 mul(F32 x, F32 y) noexcept { return {Part::mul(x.a, y.a), Part::mul(x.b, y.b)}; }
  static F32 div(F32 x, F32 y) noexcept { return {Part::div(x.a, y.a), Part::div(x.b, y.b)}; }
  static F32 sqrt(F32 x) noexcept { return {Part::sqrt(x.a), Part::sqrt(x.b)}; }
  static F32 nearest(F32 x) noexcept { return {Part::nearest(x.a), Part::nearest(x.b)}; }
  static F32 abs(F32 x) noexcept { return {Part::abs(x.a), Part::abs(x.b)}; }
  static F32 neg(F32 x) noexcept { return {Part::neg(x.a), Part::neg(x.b)}; }
  static F32 pmin(F32 x, F32 y) noexcept { return {Part::pmin(x.a, y.a), Part::pmin(x.b, y.b)}; }
  static F32 pmax(F32 x, F32 y) noexcept { return {Part::pmax(x.a, y.a), Part::pmax(x.b, y.b)}; }
  static Mask eq(F32 x, F32 y) noexcept { return {Part::eq(x.a, y.a), Part::eq(x.b, y.b)}; }
  static Mask ne(F32 x, F32 y) noexcept { return {Part::ne(x.a, y.a), Part::ne(x.b, y.b)}; }
  static Mask lt(F32 x, F32 y) noexcept { return {Part::lt(x.a, y.a), Part::lt(x.b, y.b)}; }
  static Mask le(F32 x, F32 y) noexcept { return {Part::le(x.a, y.a), Part::le(x.b, y.b)}; }
  static Mask gt(F32 x, F32 y) noexcept { return {Part::gt(x.a, y.a), Part::gt(x.b, y.b)}; }
  static F32 select(Mask mask, F32 yes, F32 no) noexcept {
    return {Part::select(mask.a, yes.a, no.a), Part::select(mask.b, yes.b, no.b)};
  }

  // --- I32 ---------------------------------------------------------------------------------------------------------
  static I32 splat(int32_t value) noexcept { return {Part::splat(value), Part::splat(value)}; }
  static I32 load(const int32_t* from) noexcept { return {Part::load(from), Part::load(from + Part::kWidth)}; }
  static void store(int32_t* to, I32 value) noexcept {
    Part::store(to, value.a);
    Part::store(to + Part::kWidth, value.b);
  }
  static I32 min(I32 x, I32 y) noexcept { return {Part::min(x.a, y.a), Part::min(x.b, y.b)}; }
  static I32 max(I32 x, I32 y) noexcept { return {Part::max(x.a, y.a), Part::max(x.b, y.b)}; }
  static I32 bit_and(I32 x, I32 y) noexcept { return {Part::bit_and(x.a, y.a), Part::bit_and(x.b, y.b)}; }
  static I32 bit_or(I32 x, I32 y) noexcept { return {Part::bit_or(x.a, y.a), Part::bit_or(x.b, y.b)}; }
  static Mask ne(I32 x, I32 y) noexcept { return {Part::ne(x.a, y.a), Part::ne(x.b, y.b)}; }
  static I32 select(Mask mask, I32 yes, I32 no) noexcept {
    return {Part::select(mask.a, yes.a, no.a), Part::select(mask.b, yes.b, no.b)};
  }
  static I32 bits(F32 x) noexcept { return {Part::bits(x.a), Part::bits(x.b)}; }
  static F32 from_bits(I32 x) noexcept { return {Part::from_bits(x.a), Part::from_bits(x.b)}; }

  // --- Mask --------------------------------------------------------------------------------------------------------
  static Mask mask_and(Mask x, Mask y) noexcept { return {Part::mask_and(x.a, y.a), Part::mask_and(x.b, y.b)}; }
  static Mask mask_or(Mask x, Mask y) noexcept { return {Part::mask_or(x.a, y.a), Part::mask_or(x.b, y.b)}; }
  static Mask mask_andnot(Mask x, Mask y) noexcept {
    return {Part::mask_andnot(x.a, y.a), Part::mask_andnot(x.b, y.b)};
  }
  static bool any(Mask x) noexcept { return Part::any(x.a) || Part::any(x.b); }
  static bool all(Mask x) noexcept { return Part::all(x.a) && Part::all(x.b); }
};

}  // namespace arrowquant
