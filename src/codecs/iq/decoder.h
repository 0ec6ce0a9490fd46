#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/iq/super_block.h"
#include "codecs/iq_grid/grid_search.h"

/// What the decoders of IQ2 and IQ3 share: all but how bits are packed.
namespace arrowquant::iq {

/// The value of each level, before it is multiplied by the sub-block's factor.
using Values = std::array<uint8_t, 16>;

/// What a super-block says.
struct Decoded {
  std::array<uint16_t, kSuperBlock / 4> points;  ///< numbers of each group's
  std::array<uint8_t, kSuperBlock / 8> signs;    ///< bit i % 8 of byte i / 8 is set where weight i is negative
  std::array<float, kSuperBlock / 16> factors;   ///< of every 16 weights
};

template <typename Shape, typename Lanes>
void decode_super_block(const Grid& grid, const Values& values, const Decoded& decoded, float* to) noexcept;

/// A format has the `kValues` of its levels, its `Shape`, `grid()`, a `Block`, and `unpack`.
template <typename Format, typename Lanes>
void decode(std::span<const uint8_t> bytes, std::span<float> weights) noexcept {
  const auto* blocks = reinterpret_cast<const typename Format::Block*>(bytes.data());
  const Grid& grid = Format::grid();
  for (size_t i = 0; i < weights.size() / kSuperBlock; ++i) {
    Decoded decoded;
    Format::unpack(blocks[i], decoded);
    decode_super_block<typename Format::Shape, Lanes>(grid, Format::kValues, decoded, &weights[i * kSuperBlock]);
  }
}

/// The eighth sign of a group of which seven are stored makes their number even.
inline uint8_t even_signs(uint32_t seven) noexcept {
  uint32_t parity = seven ^ seven >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return static_cast<uint8_t>(seven | (parity & 1) << 7);
}

/// Signs and factors of a sub-block of 32 from the bits of signs_and_scale; the factor is scale · (code + ½) · share.
inline void unpack_signs_and_scale(uint32_t bits, size_t sub_block, float scale, float share,
                                   Decoded& decoded) noexcept {
  for (size_t k = 0; k < 4; ++k) decoded.signs[4 * sub_block + k] = even_signs(bits >> 7 * k & 127);
  const float factor = scale * (0.5F + static_cast<float>(bits >> 28)) * share;
  decoded.factors[2 * sub_block] = factor;
  decoded.factors[2 * sub_block + 1] = factor;
}

/// The factors of sub-blocks of 16 from the bytes of pack_codes: scale · (code + ½) / 4.
inline void unpack_codes(std::span<const uint8_t> codes, float scale, Decoded& decoded) noexcept {
  for (size_t i = 0; i < decoded.factors.size(); ++i) {
    decoded.factors[i] = scale * (0.5F + static_cast<float>(codes[i / 2] >> i % 2 * 4 & 15)) * 0.25F;
  }
}

}  // namespace arrowquant::iq
