// MLC-LLM's group quantization q4f16_1 and q4f32_1, what WebLLM loads: integers of 4 bits around 7, with a scale for
// each 32 weights of a row.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/codec.h"
#include "codecs/foreign/dense_levels.h"
#include "codecs/foreign/float_type.h"
#include "codecs/foreign/groups.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::mlc {
namespace {

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;

constexpr uint32_t kBits = 4;
constexpr size_t kGroupSize = 32;
constexpr std::array kGroupSizes = {static_cast<uint32_t>(kGroupSize)};

/// The level of zero, and the number of levels to each side of it.
constexpr float kMiddle = 7.0F;

/// As MLC-LLM does (python/mlc_llm/quantization/group_quantization.py), for weights that are rounded to the type; every
/// operation is rounded to it, half to even: scale = max |w|/7, level = clamp(round(w/scale + 7), 0, 14). A group of
/// zeros has the scale 0 and the levels 0.
template <typename L>
[[gnu::noinline]] Status encode_in(const FloatType& type, std::span<const float> weights, const Planes& planes,
                                   const EncodeContext& context) noexcept {
  TypedRoom room;
  std::array<float, kTypedWeights / kGroupSize> scales;
  std::array<uint8_t, kTypedWeights> levels;
  for (size_t at = 0; at < weights.size(); at += kTypedWeights) {
    const std::span<const float> own = weights.subspan(at, std::min(kTypedWeights, weights.size() - at));
    const auto typed = piece_in_type(own, kGroupSize * L::kWidth, type, context, room);
    if (typed.empty() || !largest_in_groups<L>(typed, kGroupSize, scales.data())) {
      return first_not_finite(own, type).offset_by(at);
    }
    const auto groups = std::span(scales).first(typed.size() / kGroupSize);
    for (float& scale : groups) scale /= kMiddle;
    type.round(groups, groups.data());
    divide_by_groups<L>(typed, kGroupSize, scales.data(), room.data());
    const auto shifted = std::span(room).first(typed.size());
    type.round(shifted, room.data());
    for (float& steps : shifted) steps += kMiddle;
    type.round(shifted, room.data());
    // 0/0 becomes 0.
    to_bytes<L>(shifted, levels.data(), [](auto steps) {
      return L::round_magic(L::pmin(L::pmax(L::splat(0.0F), steps), L::splat(2 * kMiddle)));
    });
    pack_levels<L>(std::span(levels).first(own.size()), kBits, planes[kLevels].data() + at * kBits / 8);
    type.store(groups.first((own.size() + kGroupSize - 1) / kGroupSize),
               planes[kScales].data() + at / kGroupSize * type.bytes);
  }
  return {};
}

/// (level − 7) · scale, rounded to the type.
[[gnu::noinline]] void decode_in(const FloatType& type, const ConstPlanes& planes, std::span<float> weights) noexcept {
  std::array<uint8_t, kGroupSize> levels;
  for (size_t at = 0, group = 0; at < weights.size(); at += kGroupSize, ++group) {
    const auto own = weights.subspan(at, std::min(kGroupSize, weights.size() - at));
    unpack_levels(&planes[kLevels][at * kBits / 8], kBits, std::span(levels).first(own.size()));
    float scale;
    type.load(&planes[kScales][group * type.bytes], {&scale, 1});
    for (size_t i = 0; i < own.size(); ++i) own[i] = (static_cast<float>(levels[i]) - kMiddle) * scale;
    type.round(own, own.data());
  }
}

template <typename L, typename Type>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  return encode_in<L>(kFloatType<L, Type>, weights, planes, context);
}

template <typename L, typename Type>
void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  decode_in(kFloatType<L, Type>, planes, weights);
}

/// No encoder writes a scale that is not finite.
template <typename Type>
Status check(const ConstPlanes& planes, const CodecParameters& /*parameters*/, size_t /*weights*/) noexcept {
  const FloatType& type = kFloatType<WasmLanes, Type>;
  const size_t first = first_special_of(planes[kScales], type);
  if (first * type.bytes == planes[kScales].size()) return {};
  return {StatusCode::kInvalidPlanes, uint64_t{first} * kGroupSize};
}

template <typename Type>
constexpr Codec group_codec(std::string_view name) noexcept {
  Codec codec;
  codec.name = name;
  codec.planes = {{{"levels", ElementType::kU8, 1, kBits}, {"scales", Type::kElement, 0, Type::kBits}}};
  codec.plane_count = 2;
  codec.group_sizes = kGroupSizes;
  codec.foreign = true;
  codec.encode = encode<WasmLanes, Type>;
  codec.decode = decode<WasmLanes, Type>;
  codec.check = check<Type>;
  return codec;
}

template <typename Type>
constexpr CodecReference group_reference() noexcept {
  return {encode<ScalarLanes, Type>, decode<ScalarLanes, Type>};
}

}  // namespace
}  // namespace arrowquant::mlc

namespace arrowquant {

extern const Codec kMlcQ4F16;
constinit const Codec kMlcQ4F16 = mlc::group_codec<minifloat::InF16>("mlc_q4f16");
extern const CodecReference kMlcQ4F16Reference;
constinit const CodecReference kMlcQ4F16Reference = mlc::group_reference<minifloat::InF16>();

extern const Codec kMlcQ4F32;
constinit const Codec kMlcQ4F32 = mlc::group_codec<minifloat::InF32>("mlc_q4f32");
extern const CodecReference kMlcQ4F32Reference;
constinit const CodecReference kMlcQ4F32Reference = mlc::group_reference<minifloat::InF32>();

}  // namespace arrowquant
