// MLX's mode `affine`: weights as level · scale + bias, where scales and biases have the type of the weights.

#include "codecs/codec.h"
#include "codecs/foreign/dense_levels.h"
#include "codecs/mlx/affine_improve.h"
#include "codecs/mlx/affine_kernels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::mlx {
namespace {

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;
constexpr size_t kBiases = 2;

constexpr std::array kBits = {2U, 3U, 4U, 5U, 6U, 8U};
constexpr std::array kGroupSizes = {32U, 64U, 128U};

template <typename L>
void store_levels(std::span<const uint8_t> levels, size_t count, uint32_t bits, uint8_t* to) noexcept {
  if (bits != 4) return pack_levels<L>(levels.first(count), bits, to);
  std::copy_n(levels.begin(), (count + 1) / 2, to);
  if (count % 2 != 0) to[count / 2] &= 15;
}

/// As MLX 0.32 does on CPUs (mlx/backend/cpu/quantized.cpp), for weights w that are rounded to the type; the rest in
/// f32, one rounding an operation, everything half to even; n = 2^bits − 1:
/// - step = max((max w − min w)/n, 1e−7), negative unless |min w| > |max w|; edge = that of min w and max w which is of
///   larger magnitude, q = round(edge/step);
/// - scale = edge/q and bias = edge; where q is 0, scale = step and bias = 0;
/// - level = clamp(round((w − bias)/scale), 0, n); 0/0 gives 0;
/// - scale and bias are rounded to the type then.
/// With the most effort scale and bias are those that a search finds to lose less, if any.
/// kScaleOverflow: max w − min w is more than f32 holds, and the scale would be infinite.
template <typename L>
[[gnu::noinline]] Status encode_in(const FloatType& type, std::span<const float> weights, const Planes& planes,
                                   const EncodeContext& context) noexcept {
  const uint32_t bits = context.parameters.bits;
  const size_t group_size = context.parameters.group_size;
  TypedRoom room;
  AffinePiece piece;
  for (size_t at = 0; at < weights.size(); at += kTypedWeights) {
    const std::span<const float> own = weights.subspan(at, std::min(kTypedWeights, weights.size() - at));
    const auto typed = piece_in_type(own, group_size * L::kWidth, type, context, room);
    if (typed.empty()) return first_not_finite(own, type).offset_by(at);
    const Status status = encode_affine_piece<L>(typed, group_size, bits, piece);
    if (!status.ok()) return status.offset_by(at);
    if (context.effort == Effort::kBest) AffinePieceImprover<L>(type, context, piece).improve(own, at);
    store_levels<L>(std::span(piece.levels), own.size(), bits, planes[kLevels].data() + at * bits / 8);
    const size_t groups = (own.size() + group_size - 1) / group_size;
    const size_t offset = at / group_size * type.bytes;
    type.store(std::span(piece.scales).first(groups), planes[kScales].data() + offset);
    type.store(std::span(piece.biases).first(groups), planes[kBiases].data() + offset);
  }
  return {};
}

/// level · scale + bias, both rounded to the type.
[[gnu::noinline]] void decode_in(const FloatType& type, const ConstPlanes& planes, const CodecParameters& parameters,
                                 std::span<float> weights) noexcept {
  std::array<uint8_t, kGroupSizes.back()> levels;
  for (size_t at = 0, group = 0; at < weights.size(); at += parameters.group_size, ++group) {
    const auto own = weights.subspan(at, std::min<size_t>(parameters.group_size, weights.size() - at));
    unpack_levels(&planes[kLevels][at * parameters.bits / 8], parameters.bits, std::span(levels).first(own.size()));
    float scale;
    float bias;
    type.load(&planes[kScales][group * type.bytes], {&scale, 1});
    type.load(&planes[kBiases][group * type.bytes], {&bias, 1});
    for (size_t i = 0; i < own.size(); ++i) own[i] = static_cast<float>(levels[i]) * scale;
    type.round(own, own.data());
    for (float& weight : own) weight += bias;
    type.round(own, own.data());
  }
}

/// No encoder writes a scale or a bias that is not finite.
Status check_in(const FloatType& type, const ConstPlanes& planes, const CodecParameters& parameters) noexcept {
  const size_t first = std::min(first_special_of(planes[kScales], type), first_special_of(planes[kBiases], type));
  if (first * type.bytes == planes[kScales].size()) return {};
  return {StatusCode::kInvalidPlanes, uint64_t{first} * parameters.group_size};
}

template <typename L, typename Type>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  return encode_in<L>(kFloatType<L, Type>, weights, planes, context);
}

template <typename L, typename Type>
void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  decode_in(kFloatType<L, Type>, planes, parameters, weights);
}

template <typename Type>
Status check(const ConstPlanes& planes, const CodecParameters& parameters, size_t /*weights*/) noexcept {
  return check_in(kFloatType<WasmLanes, Type>, planes, parameters);
}

template <typename Type>
constexpr Codec affine_codec(std::string_view name) noexcept {
  Codec codec;
  codec.name = name;
  codec.planes = {{{"levels", ElementType::kU8, 1, 0},
                   {"scales", Type::kElement, 0, Type::kBits},
                   {"biases", Type::kElement, 0, Type::kBits}}};
  codec.plane_count = 3;
  codec.bits = kBits;
  codec.group_sizes = kGroupSizes;
  codec.uses_importance = true;
  codec.weighs_from = Effort::kBest;
  codec.most_effort = Effort::kBest;
  codec.foreign = true;
  codec.encode = encode<WasmLanes, Type>;
  codec.decode = decode<WasmLanes, Type>;
  codec.check = check<Type>;
  return codec;
}

template <typename Type>
constexpr CodecReference affine_reference() noexcept {
  return {encode<ScalarLanes, Type>, decode<ScalarLanes, Type>};
}

}  // namespace
}  // namespace arrowquant::mlx

namespace arrowquant {

extern const Codec kMlxF32;
constinit const Codec kMlxF32 = mlx::affine_codec<minifloat::InF32>("mlx_f32");
extern const CodecReference kMlxF32Reference;
constinit const CodecReference kMlxF32Reference = mlx::affine_reference<minifloat::InF32>();

extern const Codec kMlxF16;
constinit const Codec kMlxF16 = mlx::affine_codec<minifloat::InF16>("mlx_f16");
extern const CodecReference kMlxF16Reference;
constinit const CodecReference kMlxF16Reference = mlx::affine_reference<minifloat::InF16>();

extern const Codec kMlxBf16;
constinit const Codec kMlxBf16 = mlx::affine_codec<minifloat::InBF16>("mlx_bf16");
extern const CodecReference kMlxBf16Reference;
constinit const CodecReference kMlxBf16Reference = mlx::affine_reference<minifloat::InBF16>();

}  // namespace arrowquant
