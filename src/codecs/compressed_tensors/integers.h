#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "codecs/compressed_tensors/integer_levels.h"
#include "codecs/foreign/typed_weights.h"
#include "codecs/minifloat.h"

/// The scales of groups of `ct_int_*`, and what has to be known of their weights for them.
namespace arrowquant::compressed_tensors {

/// What PyTorch calls the `eps` of a type: how far the number after 1 is from it.
template <typename Type>
inline constexpr float kEpsilon = Type::kElement == ElementType::kF32   ? 0x1p-23F
                                  : Type::kElement == ElementType::kF16 ? 0x1p-10F
                                                                        : 0x1p-7F;

/// What is seen of weights: as bits, which positive numbers are in the order of, and negative ones, without a sign, in
/// that of their magnitudes; NaN are beyond infinities.
template <typename L>
struct Seen {
  typename L::I32 most = L::splat(0);   ///< the largest, if it is positive
  typename L::I32 least = L::splat(0);  ///< the smallest, if it is negative; else what nobody wants
};

/// Of a group of whole fours of vectors.
template <typename L>
[[nodiscard]] Seen<L> look_at_group(const float* weights, size_t group_size) noexcept {
  Seen<L> seen;
  for (const float* end = weights + group_size; weights != end; weights += 4 * L::kWidth) {
    std::array<typename L::I32, 4> bits;
    for (size_t i = 0; i < bits.size(); ++i) bits[i] = L::bits(L::load(weights + i * L::kWidth));
    seen.most = L::max(seen.most, L::max(L::max(bits[0], bits[1]), L::max(bits[2], bits[3])));
    seen.least = L::max_unsigned(seen.least,
                                 L::max_unsigned(L::max_unsigned(bits[0], bits[1]), L::max_unsigned(bits[2], bits[3])));
  }
  return seen;
}

/// kWidth groups, one in each lane.
template <typename L>
[[nodiscard]] Seen<L> look_at_groups(const float* weights, size_t group_size) noexcept {
  typename L::I32Square most;
  typename L::I32Square least;
  for (size_t r = 0; r < L::kWidth; ++r) {
    const Seen<L> seen = look_at_group<L>(weights + r * group_size, group_size);
    most[r] = seen.most;
    least[r] = seen.least;
  }
  most = L::transpose(most);
  least = L::transpose(least);
  Seen<L> merged;
  for (size_t c = 0; c < L::kWidth; ++c) {
    merged.most = L::max(merged.most, most[c]);
    merged.least = L::max_unsigned(merged.least, least[c]);
  }
  return merged;
}

/// Sets scale, factor and shift of kWidth groups from `group` on. `lo` ≤ 0 ≤ `hi`. Returns where the kernel of levels
/// does not serve: where reciprocals of the scale and products with them are no normal numbers.
template <typename L, typename Type>
[[nodiscard]] typename L::Mask set_rules(typename L::F32 lo, typename L::F32 hi, const CodecParameters& parameters,
                                         size_t group, LevelRules& to) noexcept {
  const auto round = [](typename L::F32 value) { return Type::template round<L>(value); };
  const auto last = static_cast<float>((1U << parameters.bits) - 1);
  const auto half = static_cast<float>(1U << (parameters.bits - 1));
  auto scale = L::splat(0.0F);
  auto shift = L::splat(0.0F);
  if (parameters.symmetric) {
    scale = round(L::div(L::pmax(hi, L::neg(lo)), L::splat(last / 2)));
  } else {
    scale = round(L::div(round(L::sub(hi, lo)), L::splat(last)));
    const auto steps = round(L::sub(L::splat(-half), round(L::div(lo, scale))));
    const auto clamped = L::pmin(L::pmax(steps, L::splat(-half)), L::splat(half - 1));
    // 0/0, of a group of zeros, is what a cast to int8 makes of it: 0.
    shift = L::select(L::eq(steps, steps), L::nearest(clamped), shift);
  }
  scale = L::select(L::eq(scale, L::splat(0.0F)), L::splat(kEpsilon<Type>), scale);
  L::store(&to.scales[group], scale);
  L::store(&to.shifts[group], shift);
  if constexpr (kMissingBits<Type> == 0) return L::eq(scale, L::splat(std::numeric_limits<float>::infinity()));
  L::store(&to.inverses[group], L::div(L::splat(1.0F), scale));
  return L::mask_or(L::lt(scale, L::splat(0x1p-100F)), L::gt(scale, L::splat(0x1p+100F)));
}

/// What is found of a piece.
struct Findings {
  uint32_t largest = 0;     ///< the bits of the largest magnitude
  bool is_ordinary = true;  ///< the kernel of levels serves all groups
};

/// Sets the rules of all groups of a piece, a multiple of kWidth of them; of no meaning unless its weights are finite.
template <typename L, typename Type>
[[nodiscard, gnu::noinline]] Findings set_all_rules(std::span<const float> weights, const CodecParameters& parameters,
                                                    LevelRules& to) noexcept {
  const size_t size = parameters.group_size;
  auto largest = L::splat(0);
  auto unusual = L::lt(L::splat(0), L::splat(0));
  for (size_t group = 0; group * size < weights.size(); group += L::kWidth) {
    const Seen<L> seen = look_at_groups<L>(&weights[group * size], size);
    const auto lo = L::select(L::lt(seen.least, L::splat(0)), seen.least, L::splat(0));
    largest = L::max(largest, L::max(seen.most, L::bit_and(lo, L::splat(0x7FFFFFFF))));
    unusual = L::mask_or(unusual, set_rules<L, Type>(L::from_bits(lo), L::from_bits(seen.most), parameters, group, to));
  }
  std::array<int32_t, L::kWidth> lanes;
  L::store(lanes.data(), largest);
  return {static_cast<uint32_t>(*std::max_element(lanes.begin(), lanes.end())), !L::any(unusual)};
}

}  // namespace arrowquant::compressed_tensors
