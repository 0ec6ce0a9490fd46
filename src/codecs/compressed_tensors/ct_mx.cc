// MXFP4 and MXFP8 of compressed-tensors: E2M1, the first one of a byte in the low bits, and E4M3, with an E8M0 for each
// 32 weights of a row.

#include "codecs/codec.h"
#include "codecs/compressed_tensors/small_floats.h"
#include "codecs/foreign/dense_levels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::compressed_tensors {
namespace {

constexpr uint32_t kGroup = 32;
constexpr size_t kPieceGroups = kTypedWeights / kGroup;

/// As compressed-tensors 0.20 does on CPUs (quantization/utils/mxfp_utils.py), for weights that are rounded to the
/// type:
/// - scale = max |w|, rounded to a power of two (see rounded_exponent), divided by that of the element's largest
///   number, not below 2^−127; where the type takes that for 0, as f16 does, it is 1;
/// - element = w/scale, rounded to the nearest (E2m1, E4m3), with its sign.
/// kScaleOverflow: max |w| is rounded to more than the type can hold.
template <typename L, typename Type, typename Element>
[[nodiscard, gnu::noinline]] Status encode_piece(std::span<const float> weights, uint8_t* scales,
                                                 uint8_t* codes) noexcept {
  const size_t groups = weights.size() / kGroup;
  for (size_t group = 0; group < groups; group += L::kWidth) {
    const Extent<L> extent = extents_of<L>(&weights[group * kGroup], kGroup);
    const auto exponent = rounded_exponent<L, Type>(L::pmax(extent.hi, L::neg(extent.lo)));
    const auto overflows = L::ge(exponent, L::splat(kOverflowExponent<Type>));
    if (L::any(overflows)) {
      const auto before = static_cast<size_t>(std::countr_zero(L::bitmask(overflows)));
      return {StatusCode::kScaleOverflow, (group + before) * kGroup};
    }
    L::store_u8(scales + group, e8m0_code<L, Type>(exponent, Element::kTopExponent));
  }
  for (size_t group = 0; group < groups; ++group) {
    const auto inverse = minifloat::e8m0_inverse<L>(L::splat(int32_t{scales[group]}));
    const auto quotient = [&](typename L::F32 weight) noexcept { return L::mul(weight, inverse); };
    set_codes<L, Element>(&weights[group * kGroup], kGroup, kVanishing<Type>, codes + group * kGroup, quotient);
  }
  return {};
}

template <typename L, typename Type, typename Element>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& /*context*/) noexcept {
  return for_typed_pieces<L, Type>(
      weights, kGroup * L::kWidth, [&](std::span<const float> typed, size_t first, size_t count) noexcept {
        std::array<uint8_t, kPieceGroups> scales;
        std::array<uint8_t, kTypedWeights> codes;
        const Status status = encode_piece<L, Type, Element>(typed, scales.data(), codes.data());
        if (!status.ok()) return status;
        std::copy_n(scales.begin(), (count + kGroup - 1) / kGroup, planes[1].data() + first / kGroup);
        pack_levels<L>(std::span(codes).first(count), Element::kBits, planes[0].data() + first * Element::kBits / 8);
        return Status{};
      });
}

/// element · scale, exact but where it leaves f32.
template <typename Element>
void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  std::array<uint8_t, kGroup> codes;
  for (size_t at = 0; at < weights.size(); at += kGroup) {
    const auto group = weights.subspan(at, std::min<size_t>(kGroup, weights.size() - at));
    unpack_levels(&planes[0][at * Element::kBits / 8], Element::kBits, std::span(codes).first(group.size()));
    const float scale = minifloat::e8m0_to_float<ScalarLanes>(planes[1][at / kGroup]);
    for (size_t i = 0; i < group.size(); ++i) {
      group[i] = Element::template value_of<ScalarLanes>(int32_t{codes[i]}) * scale;
    }
  }
}

