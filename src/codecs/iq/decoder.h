#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codecs/iq/grid_search.h"
#include "codecs/iq/super_block.h"

/// What the decoders of IQ2 and IQ3 share.
namespace arrowquant::iq {

/// A super-block's levels, and 0xFF where a weight is negative, else 0.
struct SignedLevels {
  alignas(16) std::array<uint8_t, kSuperBlock> levels;
  alignas(16) std::array<uint8_t, kSuperBlock> signs;
};

/// Four levels as bytes, from the low bits of a key.
template <typename Shape>
uint32_t spread_levels(uint32_t key) noexcept {
  constexpr uint32_t kLevel = (1U << Shape::kBits) - 1;
  uint32_t bytes = 0;
  for (uint32_t i = 0; i < 4; ++i) bytes |= (key >> i * Shape::kBits & kLevel) << 8 * i;
  return bytes;
}

/// A byte of ones for each of the low four bits that is set.
inline uint32_t spread_signs(uint32_t bits) noexcept { return ((bits & 15) * 0x00204081 & 0x01010101) * 0xFF; }

/// The eighth sign of a group of which seven are stored makes their number even.
inline uint8_t even_signs(uint32_t seven) noexcept {
  uint32_t parity = seven ^ seven >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return static_cast<uint8_t>(seven | (parity & 1) << 7);
}

/// `Format::signs_of(group, block)` are the signs of 8 weights, `point_of(group, block)` the number of a group's point,
/// `factor_of(sub_block, block)` what its values are multiplied by. `kValues` has the value of each level.
template <typename Format, typename Lanes>
void decode_super_block(const Grid& grid, const typename Format::Block& block, float* to) noexcept {
  using Shape = typename Format::Shape;
  SignedLevels signed_levels;
  for (size_t group = 0; group < kSuperBlock / 8; ++group) {
    const uint32_t signs = Format::signs_of(group, block);
    store_u32(&signed_levels.signs[8 * group], spread_signs(signs));
    store_u32(&signed_levels.signs[8 * group + 4], spread_signs(signs >> 4));
  }
  for (size_t group = 0; group < kSuperBlock / Shape::kDimensions; ++group) {
    const uint32_t key = grid.key_of(Format::point_of(group, block));
    for (uint32_t i = 0; i < Shape::kDimensions; i += 4) {
      store_u32(&signed_levels.levels[group * Shape::kDimensions + i], spread_levels<Shape>(key >> i * Shape::kBits));
    }
  }
  const auto values = Lanes::load_table(Format::kValues.data());
  for (size_t i = 0; i < kSuperBlock; i += 4 * Lanes::kWidth) {
    const auto signs = Lanes::load_bytes(&signed_levels.signs[i]);
    const auto value = Lanes::lookup(values, Lanes::load_bytes(&signed_levels.levels[i]));
    const auto turned = Lanes::sub(Lanes::bit_xor(value, signs), signs);
    const auto factor = Lanes::splat(Format::factor_of(i / Format::kSubBlock, block));
    const auto put = [&](size_t quarter, typename Lanes::I32 level) noexcept {
      Lanes::store(to + i + quarter * Lanes::kWidth, Lanes::mul(factor, Lanes::to_f32(level)));
    };
    const auto low = Lanes::widen_low_signed(turned);
    const auto high = Lanes::widen_high_signed(turned);
    put(0, Lanes::widen_low(low));
    put(1, Lanes::widen_high(low));
    put(2, Lanes::widen_low(high));
    put(3, Lanes::widen_high(high));
  }
}

template <typename Format, typename Lanes>
void decode(std::span<const uint8_t> bytes, std::span<float> weights) noexcept {
  const auto* blocks = reinterpret_cast<const typename Format::Block*>(bytes.data());
  const Grid& grid = Format::grid();
  for (size_t i = 0; i < weights.size() / kSuperBlock; ++i) {
    decode_super_block<Format, Lanes>(grid, blocks[i], &weights[i * kSuperBlock]);
  }
}

}  // namespace arrowquant::iq
