// The int4 weights that DequantizeLinear widens before a MatMul: blocks down the columns, quantized as ONNX Runtime's
// BlockwiseQDQQuantizer (onnxruntime/core/mlas/lib/q4_dq.cpp) does it. The program's files have the levels row by row,
// two in a byte; here each is a byte of its own, in the lowest 4 bits.

#include <algorithm>
#include <array>
#include <span>

#include "codecs/codec.h"
#include "codecs/onnx/row_blocks.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr uint32_t kLevelBits = 4;

template <typename L>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  const onnx::Formula formula = {.bits = kLevelBits,
                                 .symmetric = context.parameters.symmetric,
                                 .scales = onnx::Scales::kF32,
                                 .levels = onnx::Levels::kRoundedProducts};
  return onnx::encode_blocks<L>(weights, planes, context, formula);
}

/// (level − zero_point)·scale, unit after unit; symmetric levels are −8…7 in two's complement.
void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  const int32_t flip = parameters.symmetric ? 8 : 0;
  for (size_t at = 0, group = 0; at < weights.size(); at += parameters.group_size, ++group) {
    const float scale = onnx::load_scale(planes, group, onnx::Scales::kF32);
    const int32_t zero_point = planes[onnx::kZeroPoints][group];
    const size_t end = std::min<size_t>(at + parameters.group_size, weights.size());
    for (size_t i = at; i < end; ++i) {
      const int32_t level = ((planes[onnx::kLevels][i] & 15) ^ flip) - flip;
      weights[i] = static_cast<float>(level - zero_point) * scale;
    }
  }
}

Status check(const ConstPlanes& planes, const CodecParameters& parameters, size_t /*weights*/) noexcept {
  return onnx::check_units(planes, parameters, kLevelBits, onnx::Scales::kF32);
}

}  // namespace

extern const Codec kOnnxQdq4;
constinit const Codec kOnnxQdq4 = {
    .name = "onnx_qdq4",
    .planes = {{{"levels", ElementType::kU8, 1, 8},
                {"scales", ElementType::kF32, 0, 32},
                {"zero_points", ElementType::kU8, 0, 8}}},
    .plane_count = 3,
    .group_sizes = onnx::kGroupSizes,
    .symmetric = true,
    .across_rows = true,
    .foreign = true,
    .encode = encode<WasmLanes>,
    .decode = decode,
    .check = check,
};

extern const CodecReference kOnnxQdq4Reference;
constinit const CodecReference kOnnxQdq4Reference = {encode<ScalarLanes>, decode};

}  // namespace arrowquant
