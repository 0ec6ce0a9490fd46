// What MatMulNBits of ONNX Runtime multiplies with: blocks that run down the columns of a matrix [K, N], quantized as
// its MlasQuantizeBlockwise (onnxruntime/core/mlas/lib/q4_dq.cpp) does it. A unit is a block of one column. Units lie
// in the order [block of rows][column], while the program's files have [column][block of rows].

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "base/half.h"
#include "codecs/codec.h"
#include "codecs/onnx/block_encoder.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

using onnx::Block;
using onnx::Scales;

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;
constexpr size_t kZeroPoints = 2;

constexpr std::array kBits = {2U, 4U, 8U};
constexpr std::array kGroupSizes = {16U, 32U, 64U, 128U, 256U};

/// Why a block was refused: the first NaN or infinity in it, else the first column whose scale is infinite.
template <typename L>
Status refusal(onnx::BlockEncoder<L>& encoder, const Block& block) noexcept {
  if (const Status status = find_not_finite({block.weights, block.real_rows * block.columns}); !status.ok()) {
    return status;
  }
  for (size_t column = 0; column < block.columns; ++column) {
    if (!encoder.encode_column(block, column)) return {StatusCode::kScaleOverflow, column};
  }
  return {};
}

/// The blocks of rows of a tile.
class Blocks {
 public:
  Blocks(std::span<const float> weights, const Planes& planes, const EncodeContext& context, Scales scales) noexcept
      : weights_(weights),
        planes_(planes),
        context_(context),
        rows_(context.parameters.group_size),
        columns_(std::max(context.row_weights, size_t{1})),
        scale_bytes_(onnx::scale_bytes(scales)),
        unit_bytes_(size_t{rows_} * context.parameters.bits / 8) {}

  /// And the last one is not all behind the end of the tensor.
  [[nodiscard]] bool are_whole() const noexcept {
    return weights_.size() % block_weights() == 0 && (count() == 0 || real_rows(count() - 1) > 0);
  }
  [[nodiscard]] size_t count() const noexcept { return weights_.size() / block_weights(); }
  [[nodiscard]] size_t block_weights() const noexcept { return rows_ * columns_; }

  [[nodiscard]] Block operator[](size_t index) const noexcept {
    const size_t units = index * columns_;
    uint8_t* const levels = planes_[kLevels].data() + units * unit_bytes_;
    return {.weights = weights_.data() + index * block_weights(),
            .columns = columns_,
            .rows = rows_,
            .real_rows = real_rows(index),
            .levels = levels,
            .scales = planes_[kScales].data() + units * scale_bytes_,
            .zero_points = planes_[kZeroPoints].data() + units,
            .above = above(index, levels)};
  }

 private:
  [[nodiscard]] size_t real_rows(size_t index) const noexcept {
    if (context_.rows == 0) return rows_;
    const uint64_t first = context_.first_row + index * rows_;
    return first < context_.rows ? static_cast<size_t>(std::min<uint64_t>(rows_, context_.rows - first)) : 0;
  }

  /// As many blocks as levels share a byte are one piece of work to the program, and what it keeps ends with that.
  [[nodiscard]] const uint8_t* above(size_t index, const uint8_t* levels) const noexcept {
    const uint64_t block = context_.first_row / rows_ + index;
    if (block % (8 / context_.parameters.bits) == 0) return nullptr;
    return index == 0 ? context_.above : levels - columns_ * unit_bytes_;
  }

  std::span<const float> weights_;
  const Planes& planes_;
  const EncodeContext& context_;
  size_t rows_;
  size_t columns_;
  size_t scale_bytes_;
  size_t unit_bytes_;
};

template <typename L>
Status encode_blocks(std::span<const float> weights, const Planes& planes, const EncodeContext& context,
                     Scales scales) noexcept {
  const Blocks blocks(weights, planes, context, scales);
  if (!blocks.are_whole()) return {StatusCode::kInvalidArgument, 0};
  onnx::BlockEncoder<L> encoder(context.parameters, scales);
  for (size_t i = 0; i < blocks.count(); ++i) {
    if (encoder.encode(blocks[i])) continue;
    return refusal(encoder, blocks[i]).offset_by(i * blocks.block_weights());
  }
  return {};
}

template <typename L, Scales kKind>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  return encode_blocks<L>(weights, planes, context, kKind);
}

// --- Decoding --------------------------------------------------------------------------------------------------------

float load_scale(const uint8_t* scales, size_t index, Scales kind) noexcept {
  if (kind != Scales::kF32) return half_to_float(load_u16(scales + 2 * index));
  float scale;
  std::memcpy(&scale, scales + sizeof scale * index, sizeof scale);
  return scale;
}

/// (level − zero_point)·scale, unit after unit.
template <Scales kKind>
void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  const auto [bits, group_size, symmetric] = parameters;
  const uint32_t last = (1U << bits) - 1;
  for (size_t at = 0, group = 0; at < weights.size(); at += group_size, ++group) {
    const float scale = load_scale(planes[kScales].data(), group, kKind);
    const int32_t zero_point = planes[kZeroPoints][group];
    size_t bit = at * bits;
    for (float& weight : weights.subspan(at, std::min<size_t>(group_size, weights.size() - at))) {
      const uint32_t level = planes[kLevels][bit / 8] >> bit % 8 & last;
      weight = static_cast<float>(static_cast<int32_t>(level) - zero_point) * scale;
      bit += bits;
    }
  }
}

/// No encoder writes a scale that is not finite, or a zero point that is no level.
template <Scales kKind>
Status check(const ConstPlanes& planes, const CodecParameters& parameters, size_t /*weights*/) noexcept {
  const std::span<const uint8_t> zero_points = planes[kZeroPoints];
  for (size_t group = 0; group < zero_points.size(); ++group) {
    const bool is_level = zero_points[group] < 1U << parameters.bits;
    if (is_level && std::isfinite(load_scale(planes[kScales].data(), group, kKind))) continue;
    return {StatusCode::kInvalidPlanes, uint64_t{group} * parameters.group_size};
  }
  return {};
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
  made.group_sizes = kGroupSizes;
  made.symmetric = true;
  made.across_rows = true;
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
