#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>

#include "codecs/codec.h"

/// NF4 and FP4 of bitsandbytes, as its CPU path writes them: blocks of the flattened tensor, levels of 4 bits that
/// stand for values in −1…1, the first one of a byte in its high bits, and the largest magnitude of each block in F32.
///
/// - A weight is multiplied with 1/max(absmax, 1e−38) and takes the nearest value, the lower one of two equally near.
///   In a last block that is short it is divided by max(absmax, 1e−38) instead, and that is what is stored.
/// - Where the number of weights is odd, the level left over is that of zero.
/// - The way back is value · absmax in f32.
/// - NaN and infinities are refused. A zero of either sign, and so a block of zeros, takes the level of zero.
namespace arrowquant::bitsandbytes {

/// Blocks that the library can read, up to the most that pieces of tensors are multiples of; those of 32 with SIMD.
inline constexpr std::array kBlockSizes = {32U, 64U, 128U, 256U};

/// What the levels 0…15 stand for.
using Values = std::array<float, 16>;

/// The values in ascending order, as levels. Of two that are equal either may come first: a zero takes the first one.
using Order = std::array<uint8_t, 16>;

/// The library's, which is a subnormal number.
inline constexpr float kLeastDivisor = 1e-38F;

/// A number takes as many places in the order as it is above of these.
constexpr std::array<float, 15> halfways_of(const Values& values, const Order& order) noexcept {
  std::array<float, 15> halfways{};
  for (size_t i = 0; i < halfways.size(); ++i) halfways[i] = (values[order[i]] + values[order[i + 1]]) / 2;
  return halfways;
}

constexpr bool is_identity(const Order& order) noexcept {
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] != i) return false;
  }
  return true;
}

/// Vectors of weights in a step: their levels make one vector of bytes.
inline constexpr size_t kVectors = 8;
template <typename L>
inline constexpr size_t kStep{kVectors * L::kWidth};

template <typename L>
[[nodiscard]] typename L::I32 magnitudes(const float* from) noexcept {
  return L::bit_and(L::bits(L::load(from)), L::splat(0x7FFFFFFF));
}

/// The largest magnitude of whole steps, as bits, which are in the order of the numbers: NaN is above infinity.
template <typename L>
[[nodiscard]] uint32_t largest_magnitude(const float* weights, size_t count) noexcept {
  auto a = L::splat(0);
  auto b = L::splat(0);
  for (const float* end = weights + count; weights != end; weights += 2 * L::kWidth) {
    a = L::max(a, magnitudes<L>(weights));
    b = L::max(b, magnitudes<L>(weights + L::kWidth));
  }
  std::array<int32_t, L::kWidth> lanes;
  L::store(lanes.data(), L::max(a, b));
  return static_cast<uint32_t>(*std::max_element(lanes.begin(), lanes.end()));
}

/// The values of one format with what encoding makes of them.
template <const Values& kValues, const Order& kOrder>
struct FourBits {
  static constexpr std::array<float, 15> kHalfways = halfways_of(kValues, kOrder);

  /// Places in the order, less 16.
  template <typename L>
  [[nodiscard]] static typename L::I32 places(typename L::F32 scaled) noexcept {
    auto place = L::splat(-16);
    for (const float halfway : kHalfways) {
      place = L::sub(place, L::mask_bits(L::gt(scaled, L::splat(halfway))));
    }
    return place;
  }

  /// Levels with all of the upper bits set.
  template <typename L>
  [[nodiscard]] static typename L::Bytes levels(const std::array<typename L::F32, 4>& scaled) noexcept {
    const auto low = L::narrow(places<L>(scaled[0]), places<L>(scaled[1]));
    const auto high = L::narrow(places<L>(scaled[2]), places<L>(scaled[3]));
    const auto in_order = L::narrow_signed(low, high);
    if constexpr (is_identity(kOrder)) {
      return in_order;
    } else {
      const auto level = L::lookup(L::load_table(kOrder.data()), L::bit_and(in_order, L::splat_bytes(15)));
      return L::bit_or(level, L::splat_bytes(0xF0));
    }
  }

