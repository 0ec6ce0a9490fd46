// MLX's modes `mxfp4`, `mxfp8` and `nvfp4`: small floats whose groups have a scale of 8 bits.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "codecs/codec.h"
#include "codecs/foreign/dense_levels.h"
#include "codecs/foreign/float_type.h"
#include "codecs/foreign/groups.h"
#include "codecs/minifloat.h"
#include "simd/half_arrays.h"
#include "simd/half_lanes.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::mlx {
namespace {

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;

/// What the modes differ in: elements of E2M1 or E4M3, with scales of E8M0 or E4M3.
struct Mode {
  uint32_t bits;
  uint32_t group_size;
  float largest;  ///< element

  [[nodiscard]] bool has_e4m3_scales() const noexcept { return group_size == 16; }
};

constexpr Mode kMxfp4 = {4, 32, 6.0F};
constexpr Mode kMxfp8 = {8, 32, 448.0F};
constexpr Mode kNvfp4 = {4, 16, 6.0F};

template <const Mode& kMode>
inline constexpr std::array kGroupSizes = {kMode.group_size};

constexpr size_t kPieceGroups = kTypedWeights / 16;

/// Makes of numbers that a largest element would be scaled to what scales are stored as, and what divides weights.
template <typename L>
void set_scales(const Mode& mode, std::span<float> scales, uint8_t* codes) noexcept {
  for (size_t i = 0; i < scales.size(); i += L::kWidth) {
    const auto least = L::load(&scales[i]);
    const auto is_zero = L::eq(least, L::splat(0.0F));
    if (mode.has_e4m3_scales()) {
      const auto code = minifloat::float_to_e4m3<L>(least);
      // Nothing of a group with the scale 0 is told: divided by infinity it is 0.
      const auto nothing = L::splat(std::numeric_limits<float>::infinity());
      L::store_u8(codes + i, code);
      L::store(&scales[i], L::select(L::eq(code, L::splat(0)), nothing, e4m3_to_float<L>(code)));
    } else {
      const auto code = L::select(is_zero, L::splat(127), minifloat::e8m0_not_below<L>(least));
      L::store_u8(codes + i, code);
      L::store(&scales[i], minifloat::e8m0_to_float<L>(code));
    }
  }
}

/// As MLX 0.32.4 does on CPUs (mlx/ops.cpp, fp_quantize), for weights that are rounded to the type; every operation is
/// rounded to it, half to even:
/// - mxfp4 and mxfp8: the scale is the least power of two that is not below max |w|/6 (or 448), at least 2^−127, where
///   MLX's number wraps around; 1 where the quotient is 0;
/// - nvfp4: the scale is max |w|/6 in E4M3, half to even, at most 448;
/// - an element is w/scale in E2M1, ties to the smaller magnitude and no −0, or in E4M3, half to even and a zero with
///   the weight's sign; both saturate. With a scale of 0 all of them are 0.
template <typename L>
[[gnu::noinline]] Status encode_in(const FloatType& type, const Mode& mode, std::span<const float> weights,
                                   const Planes& planes, const EncodeContext& context) noexcept {
  TypedRoom room;
  std::array<float, kPieceGroups> scales;
  std::array<uint8_t, kPieceGroups> codes;
  std::array<uint8_t, kTypedWeights> elements;
  for (size_t at = 0; at < weights.size(); at += kTypedWeights) {
    const std::span<const float> own = weights.subspan(at, std::min(kTypedWeights, weights.size() - at));
    const auto typed = piece_in_type(own, mode.group_size * L::kWidth, type, context, room);
    if (typed.empty() || !largest_in_groups<L>(typed, mode.group_size, scales.data())) {
      return first_not_finite(own, type).offset_by(at);
    }
    const auto groups = std::span(scales).first(typed.size() / mode.group_size);
    for (float& scale : groups) scale /= mode.largest;
    type.round(groups, groups.data());
    set_scales<L>(mode, groups, codes.data());
    divide_by_groups<L>(typed, mode.group_size, scales.data(), room.data());
    const auto scaled = std::span(room).first(typed.size());
    // A power of two leaves a number in its type, wherever elements depend on it.
    if (mode.has_e4m3_scales()) type.round(scaled, room.data());
    if (mode.bits == 4) {
      to_bytes<L>(scaled, elements.data(),
                  [](auto x) { return minifloat::float_to_e2m1_unsigned_zero<L, minifloat::Ties::kToSmaller>(x); });
    } else {
      to_bytes<L>(scaled, elements.data(), [](auto x) { return minifloat::float_to_e4m3<L>(x); });
    }
    pack_levels<L>(std::span(elements).first(own.size()), mode.bits, planes[kLevels].data() + at * mode.bits / 8);
    std::copy_n(codes.begin(), (own.size() + mode.group_size - 1) / mode.group_size,
                planes[kScales].data() + at / mode.group_size);
  }
  return {};
}

/// The scale of a code, as the type holds it: f16 has neither the smallest nor the largest powers of two.
float scale_in(const FloatType& type, const Mode& mode, uint8_t code) noexcept {
  if (mode.has_e4m3_scales()) return e4m3_to_float<ScalarLanes>(code);
  float scale = code == 0xFF ? std::numeric_limits<float>::infinity() : minifloat::e8m0_to_float<ScalarLanes>(code);
  type.round({&scale, 1}, &scale);
  return scale;
}

/// element · scale, rounded to the type.
[[gnu::noinline]] void decode_in(const FloatType& type, const Mode& mode, const ConstPlanes& planes,
                                 std::span<float> weights) noexcept {
  std::array<uint8_t, kMxfp4.group_size> elements;
  for (size_t at = 0, group = 0; at < weights.size(); at += mode.group_size, ++group) {
    const auto own = weights.subspan(at, std::min<size_t>(mode.group_size, weights.size() - at));
    const uint8_t* from = &planes[kLevels][at * mode.bits / 8];
    if (mode.bits == 8) {
      e4m3_to_float(from, own);
    } else {
      unpack_levels(from, 4, std::span(elements).first(own.size()));
      for (size_t i = 0; i < own.size(); ++i) own[i] = minifloat::e2m1_to_float<ScalarLanes>(elements[i]);
    }
    const float scale = scale_in(type, mode, planes[kScales][group]);
    for (float& weight : own) weight *= scale;
    type.round(own, own.data());
  }
}

/// No encoder writes a scale that the type cannot hold, or NaN.
Status check_in(const FloatType& type, const Mode& mode, const ConstPlanes& planes, size_t weights) noexcept {
  const auto is_nan = [](uint8_t element) { return (element & 0x7F) == 0x7F; };
  for (size_t at = 0, group = 0; at < weights; at += mode.group_size, ++group) {
    if (!std::isfinite(scale_in(type, mode, planes[kScales][group]))) return {StatusCode::kInvalidPlanes, at};
    if (mode.bits != 8) continue;
    const auto elements = planes[kLevels].subspan(at, std::min<size_t>(mode.group_size, weights - at));
    const auto found = std::find_if(elements.begin(), elements.end(), is_nan);
    if (found == elements.end()) continue;
    return {StatusCode::kInvalidPlanes, at + static_cast<uint64_t>(found - elements.begin())};
  }
  return {};
}

template <typename L, typename Type, const Mode& kMode>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  return encode_in<L>(kFloatType<L, Type>, kMode, weights, planes, context);
}

