// What MatMulNBits of ONNX Runtime multiplies with, quantized as its MlasQuantizeBlockwise
// (onnxruntime/core/mlas/lib/q4_dq.cpp) does it. The program's files have the units in the order [column][block of
// rows].

#include <algorithm>
#include <array>
#include <span>

#include "codecs/codec.h"
#include "codecs/onnx/row_blocks.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

using onnx::Scales;

constexpr std::array kBits = {2U, 4U, 8U};

template <typename L, Scales kKind>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  const auto [bits, group_size, symmetric] = context.parameters;
  const onnx::Formula formula = {.bits = bits, .symmetric = symmetric, .scales = kKind, .effort = context.effort};
  return onnx::encode_blocks<L>(weights, planes, context, formula);
}

/// (level − zero_point)·scale, unit after unit.
template <Scales kKind>
void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  const auto [bits, group_size, symmetric] = parameters;
  const uint32_t last = (1U << bits) - 1;
  for (size_t at = 0, group = 0; at < weights.size(); at += group_size, ++group) {
    const float scale = onnx::load_scale(planes, group, kKind);
    const int32_t zero_point = planes[onnx::kZeroPoints][group];
    size_t bit = at * bits;
    for (float& weight : weights.subspan(at, std::min<size_t>(group_size, weights.size() - at))) {
      const uint32_t level = planes[onnx::kLevels][bit / 8] >> bit % 8 & last;
      weight = static_cast<float>(static_cast<int32_t>(level) - zero_point) * scale;
      bit += bits;
    }
  }
}

template <Scales kKind>
Status check(const ConstPlanes& planes, const CodecParameters& parameters, size_t /*weights*/) noexcept {
  return onnx::check_units(planes, parameters, parameters.bits, kKind);
}

template <Scales kKind>
constexpr Codec codec(std::string_view name) noexcept {
  constexpr ElementType kElement = kKind == Scales::kF32 ? ElementType::kF32 : ElementType::kF16;
  Codec made;
  made.name = name;
  made.planes = {{{"levels", ElementType::kU8, 1, 0},
                  {"scales", kElement, 0, 8 * onnx::scale_bytes(kKind)},
                  {"zero_points", ElementType::kU8, 0, 8}}};
  made.plane_count = 3;
  made.bits = kBits;
  made.group_sizes = onnx::kGroupSizes;
  made.symmetric = true;
  made.across_rows = true;
  made.uses_importance = true;
  made.weighs_from = Effort::kBest;
  made.most_effort = Effort::kBest;
  made.foreign = true;
  made.encode = encode<WasmLanes, kKind>;
  made.decode = decode<kKind>;
  made.check = check<kKind>;
  return made;
}

template <Scales kKind>
constexpr CodecReference reference() noexcept {
  return {encode<ScalarLanes, kKind>, decode<kKind>};
}

}  // namespace

extern const Codec kOnnxBlocks;
constinit const Codec kOnnxBlocks = codec<Scales::kF32>("onnx_blocks");
extern const CodecReference kOnnxBlocksReference;
constinit const CodecReference kOnnxBlocksReference = reference<Scales::kF32>();

extern const Codec kOnnxBlocksHalved;
constinit const Codec kOnnxBlocksHalved = codec<Scales::kHalved>("onnx_blocks_halved");
extern const CodecReference kOnnxBlocksHalvedReference;
constinit const CodecReference kOnnxBlocksHalvedReference = reference<Scales::kHalved>();

extern const Codec kOnnxBlocksF16;
constinit const Codec kOnnxBlocksF16 = codec<Scales::kHalvesFirst>("onnx_blocks_f16");
extern const CodecReference kOnnxBlocksF16Reference;
constinit const CodecReference kOnnxBlocksF16Reference = reference<Scales::kHalvesFirst>();

}  // namespace arrowquant