/// No encoder writes the scale NaN, or an element that is NaN.
template <typename Element>
Status check(const ConstPlanes& planes, const CodecParameters& /*parameters*/, size_t weights) noexcept {
  const auto scale = std::ranges::find(planes[1], uint8_t{255});
  size_t first = static_cast<size_t>(scale - planes[1].begin()) * kGroup;
  if constexpr (Element::kBits == 8) {
    const auto element = std::ranges::find_if(planes[0], [](uint8_t code) { return (code & 0x7F) == 0x7F; });
    first = std::min(first, static_cast<size_t>(element - planes[0].begin()));
  }
  return first >= weights ? Status{} : Status{StatusCode::kInvalidPlanes, first};
}

template <typename Type, typename Element>
constexpr Codec mx_codec(std::string_view name) noexcept {
  Codec codec;
  codec.name = name;
  codec.planes = {{{"packed", ElementType::kU8, 1, Element::kBits}, {"scales", ElementType::kU8, kGroup, 8}}};
  codec.plane_count = 2;
  codec.foreign = true;
  codec.encode = encode<WasmLanes, Type, Element>;
  codec.decode = decode<Element>;
  codec.check = check<Element>;
  return codec;
}

template <typename Type, typename Element>
constexpr CodecReference mx_reference() noexcept {
  return {encode<ScalarLanes, Type, Element>, decode<Element>};
}

}  // namespace
}  // namespace arrowquant::compressed_tensors

namespace arrowquant {

extern const Codec kCtMxfp4F32;
constinit const Codec kCtMxfp4F32 =
    compressed_tensors::mx_codec<minifloat::InF32, compressed_tensors::E2m1>("ct_mxfp4_f32");
extern const CodecReference kCtMxfp4F32Reference;
constinit const CodecReference kCtMxfp4F32Reference =
    compressed_tensors::mx_reference<minifloat::InF32, compressed_tensors::E2m1>();

extern const Codec kCtMxfp4F16;
constinit const Codec kCtMxfp4F16 =
    compressed_tensors::mx_codec<minifloat::InF16, compressed_tensors::E2m1>("ct_mxfp4_f16");
extern const CodecReference kCtMxfp4F16Reference;
constinit const CodecReference kCtMxfp4F16Reference =
    compressed_tensors::mx_reference<minifloat::InF16, compressed_tensors::E2m1>();

extern const Codec kCtMxfp4Bf16;
constinit const Codec kCtMxfp4Bf16 =
    compressed_tensors::mx_codec<minifloat::InBF16, compressed_tensors::E2m1>("ct_mxfp4_bf16");
extern const CodecReference kCtMxfp4Bf16Reference;
constinit const CodecReference kCtMxfp4Bf16Reference =
    compressed_tensors::mx_reference<minifloat::InBF16, compressed_tensors::E2m1>();

extern const Codec kCtMxfp8F32;
constinit const Codec kCtMxfp8F32 =
    compressed_tensors::mx_codec<minifloat::InF32, compressed_tensors::E4m3>("ct_mxfp8_f32");
extern const CodecReference kCtMxfp8F32Reference;
constinit const CodecReference kCtMxfp8F32Reference =
    compressed_tensors::mx_reference<minifloat::InF32, compressed_tensors::E4m3>();

extern const Codec kCtMxfp8F16;
constinit const Codec kCtMxfp8F16 =
    compressed_tensors::mx_codec<minifloat::InF16, compressed_tensors::E4m3>("ct_mxfp8_f16");
extern const CodecReference kCtMxfp8F16Reference;
constinit const CodecReference kCtMxfp8F16Reference =
    compressed_tensors::mx_reference<minifloat::InF16, compressed_tensors::E4m3>();

extern const Codec kCtMxfp8Bf16;
constinit const Codec kCtMxfp8Bf16 =
    compressed_tensors::mx_codec<minifloat::InBF16, compressed_tensors::E4m3>("ct_mxfp8_bf16");
extern const CodecReference kCtMxfp8Bf16Reference;
constinit const CodecReference kCtMxfp8Bf16Reference =
    compressed_tensors::mx_reference<minifloat::InBF16, compressed_tensors::E4m3>();

}  // namespace arrowquant
