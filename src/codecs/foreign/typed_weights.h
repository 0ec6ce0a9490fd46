#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/half.h"
#include "base/status.h"
#include "codecs/foreign/float_type.h"
#include "codecs/minifloat.h"
#include "codecs/weight_range.h"
#include "simd/half_arrays.h"
#include "simd/lanes_scalar.h"

/// Weights as programs see them that hold a tensor in a float type: rounded to it before anything else.
namespace arrowquant {

namespace typed_details {

/// What is seen of weights before they are encoded.
struct Findings {
  uint32_t largest = 0;  ///< the bits of the largest magnitude
  bool exact = true;     ///< whether rounding changes none of them
};

/// `weights` are whole vectors.
template <typename L, typename Type>
[[nodiscard]] Findings look(std::span<const float> weights) noexcept {
  auto largest = L::splat(int32_t{0});
  auto lost = L::splat(int32_t{0});
  for (size_t at = 0; at < weights.size(); at += L::kWidth) {
    const auto weight = L::load(&weights[at]);
    largest = L::max(largest, L::bits(L::abs(weight)));
    if constexpr (Type::kElement == ElementType::kBF16) {
      lost = L::bit_or(lost, L::bits(weight));
    } else if constexpr (Type::kElement == ElementType::kF16) {
      lost = L::bit_or(lost, L::bit_xor(L::bits(weight), L::bits(Type::template round<L>(weight))));
    }
  }
  if constexpr (Type::kElement == ElementType::kBF16) lost = L::bit_and(lost, L::splat(0xFFFF));
  std::array<int32_t, L::kWidth> lanes;
  L::store(lanes.data(), largest);
  return {static_cast<uint32_t>(*std::max_element(lanes.begin(), lanes.end())), !L::any(L::ne(lost, L::splat(0)))};
}

}  // namespace typed_details

/// Rounds whole vectors of weights, which may be where they go.
template <typename L, typename Type>
void round_to_type(std::span<const float> weights, float* rounded) noexcept {
  for (size_t at = 0; at < weights.size(); at += L::kWidth) {
    L::store(rounded + at, Type::template round<L>(L::load(&weights[at])));
  }
}

/// Whether all weights are finite in a type; else the first that is not: kNotFinite if it never was, kFloatOverflow if
/// the type cannot hold it.
template <typename Type>
[[nodiscard]] Status find_not_finite_in(std::span<const float> weights) noexcept {
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!std::isfinite(weights[i])) return {StatusCode::kNotFinite, i};
    if (!std::isfinite(Type::template round<ScalarLanes>(weights[i]))) return {StatusCode::kFloatOverflow, i};
  }
  return {};
}

/// Up to kTypedWeights weights, in whole steps, and rounded to the type; where that changes nothing they stay where
/// they are, else they are in `room`. Sets `typed`, unless one of the weights is not finite.
template <typename L, typename Type>
[[nodiscard]] Status typed_weights(std::span<const float> weights, size_t step, TypedRoom& room,
                                   std::span<const float>& typed) noexcept {
  typed = in_whole_steps(weights, step, room);
  const typed_details::Findings found = typed_details::look<L, Type>(typed);
  if (found.largest >= Type::kOverflow) return find_not_finite_in<Type>(weights);
  if (found.exact) return {};
  round_to_type<L, Type>(typed, room.data());
  typed = std::span(room).first(typed.size());
  return {};
}

/// Calls `encode(typed, first, count)` for one piece of a tensor after the other: weights from `first` on, rounded to
/// the type, of which the first `count` are wanted; see typed_weights. It returns a Status whose position counts from
/// the piece's first weight.
template <typename L, typename Type, typename Encode>
[[nodiscard]] Status for_typed_pieces(std::span<const float> weights, size_t step, Encode encode) noexcept {
  TypedRoom room;
  for (size_t at = 0; at < weights.size(); at += kTypedWeights) {
    const std::span<const float> piece = weights.subspan(at, std::min(kTypedWeights, weights.size() - at));
    std::span<const float> typed;
    Status status = typed_weights<L, Type>(piece, step, room, typed);
    if (status.ok()) status = encode(typed, at, piece.size());
    if (!status.ok()) return status.offset_by(at);
  }
  return {};
}

/// Stores numbers that the type can tell apart or rounds, half to even.
template <typename Type>
void store_typed(std::span<const float> values, uint8_t* to) noexcept {
  if constexpr (Type::kElement == ElementType::kF32) {
    std::memcpy(to, values.data(), values.size_bytes());
  } else if constexpr (Type::kElement == ElementType::kF16) {
    float_to_half(values, to);
  } else {
    float_to_bfloat16(values, to);
  }
}

/// One of the numbers of a plane, exact.
template <typename Type>
[[nodiscard]] float load_typed(std::span<const uint8_t> plane, size_t index) noexcept {
  if constexpr (Type::kElement == ElementType::kF32) {
    float value;
    std::memcpy(&value, &plane[4 * index], sizeof value);
    return value;
  } else {
    const auto bits = static_cast<uint16_t>(plane[2 * index] | plane[2 * index + 1] << 8);
    return Type::kElement == ElementType::kF16 ? half_to_float(bits) : bfloat16_to_float(bits);
  }
}

/// The index of the first number of a plane that is NaN or infinite; the number of them all when there is none.
template <typename Type>
[[nodiscard]] size_t first_special(std::span<const uint8_t> plane) noexcept {
  const size_t count = plane.size() / (Type::kBits / 8);
  size_t index = 0;
  while (index < count && std::isfinite(load_typed<Type>(plane, index))) ++index;
  return index;
}

}  // namespace arrowquant
