#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "codecs/blocks_of_32/blocks_of_32.h"

/// What MXFP4 and NVFP4 share: elements of E2M1, which count here in halves, and the scale d that they are multiplied
/// with. weight ≈ d · element.
///
/// llama.cpp takes the first of the sixteen elements 0, 1, 2, 3, 4, 6, 8, 12, −0, −1, … whose product with d is nearest
/// to the weight, in f32. As long as a weight is at most some 2^20 · d, nothing is rounded where two products are about
/// equally near: it takes the smaller magnitude of two equally near ones, and never −0.
namespace arrowquant::fp4 {

/// Magnitudes by code.
inline constexpr std::array<float, 8> kElements = {0, 1, 2, 3, 4, 6, 8, 12};

/// The weights that lie halfway between two neighbours; infinite above those that f32 cannot hold, and for d = 0.
template <typename L>
class Halfways {
 public:
  explicit Halfways(float scale) noexcept {
    for (size_t i = 0; i < halfways_.size(); ++i) {
      const float halfway = 0.5F * (kElements[i] * scale) + 0.5F * (kElements[i + 1] * scale);
      halfways_[i] = L::splat(scale > 0.0F ? halfway : std::numeric_limits<float>::infinity());
    }
  }

  /// The codes of kWidth weights, 0…15.
  [[nodiscard]] typename L::I32 codes(typename L::F32 weights) const noexcept {
    const auto magnitude = L::abs(weights);
    auto code = L::splat(0);
    for (const auto& halfway : halfways_) code = L::sub(code, L::mask_bits(L::gt(magnitude, halfway)));
    const auto sign = L::bit_and(L::shr_logical(L::bits(weights), 28), L::splat(8));
    return L::bit_or(code, L::bit_and(sign, L::mask_bits(L::gt(code, L::splat(0)))));
  }

 private:
  std::array<typename L::F32, 7> halfways_;
};

/// Packs two elements a byte: byte `i` gets those of `code(i, false)` in its low half and of `code(i, true)` in its
/// high half; each call is for kWidth bytes.
template <typename L, typename Code>
void pack_codes(Code code, uint8_t* to, size_t count) noexcept {
  for (size_t i = 0; i < count; i += 4 * L::kWidth) {
    const auto bytes = [&](bool is_high) noexcept {
      const auto quarter = [&](size_t q) noexcept { return code(i + q * L::kWidth, is_high); };
      return L::narrow_unsigned(L::narrow(quarter(0), quarter(1)), L::narrow(quarter(2), quarter(3)));
    };
    L::store_bytes(to + i, L::join_nibbles(bytes(false), bytes(true)));
  }
}

/// Elements by code, in two's complement.
inline constexpr std::array<uint8_t, 16> kElementBytes = {0, 1,   2,   3,   4,   6,   8,   12,
                                                          0, 255, 254, 253, 252, 250, 248, 244};

}  // namespace arrowquant::fp4
