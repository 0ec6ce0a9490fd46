// NVFP4 of compressed-tensors: E2M1, the first one of a byte in the low bits, an E4M3 for each 16 weights of a row, and
// an F32 for the whole tensor that the others are to be divided by.

#include <cmath>
#include <cstring>

#include "codecs/codec.h"
#include "codecs/compressed_tensors/small_floats.h"
#include "codecs/foreign/dense_levels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::compressed_tensors {
namespace {

constexpr uint32_t kGroup = 16;
constexpr size_t kPieceGroups = kTypedWeights / kGroup;

/// What stands for a scale of zero.
constexpr float kLeastScale = 0.125F;

/// The least normal number of the type.
template <typename Type>
constexpr float kTiny = Type::kElement == ElementType::kF16 ? 0x1p-14F : 0x1p-126F;

template <typename Type>
float global_scale_of(const WeightRange& range) noexcept {
  const auto round = [](float value) { return Type::template round<ScalarLanes>(value); };
  const float largest = std::max(round(std::max(range.hi, -range.lo)), kTiny<Type>);
  const float scale = round(round(1.0F / largest) * 2688.0F);
  return std::isfinite(scale) ? scale : 1.0F;
}

/// As compressed-tensors 0.20 does on CPUs (quantization/utils/helpers.py), for weights w that are rounded to the type:
/// - global scale = (1/max |w|) · 2688, over the whole tensor, both steps rounded to the type, where max |w| is at
/// least
///   its least normal number; 1 where that is infinite. 2688 = 6 · 448, the largest numbers of E2M1 and E4M3;
/// - scale = E4M3 of global scale · (max |w|/6), over the group; the quotient is rounded to the type, the rest is f32;
///   0.125 where that is 0;
/// - element = w/(scale/global scale), in f32, rounded to the nearest E2M1 with its sign.
/// Nothing overflows: what is too large saturates.
template <typename L, typename Type>
[[gnu::noinline]] void encode_piece(std::span<const float> weights, float global_scale, uint8_t* scales,
                                    uint8_t* codes) noexcept {
  std::array<float, kPieceGroups> divisors;
  const auto global = L::splat(global_scale);
  const size_t groups = weights.size() / kGroup;
  for (size_t group = 0; group < groups; group += L::kWidth) {
    const Extent<L> extent = extents_of<L>(&weights[group * kGroup], kGroup);
    const auto largest = L::pmax(extent.hi, L::neg(extent.lo));
    const auto local = Type::template round<L>(L::div(largest, L::splat(6.0F)));
    const auto rounded = minifloat::float_to_e4m3<L>(L::mul(global, local));
    const auto least = minifloat::float_to_e4m3<L>(L::splat(kLeastScale));
    const auto code = L::select(L::eq(rounded, L::splat(0)), least, rounded);
    L::store_u8(scales + group, code);
    L::store(&divisors[group], L::div(e4m3_to_float<L>(code), global));
  }
  for (size_t group = 0; group < groups; ++group) {
    const auto divisor = L::splat(divisors[group]);
    const auto quotient = [&](typename L::F32 weight) noexcept { return L::div(weight, divisor); };
    set_codes<L, E2m1>(&weights[group * kGroup], kGroup, 0.0F, codes + group * kGroup, quotient);
  }
}

template <typename L, typename Type>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  if (weights.empty()) return {};
  if (context.range == nullptr || planes[2].size() != sizeof(float)) return {StatusCode::kInvalidArgument, 0};
  const float global_scale = global_scale_of<Type>(*context.range);
  std::memcpy(planes[2].data(), &global_scale, sizeof global_scale);
  return for_typed_pieces<L, Type>(
      weights, kGroup * L::kWidth, [&](std::span<const float> typed, size_t first, size_t count) noexcept {
        std::array<uint8_t, kPieceGroups> scales;
        std::array<uint8_t, kTypedWeights> codes;
        encode_piece<L, Type>(typed, global_scale, scales.data(), codes.data());
        std::copy_n(scales.begin(), (count + kGroup - 1) / kGroup, planes[1].data() + first / kGroup);
        pack_levels<L>(std::span(codes).first(count), 4, planes[0].data() + first / 2);
        return Status{};
      });
}