template <typename L, typename Type, const Mode& kMode>
void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  decode_in(kFloatType<L, Type>, kMode, planes, weights);
}

template <typename Type, const Mode& kMode>
Status check(const ConstPlanes& planes, const CodecParameters& /*parameters*/, size_t weights) noexcept {
  return check_in(kFloatType<WasmLanes, Type>, kMode, planes, weights);
}

template <typename Type, const Mode& kMode>
constexpr Codec micro_codec(std::string_view name) noexcept {
  Codec codec;
  codec.name = name;
  codec.planes = {{{"levels", ElementType::kU8, 1, kMode.bits}, {"scales", ElementType::kU8, 0, 8}}};
  codec.plane_count = 2;
  codec.group_sizes = kGroupSizes<kMode>;
  codec.foreign = true;
  codec.encode = encode<WasmLanes, Type, kMode>;
  codec.decode = decode<WasmLanes, Type, kMode>;
  codec.check = check<Type, kMode>;
  return codec;
}

template <typename Type, const Mode& kMode>
constexpr CodecReference micro_reference() noexcept {
  return {encode<ScalarLanes, Type, kMode>, decode<ScalarLanes, Type, kMode>};
}

}  // namespace
}  // namespace arrowquant::mlx

namespace arrowquant {

#define ARROWQUANT_MLX_CODEC(constant, Type, kMode, name)                               \
  extern const Codec constant;                                                          \
  constinit const Codec constant = mlx::micro_codec<minifloat::Type, mlx::kMode>(name); \
  extern const CodecReference constant##Reference;                                      \
  constinit const CodecReference constant##Reference = mlx::micro_reference<minifloat::Type, mlx::kMode>();
ARROWQUANT_MLX_CODEC(kMlxMxfp4F32, InF32, kMxfp4, "mlx_mxfp4_f32")
ARROWQUANT_MLX_CODEC(kMlxMxfp4F16, InF16, kMxfp4, "mlx_mxfp4_f16")
ARROWQUANT_MLX_CODEC(kMlxMxfp4Bf16, InBF16, kMxfp4, "mlx_mxfp4_bf16")
ARROWQUANT_MLX_CODEC(kMlxMxfp8F32, InF32, kMxfp8, "mlx_mxfp8_f32")
ARROWQUANT_MLX_CODEC(kMlxMxfp8F16, InF16, kMxfp8, "mlx_mxfp8_f16")
ARROWQUANT_MLX_CODEC(kMlxMxfp8Bf16, InBF16, kMxfp8, "mlx_mxfp8_bf16")
ARROWQUANT_MLX_CODEC(kMlxNvfp4F32, InF32, kNvfp4, "mlx_nvfp4_f32")
ARROWQUANT_MLX_CODEC(kMlxNvfp4F16, InF16, kNvfp4, "mlx_nvfp4_f16")
ARROWQUANT_MLX_CODEC(kMlxNvfp4Bf16, InBF16, kNvfp4, "mlx_nvfp4_bf16")
#undef ARROWQUANT_MLX_CODEC

}  // namespace arrowquant
