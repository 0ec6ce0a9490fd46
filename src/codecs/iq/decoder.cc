#include "codecs/iq/decoder.h"

#include "base/bytes.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::iq {
namespace {

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
uint32_t spread_signs(uint32_t bits) noexcept { return ((bits & 15) * 0x00204081 & 0x01010101) * 0xFF; }

template <typename Shape>
void spread(const Grid& grid, const Decoded& decoded, SignedLevels& to) noexcept {
  for (size_t group = 0; group < decoded.signs.size(); ++group) {
    store_u32(&to.signs[8 * group], spread_signs(decoded.signs[group]));
    store_u32(&to.signs[8 * group + 4], spread_signs(decoded.signs[group] >> 4));
  }
  for (size_t i = 0; i < kSuperBlock; i += Shape::kDimensions) {
    const uint32_t key = grid.key_of(decoded.points[i / Shape::kDimensions]);
    for (uint32_t k = 0; k < Shape::kDimensions; k += 4) {
      store_u32(&to.levels[i + k], spread_levels<Shape>(key >> k * Shape::kBits));
    }
  }
}

}  // namespace

template <typename Shape, typename Lanes>
void decode_super_block(const Grid& grid, const Values& values, const Decoded& decoded, float* to) noexcept {
  SignedLevels from;
  spread<Shape>(grid, decoded, from);
  const auto table = Lanes::load_table(values.data());
  for (size_t i = 0; i < kSuperBlock; i += 4 * Lanes::kWidth) {
    const auto signs = Lanes::load_bytes(&from.signs[i]);
    const auto value = Lanes::lookup(table, Lanes::load_bytes(&from.levels[i]));
    const auto turned = Lanes::sub(Lanes::bit_xor(value, signs), signs);
    const auto factor = Lanes::splat(decoded.factors[i / 16]);
    const auto put = [&](size_t quarter, typename Lanes::I32 number) noexcept {
      Lanes::store(to + i + quarter * Lanes::kWidth, Lanes::mul(factor, Lanes::to_f32(number)));
    };
    const auto low = Lanes::widen_low_signed(turned);
    const auto high = Lanes::widen_high_signed(turned);
    put(0, Lanes::widen_low(low));
    put(1, Lanes::widen_high(low));
    put(2, Lanes::widen_low(high));
    put(3, Lanes::widen_high(high));
  }
}

template void decode_super_block<EightOfThree, WasmLanes>(const Grid&, const Values&, const Decoded&, float*) noexcept;
template void decode_super_block<EightOfThree, ScalarLanes>(const Grid&, const Values&, const Decoded&,
                                                            float*) noexcept;
template void decode_super_block<FourOfEight, WasmLanes>(const Grid&, const Values&, const Decoded&, float*) noexcept;
template void decode_super_block<FourOfEight, ScalarLanes>(const Grid&, const Values&, const Decoded&, float*) noexcept;

}  // namespace arrowquant::iq
