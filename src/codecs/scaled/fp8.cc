// fp8 with a scale for each row, tile or block (MXFP8, and what weight_scale and weight_scale_inv say). One scale for
// all of a tensor needs no codec of its own.

#include "codecs/scaled/scaled.h"
#include "simd/half_arrays.h"

namespace arrowquant {
namespace {

template <void (*kWiden)(const uint8_t* from, std::span<float> to) noexcept>
struct Float8 {
  static constexpr uint32_t kBits = 8;
  static void expand(const uint8_t* from, std::span<float> to) noexcept { kWiden(from, to); }
};

template <void (*kWiden)(const uint8_t* from, std::span<float> to) noexcept>
constexpr Codec float8_codec(std::string_view name) noexcept {
  return scaled::codec<Float8<kWiden>>(name, scaled::kGroupSizes, scaled::decode<Float8<kWiden>>);
}

}  // namespace

extern const Codec kE4m3Scaled;
constinit const Codec kE4m3Scaled = float8_codec<e4m3_to_float>("F8_E4M3_SCALED");

extern const CodecReference kE4m3ScaledReference;
constinit const CodecReference kE4m3ScaledReference = {nullptr, scaled::decode<Float8<e4m3_to_float_reference>>};

extern const Codec kE5m2Scaled;
constinit const Codec kE5m2Scaled = float8_codec<e5m2_to_float>("F8_E5M2_SCALED");

extern const CodecReference kE5m2ScaledReference;
constinit const CodecReference kE5m2ScaledReference = {nullptr, scaled::decode<Float8<e5m2_to_float_reference>>};

}  // namespace arrowquant
