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

constexpr std::array kBits = {2U, 3U, 4U, 5U, 6U, 7U, 8U};
constexpr std::array kGroupSizes = {32U, 64U, 128U, 256U};

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
  const size_t size = parameters.group_size;
  return for_typed_pieces<L, Type>(
      weights, size * L::kWidth, [&](std::span<const float> typed, size_t first, size_t count) noexcept {
        IntegerPiece piece;
        const Status status = encode_integer_piece<L, Type>(typed, parameters, piece);
        if (!status.ok()) return status;
        const uint32_t bits = parameters.bits;
        pack_levels<L>(std::span(piece.levels).first(count), bits, planes[kLevels].data() + first * bits / 8);
        const size_t groups = (count + size - 1) / size;
        const size_t group = first / size;
        store_typed<Type>(std::span(piece.scales).first(groups), planes[kScales].data() + group * (Type::kBits / 8));
        const auto zero_points = planes[kZeroPoints].subspan(group, groups);
        for (size_t i = 0; i < groups; ++i) zero_points[i] = static_cast<uint8_t>(piece.zero_points[i]);
        return Status{};
      });
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