  /// Whole steps. `scale` is called with a vector of weights.
  template <typename L, typename Scale>
  static void encode_steps(const float* weights, size_t count, uint8_t* levels_out, Scale scale) noexcept {
    for (const float* end = weights + count; weights != end; weights += kStep<L>, levels_out += kStep<L> / 2) {
      std::array<typename L::Bytes, 2> halves;
      for (auto& half : halves) {
        const float* from = weights + (&half - halves.data()) * ptrdiff_t{4 * L::kWidth};
        std::array<typename L::F32, 4> scaled;
        for (size_t i = 0; i < scaled.size(); ++i) scaled[i] = scale(L::load(from + i * L::kWidth));
        half = levels<L>(scaled);
      }
      const auto low_first = L::template join_pairs<4>(halves[0], halves[1]);
      L::store_bytes(levels_out, L::bit_or(L::shl(low_first, 4), L::shr_logical(low_first, 4)));
    }
  }

  /// One whole block; its largest magnitude, as bits.
  template <typename L>
  static uint32_t encode_block(const float* weights, size_t count, uint8_t* levels_out) noexcept {
    const uint32_t bits = largest_magnitude<L>(weights, count);
    const auto inverse = L::splat(1.0F / std::max(std::bit_cast<float>(bits), kLeastDivisor));
    encode_steps<L>(weights, count, levels_out, [&](typename L::F32 x) noexcept { return L::mul(x, inverse); });
    return bits;
  }

  /// The last block of a tensor, where it is short.
  template <typename L>
  static uint32_t encode_short_block(std::span<const float> weights, uint8_t* levels_out, float& absmax) noexcept {
    std::array<float, kBlockSizes.back()> padded{};
    std::array<uint8_t, kBlockSizes.back() / 2> levels;
    std::copy(weights.begin(), weights.end(), padded.begin());
    const size_t whole = (weights.size() + kStep<L> - 1) / kStep<L> * kStep<L>;
    const uint32_t bits = largest_magnitude<L>(padded.data(), whole);
    absmax = std::max(std::bit_cast<float>(bits), kLeastDivisor);
    const auto divisor = L::splat(absmax);
    encode_steps<L>(padded.data(), whole, levels.data(),
                    [&](typename L::F32 x) noexcept { return L::div(x, divisor); });
    std::copy_n(levels.begin(), (weights.size() + 1) / 2, levels_out);
    return bits;
  }

  template <typename L>
  static Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
    const size_t size = context.parameters.group_size;
    uint32_t largest = 0;
    uint8_t* levels_out = planes[0].data();
    auto* absmax = reinterpret_cast<float*>(planes[1].data());
    size_t at = 0;
    for (; at + size <= weights.size(); at += size, levels_out += size / 2) {
      const uint32_t bits = encode_block<L>(weights.data() + at, size, levels_out);
      *absmax++ = std::bit_cast<float>(bits);
      largest = std::max(largest, bits);
    }
    if (at < weights.size()) {
      largest = std::max(largest, encode_short_block<L>(weights.subspan(at), levels_out, *absmax));
    }
    const bool finite = largest < std::bit_cast<uint32_t>(std::numeric_limits<float>::infinity());
    return finite ? Status{} : find_not_finite(weights);
  }

  static void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
    const uint8_t* levels = planes[0].data();
    const uint8_t* absmax = planes[1].data();
    for (size_t at = 0; at < weights.size(); at += parameters.group_size, absmax += sizeof(float)) {
      float scale;
      std::memcpy(&scale, absmax, sizeof scale);
      const size_t end = std::min<size_t>(at + parameters.group_size, weights.size());
      for (size_t i = at; i < end; ++i) {
        weights[i] = kValues[i % 2 == 0 ? levels[i / 2] >> 4 : levels[i / 2] & 15] * scale;
      }
    }
  }

  template <typename L>
  [[nodiscard]] static constexpr Codec codec(std::string_view name) noexcept {
    Codec made;
    made.name = name;
    made.planes[0] = {"levels", ElementType::kU8, 1, 4};
    made.planes[1] = {"absmax", ElementType::kF32, 0, 32};
    made.plane_count = 2;
    made.group_sizes = kBlockSizes;
    made.foreign = true;
    made.encode = encode<L>;
    made.decode = decode;
    return made;
  }
};

}  // namespace arrowquant::bitsandbytes
