#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "codecs/codec.h"

/// Weights that other programs have quantized, to be read only: a plane of elements, and one of F32 scales, one for
/// each `group_size` contiguous weights. Weight = value of the element · scale, in f32, rounded to nearest even; a zero
/// keeps its sign, NaN and infinities stay. What the elements are is all that these codecs differ in.
namespace arrowquant::scaled {

inline constexpr std::array kGroupSizes = {2U, 4U, 8U, 16U, 32U, 64U, 128U, 256U};

/// Sizes of a rotation that are powers of four, as Hadamard matrices made of those of order four are.
inline constexpr std::array kRotations = {4U, 16U, 64U, 256U};

using NibbleValues = std::array<float, 16>;

/// Two elements a byte, the first one in the high or in the low bits, by a table of their values.
void expand_nibbles(const uint8_t* from, std::span<float> to, const NibbleValues& values, bool high_first) noexcept;

/// Multiplies each group of weights, the last of which may be short, with its scale.
void scale_groups(std::span<const uint8_t> scales, size_t group_size, std::span<float> weights) noexcept;

/// Multiplies each whole group with the Hadamard matrix of its size, the Kronecker power of
/// [[1, 1, 1, -1], [1, 1, -1, 1], [1, -1, 1, 1], [-1, 1, 1, 1]] over the root of the size. It is its own inverse. Sums
/// are added left to right, four at a time, neighbours first; the root is a power of two, so that dividing is exact.
void rotate_groups(size_t group_size, std::span<float> weights) noexcept;

template <typename Element>
void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  Element::expand(planes[0].data(), weights);
  scale_groups(planes[1], parameters.group_size, weights);
}

/// The same, and each group is rotated back then (ConvRot).
template <typename Element>
void decode_rotated(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  decode<Element>(planes, parameters, weights);
  rotate_groups(parameters.group_size, weights);
}

/// Integers of 8 bits, in two's complement.
struct Int8 {
  static constexpr uint32_t kBits = 8;
  static void expand(const uint8_t* from, std::span<float> to) noexcept {
    for (float& weight : to) weight = static_cast<int8_t>(*from++);
  }
};

template <const NibbleValues& kValues, bool kHighFirst>
struct Nibbles {
  static constexpr uint32_t kBits = 4;
  static void expand(const uint8_t* from, std::span<float> to) noexcept {
    expand_nibbles(from, to, kValues, kHighFirst);
  }
};

/// E2M1: a sign, two bits of exponent with bias 1, one of fraction. Neither NaN nor infinities.
inline constexpr NibbleValues kE2m1 = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6, -0.0F, -0.5F, -1, -1.5F, -2, -3, -4, -6};

template <typename Element>
[[nodiscard]] constexpr Codec codec(std::string_view name, std::span<const uint32_t> group_sizes,
                                    Codec::Decode decode) noexcept {
  Codec made;
  made.name = name;
  made.planes[0] = {"elements", ElementType::kU8, 1, Element::kBits};
  made.planes[1] = {"scales", ElementType::kF32, 0, 32};
  made.plane_count = 2;
  made.group_sizes = group_sizes;
  made.decode = decode;
  return made;
}

}  // namespace arrowquant::scaled
