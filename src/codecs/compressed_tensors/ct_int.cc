// Integers of compressed-tensors (`pack-quantized`): weight = (level − zero point) · scale. Scales have the type of the
// weights.

#include "codecs/codec.h"
#include "codecs/compressed_tensors/integers.h"
#include "codecs/foreign/dense_levels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::compressed_tensors {
namespace {

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;
constexpr size_t kZeroPoints = 2;

constexpr uint32_t kInfinityBits = 0x7F800000;

constexpr std::array kBits = {2U, 3U, 4U, 5U, 6U, 7U, 8U};
constexpr std::array kGroupSizes = {32U, 64U, 128U, 256U};

/// Writes scales and zero points of the first `count` weights, which are those from `at` on of a tensor.
/// kScaleOverflow: the first weight of a group whose scale is not finite.
template <typename Type>
[[nodiscard]] Status store_rules(const LevelRules& rules, size_t at, size_t count, const CodecParameters& parameters,
                                 const Planes& planes) noexcept {
  const size_t group = at / parameters.group_size;
  const size_t groups = (count + parameters.group_size - 1) / parameters.group_size;
  store_typed<Type>(std::span(rules.scales).first(groups), planes[kScales].data() + group * (Type::kBits / 8));
  const auto zero_points = planes[kZeroPoints].subspan(group, groups);
  const auto half = static_cast<float>(1U << (parameters.bits - 1));
  for (size_t i = 0; i < groups; ++i) {
    if (!std::isfinite(rules.scales[i])) return {StatusCode::kScaleOverflow, i * parameters.group_size};
    zero_points[i] = static_cast<uint8_t>(rules.shifts[i] + half);
  }
  return {};
}

/// Writes the levels of a piece. `is_ordinary`: the kernel serves all of its groups.
template <typename L, typename Type>
void store_levels(std::span<const float> typed, const CodecParameters& parameters, const LevelRules& rules,
                  bool is_ordinary, uint8_t* packed) noexcept {
  const auto [bits, size, symmetric] = parameters;
  std::array<uint8_t, kTypedWeights> levels;
  const bool by_kernel = is_ordinary && typed.size() % size == 0;
  const bool in_place = by_kernel && (bits == 4 || bits == 8);
  uint8_t* const to = in_place ? packed : levels.data();
  if (!by_kernel) {
    set_levels_by_division<Type>(typed, parameters, rules, to);
  } else if (symmetric) {
    set_levels<L, Type, true>(typed.data(), typed.size() / size, parameters, rules, to);
  } else {
    set_levels<L, Type, false>(typed.data(), typed.size() / size, parameters, rules, to);
  }
  if (!in_place) pack_levels<L>(std::span(levels).first(typed.size()), bits, packed);
}

/// As compressed-tensors 0.20 does on CPUs with minimum and maximum of each group (quantization/utils/helpers.py and
/// lifecycle/forward_helpers.py), for weights w that are rounded to the type. Every operation is one of f32 that is
/// rounded to the type, half to even. With n = 2^bits − 1, h = 2^(bits − 1), lo = min(0, min w), hi = max(0, max w):
/// - symmetric: scale = max(hi, −lo)/(n/2), zero = 0;
/// - else: scale = (hi − lo)/n, zero = round(clamp(−h − lo/scale, −h, h − 1)), and 0 for 0/0;
/// - a scale of 0 becomes the type's epsilon, which the zero point does not see;
/// - level = clamp(round(w/scale + zero), −h, h − 1) + h; the zero point is stored as zero + h.
/// kScaleOverflow: the scale would be infinite.
template <typename L, typename Type>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  const CodecParameters& parameters = context.parameters;
  const bool is_typed = Type::kElement == ElementType::kF32 || context.weights_type == Type::kElement;
  TypedRoom room;
  for (size_t at = 0; at < weights.size(); at += kTypedWeights) {
    const auto piece = weights.subspan(at, std::min(kTypedWeights, weights.size() - at));
    std::span<const float> typed = in_whole_steps(piece, parameters.group_size * L::kWidth, room);
    if (!is_typed) {
      round_to_type<L, Type>(typed, room.data());
      typed = std::span(room).first(typed.size());
    }
    LevelRules rules;
    const Findings found = set_all_rules<L, Type>(typed, parameters, rules);
    if (found.largest >= kInfinityBits) return find_not_finite_in<Type>(piece).offset_by(at);
    const Status status = store_rules<Type>(rules, at, piece.size(), parameters, planes);
    if (!status.ok()) return status.offset_by(at);
    store_levels<L, Type>(typed.first(piece.size()), parameters, rules, found.is_ordinary,
                          planes[kLevels].data() + at * parameters.bits / 8);
  }
  return {};
}

