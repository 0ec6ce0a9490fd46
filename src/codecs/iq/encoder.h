#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "codecs/iq/super_block.h"
#include "codecs/iq_grid/grid_search.h"

/// What the encoders of IQ2 and IQ3 share: all but how bits are packed.
///
/// weight ≈ scale · (2 · code of the sub-block's scale + 1) · (2 · level + 1).
namespace arrowquant::iq {

inline constexpr size_t kMostSubBlocks = 16;

/// What distinguishes the formats.
struct Rules {
  size_t sub_block;  ///< weights that share a scale
  Trials trials;     ///< for the sub-block's scale
  bool
      starts_from_levels;  ///< The trials lie around the scale that is best for any levels 0…4, else the largest value.
  float least;             ///< A sub-block with no value as large is zeros.
  float fudge;             ///< by which ggml multiplies the scale that it stores
  bool even_signs;         ///< seven signs of every eight are stored
  bool keeps_points;       ///< also in a block whose scale is 0
  Weighing plain;          ///< how weights count without importance
  Weighing weighted;       ///< and with it
};

/// What was found for a super-block.
struct Encoded {
  float scale;                                     ///< 0 where the block is zeros
  std::array<uint16_t, kSuperBlock / 4> points;    ///< numbers of each group's
  std::array<uint8_t, kSuperBlock / 8> signs;      ///< bit i % 8 of byte i / 8 is set where weight i is negative
  std::array<uint8_t, kMostSubBlocks> sub_scales;  ///< codes 0…15
  uint32_t found;                                  ///< bit j is set where sub-block j is not zeros
};

/// kNotFinite with the index of the first such weight; kScaleOverflow where sums overflow, so that ggml would end the
/// process or write zeros. `importance` has a number for each weight, or is nullptr for ones.
template <typename Shape, typename Lanes>
Status encode_super_block(Grid& grid, const Rules& rules, Weighing weighing, const float* from, const float* importance,
                          Encoded& encoded) noexcept;

template <typename Format, typename Lanes>
Status encode_blocks(std::span<const float> weights, const float* importance, Weighing weighing,
                     std::span<uint8_t> bytes) noexcept {
  auto* blocks = reinterpret_cast<typename Format::Block*>(bytes.data());
  Grid& grid = Format::grid();
  for (size_t at = 0; at < weights.size(); at += kSuperBlock) {
    Encoded encoded;
    const float* counts = importance == nullptr ? nullptr : importance + at;
    const Status status = encode_super_block<typename Format::Shape, Lanes>(grid, Format::kRules, weighing,
                                                                            &weights[at], counts, encoded);
    if (!status.ok()) return status.offset_by(at);
    auto& block = blocks[at / kSuperBlock];
    block = {};
    Format::pack(encoded, block);
    if (!k_quant::store_half(block.scale, encoded.scale)) return {StatusCode::kScaleOverflow, at};
  }
  return {};
}

/// A format has its `Rules`, its `Shape`, `grid()`, a `Block` with a `scale`, and `pack`, which fills the rest of one
/// that is all zeros.
template <typename Format, typename Lanes>
Status encode(std::span<const float> weights, std::span<uint8_t> bytes) noexcept {
  return encode_blocks<Format, Lanes>(weights, nullptr, Format::kRules.plain, bytes);
}

template <typename Format, typename Lanes>
Status encode_weighed(std::span<const float> weights, const float* importance, std::span<uint8_t> bytes) noexcept {
  return encode_blocks<Format, Lanes>(weights, importance, Format::kRules.weighted, bytes);
}

/// Two four-bit codes to a byte, the even ones in the low half.
template <size_t kBytes>
void pack_codes(const Encoded& encoded, std::array<uint8_t, kBytes>& to) noexcept {
  for (size_t i = 0; i < kBytes; ++i) {
    to[i] = static_cast<uint8_t>(encoded.sub_scales[2 * i] | encoded.sub_scales[2 * i + 1] << 4);
  }
}

/// Seven signs of each of four groups, and a sub-block's scale above them.
inline uint32_t signs_and_scale(const Encoded& encoded, size_t sub_block) noexcept {
  uint32_t bits = uint32_t{encoded.sub_scales[sub_block]} << 28;
  for (size_t k = 0; k < 4; ++k) bits |= (encoded.signs[4 * sub_block + k] & 127U) << 7 * k;
  return bits;
}

}  // namespace arrowquant::iq
