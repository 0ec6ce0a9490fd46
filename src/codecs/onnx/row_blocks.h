#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "base/half.h"
#include "codecs/codec.h"
#include "codecs/onnx/block_encoder.h"

/// Tiles of a matrix [K, N] whose blocks run down the columns. A unit of a plane is a block of one column; units lie in
/// the order [block of rows][column].
namespace arrowquant::onnx {

inline constexpr size_t kLevels = 0;
inline constexpr size_t kScales = 1;
inline constexpr size_t kZeroPoints = 2;

inline constexpr std::array kGroupSizes = {16U, 32U, 64U, 128U, 256U};

/// Why a block was refused: the first NaN or infinity in it, else the first column whose scale is infinite.
template <typename L>
Status refusal(BlockEncoder<L>& encoder, const Block& block) noexcept {
  if (const Status status = find_not_finite({block.weights, block.real_rows * block.columns}); !status.ok()) {
    return status;
  }
  for (size_t column = 0; column < block.columns; ++column) {
    if (!encoder.has_scale(block, column)) return {StatusCode::kScaleOverflow, column};
  }
  return {};
}

/// The blocks of rows of a tile.
class RowBlocks {
 public:
  RowBlocks(std::span<const float> weights, const Planes& planes, const EncodeContext& context,
            const Formula& formula) noexcept
      : weights_(weights),
        planes_(planes),
        context_(context),
        rows_(context.parameters.group_size),
        columns_(std::max(context.row_weights, size_t{1})),
        levels_in_byte_(8 / formula.stored_bits()),
        scale_bytes_(scale_bytes(formula.scales)) {}

  /// And the last one is not all behind the end of the tensor.
  [[nodiscard]] bool are_whole() const noexcept {
    return weights_.size() % block_weights() == 0 && (count() == 0 || real_rows(count() - 1) > 0);
  }
  [[nodiscard]] size_t count() const noexcept { return weights_.size() / block_weights(); }
  [[nodiscard]] size_t block_weights() const noexcept { return rows_ * columns_; }

  [[nodiscard]] Block operator[](size_t index) const noexcept {
    const size_t units = index * columns_;
    uint8_t* const levels = planes_[kLevels].data() + units * unit_bytes();
    return {.weights = weights_.data() + index * block_weights(),
            .columns = columns_,
            .rows = rows_,
            .real_rows = real_rows(index),
            .levels = levels,
            .scales = planes_[kScales].data() + units * scale_bytes_,
            .zero_points = planes_[kZeroPoints].data() + units,
            .above = above(index, levels),
            .importance = importance(index)};
  }

 private:
  [[nodiscard]] size_t unit_bytes() const noexcept { return rows_ / levels_in_byte_; }

  [[nodiscard]] size_t real_rows(size_t index) const noexcept {
    if (context_.rows == 0) return rows_;
    const uint64_t first = context_.first_row + index * rows_;
    return first < context_.rows ? static_cast<size_t>(std::min<uint64_t>(rows_, context_.rows - first)) : 0;
  }

  /// As many blocks as levels share a byte are one piece of work to the program, and what it keeps ends with that.
  [[nodiscard]] const uint8_t* above(size_t index, const uint8_t* levels) const noexcept {
    const uint64_t block = context_.first_row / rows_ + index;
    if (block % levels_in_byte_ == 0) return nullptr;
    return index == 0 ? context_.above : levels - columns_ * unit_bytes();
  }

  [[nodiscard]] const float* importance(size_t index) const noexcept {
    if (context_.importance.empty()) return nullptr;
    return &context_.importance[static_cast<size_t>(context_.first_row) + index * rows_];
  }

  std::span<const float> weights_;
  const Planes& planes_;
  const EncodeContext& context_;
  size_t rows_;
  size_t columns_;
  size_t levels_in_byte_;
  size_t scale_bytes_;
};

template <typename L>
Status encode_blocks(std::span<const float> weights, const Planes& planes, const EncodeContext& context,
                     const Formula& formula) noexcept {
  const RowBlocks blocks(weights, planes, context, formula);
  if (!blocks.are_whole()) return {StatusCode::kInvalidArgument, 0};
  BlockEncoder<L> encoder(formula);
  for (size_t i = 0; i < blocks.count(); ++i) {
    if (encoder.encode(blocks[i])) continue;
    return refusal(encoder, blocks[i]).offset_by(i * blocks.block_weights());
  }
  return {};
}

[[nodiscard]] inline float load_scale(const ConstPlanes& planes, size_t index, Scales kind) noexcept {
  const uint8_t* const at = planes[kScales].data() + index * scale_bytes(kind);
  if (kind != Scales::kF32) return half_to_float(load_u16(at));
  float scale;
  std::memcpy(&scale, at, sizeof scale);
  return scale;
}

/// No encoder writes a scale that is not finite, or a zero point that is no level.
[[nodiscard]] inline Status check_units(const ConstPlanes& planes, const CodecParameters& parameters, uint32_t bits,
                                        Scales kind) noexcept {
  const std::span<const uint8_t> zero_points = planes[kZeroPoints];
  for (size_t group = 0; group < zero_points.size(); ++group) {
    if (zero_points[group] < 1U << bits && std::isfinite(load_scale(planes, group, kind))) continue;
    return {StatusCode::kInvalidPlanes, uint64_t{group} * parameters.group_size};
  }
  return {};
}

}  // namespace arrowquant::onnx