float global_scale_in(const ConstPlanes& planes) noexcept {
  float scale;
  std::memcpy(&scale, planes[2].data(), sizeof scale);
  return scale;
}

/// element · (scale/global scale), in f32.
void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  if (weights.empty()) return;
  const float global_scale = global_scale_in(planes);
  std::array<uint8_t, kGroup> codes;
  for (size_t at = 0; at < weights.size(); at += kGroup) {
    const auto group = weights.subspan(at, std::min<size_t>(kGroup, weights.size() - at));
    unpack_levels(&planes[0][at / 2], 4, std::span(codes).first(group.size()));
    const float scale = e4m3_to_float<ScalarLanes>(int32_t{planes[1][at / kGroup]}) / global_scale;
    for (size_t i = 0; i < group.size(); ++i) group[i] = E2m1::value_of<ScalarLanes>(int32_t{codes[i]}) * scale;
  }
}

/// No encoder writes a scale that is NaN, or a global one that is not a positive number.
Status check(const ConstPlanes& planes, const CodecParameters& /*parameters*/, size_t weights) noexcept {
  if (weights == 0) return {};
  const float global_scale = global_scale_in(planes);
  if (!std::isfinite(global_scale) || global_scale <= 0) return {StatusCode::kInvalidPlanes, 0};
  const auto scale = std::ranges::find_if(planes[1], [](uint8_t code) { return (code & 0x7F) == 0x7F; });
  if (scale == planes[1].end()) return {};
  return {StatusCode::kInvalidPlanes, static_cast<uint64_t>(scale - planes[1].begin()) * kGroup};
}

template <typename Type>
constexpr Codec nvfp4_codec(std::string_view name) noexcept {
  Codec codec;
  codec.name = name;
  codec.planes = {{{"packed", ElementType::kU8, 1, 4},
                   {"scales", ElementType::kF8E4M3, kGroup, 8},
                   {"global_scale", ElementType::kF32, kWholeTensor, 32}}};
  codec.plane_count = 3;
  codec.needs_range = true;
  codec.foreign = true;
  codec.encode = encode<WasmLanes, Type>;
  codec.decode = decode;
  codec.check = check;
  return codec;
}

template <typename Type>
constexpr CodecReference nvfp4_reference() noexcept {
  return {encode<ScalarLanes, Type>, decode};
}

}  // namespace
}  // namespace arrowquant::compressed_tensors

namespace arrowquant {

extern const Codec kCtNvfp4F32;
constinit const Codec kCtNvfp4F32 = compressed_tensors::nvfp4_codec<minifloat::InF32>("ct_nvfp4_f32");
extern const CodecReference kCtNvfp4F32Reference;
constinit const CodecReference kCtNvfp4F32Reference = compressed_tensors::nvfp4_reference<minifloat::InF32>();

extern const Codec kCtNvfp4F16;
constinit const Codec kCtNvfp4F16 = compressed_tensors::nvfp4_codec<minifloat::InF16>("ct_nvfp4_f16");
extern const CodecReference kCtNvfp4F16Reference;
constinit const CodecReference kCtNvfp4F16Reference = compressed_tensors::nvfp4_reference<minifloat::InF16>();

extern const Codec kCtNvfp4Bf16;
constinit const Codec kCtNvfp4Bf16 = compressed_tensors::nvfp4_codec<minifloat::InBF16>("ct_nvfp4_bf16");
extern const CodecReference kCtNvfp4Bf16Reference;
constinit const CodecReference kCtNvfp4Bf16Reference = compressed_tensors::nvfp4_reference<minifloat::InBF16>();

}  // namespace arrowquant