/// (level − zero point) · scale, rounded to the type.
template <typename Type>
void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  std::array<uint8_t, kGroupSizes.back()> levels;
  const size_t size = parameters.group_size;
  for (size_t at = 0, group = 0; at < weights.size(); at += size, ++group) {
    const auto restored = weights.subspan(at, std::min(size, weights.size() - at));
    unpack_levels(&planes[kLevels][at * parameters.bits / 8], parameters.bits,
                  std::span(levels).first(restored.size()));
    const auto scale = load_typed<Type>(planes[kScales], group);
    const int zero_point = planes[kZeroPoints][group];
    for (size_t i = 0; i < restored.size(); ++i) {
      restored[i] = Type::template round<ScalarLanes>(static_cast<float>(levels[i] - zero_point) * scale);
    }
  }
}

/// No encoder writes a scale that is not finite, or a zero point that is no level.
template <typename Type>
Status check(const ConstPlanes& planes, const CodecParameters& parameters, size_t /*weights*/) noexcept {
  const auto zero_points = planes[kZeroPoints];
  const auto bad = std::ranges::find_if(zero_points, [&](uint8_t level) { return level >> parameters.bits != 0; });
  const auto first = std::min(first_special<Type>(planes[kScales]), static_cast<size_t>(bad - zero_points.begin()));
  if (first >= zero_points.size()) return {};
  return {StatusCode::kInvalidPlanes, uint64_t{first} * parameters.group_size};
}

template <typename Type>
constexpr Codec integer_codec(std::string_view name) noexcept {
  Codec codec;
  codec.name = name;
  codec.planes = {{{"levels", ElementType::kU8, 1, 0},
                   {"scales", Type::kElement, 0, Type::kBits},
                   {"zero_points", ElementType::kU8, 0, 8}}};
  codec.plane_count = 3;
  codec.bits = kBits;
  codec.group_sizes = kGroupSizes;
  codec.symmetric = true;
  codec.foreign = true;
  codec.encode = encode<WasmLanes, Type>;
  codec.decode = decode<Type>;
  codec.check = check<Type>;
  return codec;
}

template <typename Type>
constexpr CodecReference integer_reference() noexcept {
  return {encode<ScalarLanes, Type>, decode<Type>};
}

}  // namespace
}  // namespace arrowquant::compressed_tensors

namespace arrowquant {

extern const Codec kCtIntF32;
constinit const Codec kCtIntF32 = compressed_tensors::integer_codec<minifloat::InF32>("ct_int_f32");
extern const CodecReference kCtIntF32Reference;
constinit const CodecReference kCtIntF32Reference = compressed_tensors::integer_reference<minifloat::InF32>();

extern const Codec kCtIntF16;
constinit const Codec kCtIntF16 = compressed_tensors::integer_codec<minifloat::InF16>("ct_int_f16");
extern const CodecReference kCtIntF16Reference;
constinit const CodecReference kCtIntF16Reference = compressed_tensors::integer_reference<minifloat::InF16>();

extern const Codec kCtIntBf16;
constinit const Codec kCtIntBf16 = compressed_tensors::integer_codec<minifloat::InBF16>("ct_int_bf16");
extern const CodecReference kCtIntBf16Reference;
constinit const CodecReference kCtIntBf16Reference = compressed_tensors::integer_reference<minifloat::InBF16>();

}  // namespace arrowquant
