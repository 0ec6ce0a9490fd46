#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/half.h"
#include "base/status.h"
#include "codecs/foreign/float_type.h"
#include "simd/magnitude.h"

/// Weights as programs see them that hold a tensor in a float type, for kernels that have an instance for each type.
namespace arrowquant {

/// Calls `encode(typed, first, count)` for one piece of a tensor after the other: weights from `first` on, finite,
/// rounded to the type and filled up to whole steps, see piece_in_type, of which the first `count` are wanted. It
/// returns a Status whose position counts from the piece's first weight.
template <typename L, typename Type, typename Encode>
[[nodiscard]] Status for_typed_pieces(std::span<const float> weights, size_t step, const EncodeContext& context,
                                      Encode encode) noexcept {
  constexpr const FloatType& kType = kFloatType<L, Type>;
  TypedRoom room;
  for (size_t at = 0; at < weights.size(); at += kTypedWeights) {
    const std::span<const float> piece = weights.subspan(at, std::min(kTypedWeights, weights.size() - at));
    const std::span<const float> typed = piece_in_type(piece, step, kType, context, room);
    const bool finite = !typed.empty() && largest_magnitude(typed) < kType.overflow;
    const Status status = finite ? encode(typed, at, piece.size()) : first_not_finite(piece, kType);
    if (!status.ok()) return status.offset_by(at);
  }
  return {};
}

/// Stores numbers, rounded to the type half to even.
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
