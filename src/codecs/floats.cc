// The codecs that store each weight as a number by itself: one plane, no parameters. Encoding rounds half to even,
// decoding is exact; NaN stay NaN, infinities and zeros of both signs stay what they are.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "codecs/codec.h"
#include "simd/half_arrays.h"
#include "simd/magnitude.h"

namespace arrowquant {
namespace {

constexpr uint32_t kInfinityBits = 0x7F800000;

/// The least magnitudes that become infinite, as bits. Halfway between the largest number and what would be the next,
/// rounding half to even goes up.
constexpr uint32_t kF16Overflow = std::bit_cast<uint32_t>(65520.0F);
constexpr uint32_t kBf16Overflow = 0x7F7F8000;

using Narrow = void (*)(std::span<const float> from, uint8_t* to) noexcept;
using Widen = void (*)(const uint8_t* from, std::span<float> to) noexcept;

void copy_in(std::span<const float> from, uint8_t* to) noexcept {
  if (!from.empty()) std::memcpy(to, from.data(), from.size_bytes());
}

void copy_out(const uint8_t* from, std::span<float> to) noexcept {
  if (!to.empty()) std::memcpy(to.data(), from, to.size_bytes());
}

template <Narrow kNarrow>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& /*context*/) noexcept {
  kNarrow(weights, planes[0].data());
  return {};
}

template <Widen kWiden>
void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  kWiden(planes[0].data(), weights);
}

template <uint32_t kOverflow>
Status fits(std::span<const float> weights) noexcept {
  if (largest_magnitude(weights) < kOverflow) return {};
  const auto magnitude = [](float weight) noexcept { return std::bit_cast<uint32_t>(weight) & 0x7FFFFFFF; };
  const auto first =
      std::find_if(weights.begin(), weights.end(), [&](float weight) { return magnitude(weight) >= kOverflow; });
  const auto code = magnitude(*first) < kInfinityBits ? StatusCode::kFloatOverflow : StatusCode::kNotFinite;
  return {code, static_cast<uint64_t>(first - weights.begin())};
}

struct FloatTraits {
  std::string_view name;
  ElementType element;
  uint32_t bits;
  int32_t ggml_type = -1;
  FileType file_type = {};
};

template <Widen kWiden>
constexpr Codec read_only_float(const FloatTraits& traits) noexcept {
  Codec codec;
  codec.name = traits.name;
  codec.planes[0] = {"values", traits.element, 1, traits.bits};
  codec.ggml_type = traits.ggml_type;
  codec.file_types[0] = traits.file_type;
  codec.decode = decode<kWiden>;
  return codec;
}

template <Narrow kNarrow, Widen kWiden, uint32_t kOverflow>
constexpr Codec float_codec(const FloatTraits& traits) noexcept {
  Codec codec = read_only_float<kWiden>(traits);
  codec.encode = encode<kNarrow>;
  codec.fits = fits<kOverflow>;
  return codec;
}

}  // namespace

constinit const Codec kF32 =
    float_codec<copy_in, copy_out, kInfinityBits>({"F32", ElementType::kF32, 32, 0, {"F32", 0}});

extern const CodecReference kF32Reference;
constinit const CodecReference kF32Reference = {encode<copy_in>, decode<copy_out>};

extern const Codec kF16;
constinit const Codec kF16 =
    float_codec<float_to_half, half_to_float, kF16Overflow>({"F16", ElementType::kF16, 16, 1, {"F16", 1}});

extern const CodecReference kF16Reference;
constinit const CodecReference kF16Reference = {encode<float_to_half_reference>, decode<half_to_float_reference>};

extern const Codec kBf16;
constinit const Codec kBf16 = float_codec<float_to_bfloat16, bfloat16_to_float, kBf16Overflow>(
    {"BF16", ElementType::kBF16, 16, 30, {"BF16", 32}});

extern const CodecReference kBf16Reference;
constinit const CodecReference kBf16Reference = {encode<float_to_bfloat16_reference>,
                                                 decode<bfloat16_to_float_reference>};

extern const Codec kF8E4M3;
constinit const Codec kF8E4M3 = read_only_float<e4m3_to_float>({"F8_E4M3", ElementType::kF8E4M3, 8});

extern const CodecReference kF8E4M3Reference;
constinit const CodecReference kF8E4M3Reference = {nullptr, decode<e4m3_to_float_reference>};

extern const Codec kF8E5M2;
constinit const Codec kF8E5M2 = read_only_float<e5m2_to_float>({"F8_E5M2", ElementType::kF8E5M2, 8});

extern const CodecReference kF8E5M2Reference;
constinit const CodecReference kF8E5M2Reference = {nullptr, decode<e5m2_to_float_reference>};

}  // namespace arrowquant
