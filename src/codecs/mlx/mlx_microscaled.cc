// MLX's modes `mxfp4`, `mxfp8` and `nvfp4`: small floats whose groups have a scale of 8 bits.

#include "codecs/codec.h"
#include "codecs/foreign/dense_levels.h"
#include "codecs/mlx/microscaled_kernels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::mlx {
namespace {

using Mxfp4 = MxFormat<4>;
using Mxfp8 = MxFormat<8>;
using Nvfp4 = NvFormat;

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;

template <typename Format>
inline constexpr std::array kGroupSizes = {Format::kGroupSize};

/// As MLX 0.32.4 does on CPUs (mlx/ops.cpp, fp_quantize), for weights that are rounded to the type; every operation is
/// rounded to it, half to even:
/// - mxfp4 and mxfp8: the scale is the least power of two that is not below max |w|/6 (or 448), at least 2^−127, where
///   MLX's number wraps around; 1 where the quotient is 0;
/// - nvfp4: the scale is max |w|/6 in E4M3, half to even, at most 448;
/// - an element is w/scale in E2M1, ties to the smaller magnitude and no −0, or in E4M3, half to even and a zero with
///   the weight's sign. With a scale of 0 all of them are 0.
template <typename L, typename Type, typename Format>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  constexpr size_t kStep = Format::kGroupSize * L::kWidth;
  return for_typed_pieces<L, Type>(
      weights, kStep, context, [&](std::span<const float> typed, size_t first, size_t count) noexcept {
        MicroPiece piece;
        for (size_t at = 0; at < typed.size(); at += kStep) {
          const auto largest = largest_magnitudes<L>(&typed[at], Format::kGroupSize);
          Format::template set_scales<L, Type>(largest, at / Format::kGroupSize, piece);
        }
        Format::template encode<L, Type>(typed, piece);
        pack_levels<L>(std::span(piece.elements).first(count), Format::kBits,
                       planes[kLevels].data() + first * Format::kBits / 8);
        const size_t groups = (count + Format::kGroupSize - 1) / Format::kGroupSize;
        std::copy_n(piece.scales.begin(), groups, planes[kScales].data() + first / Format::kGroupSize);
        return Status{};
      });
}

template <uint32_t kBits>
[[nodiscard]] float element_value(uint8_t code) noexcept {
  return kBits == 8 ? e4m3_to_float<ScalarLanes>(code) : minifloat::e2m1_to_float<ScalarLanes>(code);
}

/// element · scale, rounded to the type.
template <typename Type, typename Format>
void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  std::array<uint8_t, Format::kGroupSize> elements;
  for (size_t at = 0, group = 0; at < weights.size(); at += Format::kGroupSize, ++group) {
    const auto restored = weights.subspan(at, std::min<size_t>(Format::kGroupSize, weights.size() - at));
    unpack_levels(&planes[kLevels][at * Format::kBits / 8], Format::kBits, std::span(elements).first(restored.size()));
    const float scale = Format::template scale<Type>(planes[kScales][group]);
    for (size_t i = 0; i < restored.size(); ++i) {
      restored[i] = Type::template round<ScalarLanes>(element_value<Format::kBits>(elements[i]) * scale);
    }
  }
}

/// No encoder writes a scale that the type cannot hold, or NaN.
template <typename Type, typename Format>
Status check(const ConstPlanes& planes, const CodecParameters& /*parameters*/, size_t weights) noexcept {
  const auto is_nan = [](uint8_t element) { return (element & 0x7F) == 0x7F; };
  for (size_t at = 0, group = 0; at < weights; at += Format::kGroupSize, ++group) {
    if (!Format::template is_scale<Type>(planes[kScales][group])) return {StatusCode::kInvalidPlanes, at};
    if constexpr (Format::kBits == 8) {
      const auto elements = planes[kLevels].subspan(at, std::min<size_t>(Format::kGroupSize, weights - at));
      const auto found = std::find_if(elements.begin(), elements.end(), is_nan);
      if (found != elements.end()) return {StatusCode::kInvalidPlanes, at + (found - elements.begin())};
    }
  }
  return {};
}

template <typename Type, typename Format>
constexpr Codec micro_codec(std::string_view name) noexcept {
  Codec codec;
  codec.name = name;
  codec.planes = {{{"levels", ElementType::kU8, 1, Format::kBits}, {"scales", ElementType::kU8, 0, 8}}};
  codec.plane_count = 2;
  codec.group_sizes = kGroupSizes<Format>;
  codec.foreign = true;
  codec.encode = encode<WasmLanes, Type, Format>;
  codec.decode = decode<Type, Format>;
  codec.check = check<Type, Format>;
  return codec;
}

template <typename Type, typename Format>
constexpr CodecReference micro_reference() noexcept {
  return {encode<ScalarLanes, Type, Format>, decode<Type, Format>};
}

}  // namespace
}  // namespace arrowquant::mlx

namespace arrowquant {

#define ARROWQUANT_MLX_CODEC(constant, Type, Format, name)                               \
  extern const Codec constant;                                                           \
  constinit const Codec constant = mlx::micro_codec<minifloat::Type, mlx::Format>(name); \
  extern const CodecReference constant##Reference;                                       \
  constinit const CodecReference constant##Reference = mlx::micro_reference<minifloat::Type, mlx::Format>();
ARROWQUANT_MLX_CODEC(kMlxMxfp4F32, InF32, Mxfp4, "mlx_mxfp4_f32")
ARROWQUANT_MLX_CODEC(kMlxMxfp4F16, InF16, Mxfp4, "mlx_mxfp4_f16")
ARROWQUANT_MLX_CODEC(kMlxMxfp4Bf16, InBF16, Mxfp4, "mlx_mxfp4_bf16")
ARROWQUANT_MLX_CODEC(kMlxMxfp8F32, InF32, Mxfp8, "mlx_mxfp8_f32")
ARROWQUANT_MLX_CODEC(kMlxMxfp8F16, InF16, Mxfp8, "mlx_mxfp8_f16")
ARROWQUANT_MLX_CODEC(kMlxMxfp8Bf16, InBF16, Mxfp8, "mlx_mxfp8_bf16")
ARROWQUANT_MLX_CODEC(kMlxNvfp4F32, InF32, Nvfp4, "mlx_nvfp4_f32")
ARROWQUANT_MLX_CODEC(kMlxNvfp4F16, InF16, Nvfp4, "mlx_nvfp4_f16")
ARROWQUANT_MLX_CODEC(kMlxNvfp4Bf16, InBF16, Nvfp4, "mlx_nvfp4_bf16")
#undef ARROWQUANT_MLX_CODEC

}  // namespace arrowquant
