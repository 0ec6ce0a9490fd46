#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/status.h"
#include "codecs/codec.h"
#include "codecs/minifloat.h"
#include "simd/half_arrays.h"

namespace arrowquant {

/// A float type that tensors of another program have, for kernels that are the same for all of them.
struct FloatType {
  ElementType element;
  uint32_t bytes;
  uint32_t overflow;  ///< the bits of the least magnitude that becomes infinite
  /// Rounds numbers to it, which may be where they go. Returns whether all were finite, and are.
  bool (*round)(std::span<const float> from, float* to) noexcept;
  /// Stores numbers, rounded half to even.
  void (*store)(std::span<const float> from, uint8_t* to) noexcept;
  /// The way back, exact.
  void (*load)(const uint8_t* from, std::span<float> to) noexcept;
};

namespace float_type_details {

template <typename L, typename Type>
[[nodiscard]] typename L::I32 round_vector(const float* from, float* to) noexcept {
  const auto number = L::load(from);
  L::store(to, Type::template round<L>(number));
  return L::bits(L::abs(number));
}

template <typename L, typename Type>
bool round(std::span<const float> from, float* to) noexcept {
  auto largest = L::splat(int32_t{0});
  const size_t whole = from.size() - from.size() % L::kWidth;
  for (size_t at = 0; at < whole; at += L::kWidth) {
    largest = L::max(largest, round_vector<L, Type>(&from[at], to + at));
  }
  std::array<float, L::kWidth> rest = {};
  std::copy(from.begin() + static_cast<ptrdiff_t>(whole), from.end(), rest.begin());
  largest = L::max(largest, round_vector<L, Type>(rest.data(), rest.data()));
  std::copy_n(rest.begin(), from.size() - whole, to + whole);
  return L::all(L::lt(largest, L::splat(static_cast<int32_t>(Type::kOverflow))));
}

inline void store_f32(std::span<const float> from, uint8_t* to) noexcept {
  if (!from.empty()) std::memcpy(to, from.data(), from.size_bytes());
}
inline void load_f32(const uint8_t* from, std::span<float> to) noexcept {
  if (!to.empty()) std::memcpy(to.data(), from, to.size_bytes());
}

}  // namespace float_type_details

/// The type that `Type` of minifloat.h says, with the lanes of `L`.
template <typename L, typename Type>
inline constexpr FloatType kFloatType = {
    Type::kElement,
    Type::kBits / 8,
    Type::kOverflow,
    float_type_details::round<L, Type>,
    Type::kElement == ElementType::kF32   ? float_type_details::store_f32
    : Type::kElement == ElementType::kF16 ? static_cast<decltype(FloatType::store)>(float_to_half)
                                          : static_cast<decltype(FloatType::store)>(float_to_bfloat16),
    Type::kElement == ElementType::kF32   ? float_type_details::load_f32
    : Type::kElement == ElementType::kF16 ? static_cast<decltype(FloatType::load)>(half_to_float)
                                          : static_cast<decltype(FloatType::load)>(bfloat16_to_float),
};

/// The first weight that is NaN or infinite (kNotFinite), or that the type cannot hold (kFloatOverflow).
[[nodiscard]] inline Status first_not_finite(std::span<const float> weights, const FloatType& type) noexcept {
  const auto magnitude = [](float weight) { return std::bit_cast<uint32_t>(weight) & 0x7FFFFFFF; };
  const auto found =
      std::find_if(weights.begin(), weights.end(), [&](float weight) { return magnitude(weight) >= type.overflow; });
  if (found == weights.end()) return {};
  const auto code = magnitude(*found) < 0x7F800000 ? StatusCode::kFloatOverflow : StatusCode::kNotFinite;
  return {code, static_cast<uint64_t>(found - weights.begin())};
}

/// So many weights are looked at in one go: small enough for the innermost cache.
inline constexpr size_t kTypedWeights = 1024;

/// Room for them.
using TypedRoom = std::array<float, kTypedWeights>;

/// Up to kTypedWeights weights, filled up to whole multiples of `step`, at most kTypedWeights, by repeating the last
/// one, which changes no extent of a group that it is in: where that adds any, in `room`.
[[nodiscard]] inline std::span<const float> in_whole_steps(std::span<const float> weights, size_t step,
                                                           TypedRoom& room) noexcept {
  const size_t rest = weights.size() % step;
  if (rest == 0) return weights;
  std::fill_n(std::copy(weights.begin(), weights.end(), room.begin()), step - rest, weights.back());
  return std::span(room).first(weights.size() + step - rest);
}

/// Such a piece as a program holds it whose tensor has the type, in whole steps. What is not in place then is in
/// `room`.
///
/// Empty when rounding met a weight that is not finite or does not stay so; those of the type itself are not looked at.
/// So who uses it asks first_not_finite when something is wrong.
[[nodiscard]] inline std::span<const float> piece_in_type(std::span<const float> weights, size_t step,
                                                          const FloatType& type, const EncodeContext& context,
                                                          TypedRoom& room) noexcept {
  const std::span<const float> piece = in_whole_steps(weights, step, room);
  if (type.element == ElementType::kF32 || type.element == context.weights_type) return piece;
  if (!type.round(piece, room.data())) return {};
  return std::span(room).first(piece.size());
}

/// Whether all numbers of a plane are finite; else the index of the first that is not.
[[nodiscard]] inline size_t first_special_of(std::span<const uint8_t> plane, const FloatType& type) noexcept {
  size_t index = 0;
  for (; index * type.bytes < plane.size(); ++index) {
    float number;
    type.load(&plane[index * type.bytes], {&number, 1});
    if (!std::isfinite(number)) break;
  }
  return index;
}

}  // namespace arrowquant
