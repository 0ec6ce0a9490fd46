#include "engine/work.h"

#include <algorithm>

namespace arrowquant {
namespace {

/// The memory of a Work is there, so that its sizes fit.
size_t in_memory(uint64_t size) noexcept { return static_cast<size_t>(size); }

size_t plane_offset(const Encoding& encoding, size_t plane, size_t first) noexcept {
  return is_shared(encoding, plane) ? 0 : in_memory(plane_bytes(encoding, plane, first));
}

void advance(Operand& operand, size_t first) noexcept {
  if (operand.encoding.codec == nullptr) return;
  for (size_t i = 0; i < operand.encoding.codec->plane_count; ++i) {
    if (operand.planes[i] != nullptr) operand.planes[i] += plane_offset(operand.encoding, i, first);
  }
}

/// Whether it takes longer than the codec's own formula does.
bool goes_further(const Work& work) noexcept { return work.effort > Effort::kReference || !work.importance.empty(); }

bool writes_rows(const Work& work) noexcept {
  return work.verb == Verb::kTranscode && needs_rows(work) && work.row_weights > 0;
}

/// Rows of as many blocks as levels of one column share a byte.
uint64_t block_rows_unit(const Encoding& encoding) noexcept {
  const uint64_t level_bits = plane_bytes(encoding, 0, 8);
  return encoding.parameters.group_size * (8 / level_bits);
}

/// Weights that cannot be cut: a row, or blocks of rows that levels may depend on each other in. At least 1.
uint64_t row_unit(const Work& work) noexcept {
  const uint64_t row = std::max(work.row_weights, size_t{1});
  return writes_across_rows(work) ? row * block_rows_unit(work.target.encoding) : row;
}

bool has_whole_blocks_of_rows(const Work& work) noexcept {
  const uint32_t rows = work.target.encoding.parameters.group_size;
  const uint64_t block = uint64_t{std::max(work.row_weights, size_t{1})} * rows;
  if (work.first_column != 0 || work.first_row % block_rows_unit(work.target.encoding) != 0) return false;
  if (work.weights % block != 0) return false;
  return work.rows == 0 || work.weights == 0 || work.rows > work.first_row + (work.weights / block - 1) * rows;
}

}  // namespace

void Outcome::merge(const Outcome& later) noexcept {
  error.add(later.error);
  range.merge(later.range);
  comparison.merge(later.comparison);
}

Planes planes_of(const Operand& operand, size_t first, size_t weights) noexcept {
  Planes planes;
  for (size_t i = 0; i < operand.encoding.codec->plane_count; ++i) {
    planes[i] = {operand.planes[i] + plane_offset(operand.encoding, i, first),
                 in_memory(plane_bytes(operand.encoding, i, weights))};
  }
  return planes;
}

bool writes_plane(const Work& work, size_t plane) noexcept {
  return work.verb == Verb::kTranscode && (work.begins_tensor || !is_shared(work.target.encoding, plane));
}

bool writes_across_rows(const Work& work) noexcept {
  return work.verb == Verb::kTranscode && work.target.encoding.codec->across_rows;
}

bool needs_rows(const Work& work) noexcept {
  return needs_rows(*work.target.encoding.codec, !work.importance.empty(), work.effort);
}

bool compares_efforts(const Work& work) noexcept {
  const Codec& codec = *work.target.encoding.codec;
  const bool has_least = !codec.needs_importance || !work.importance.empty();
  return work.measure && work.effort > Effort::kReference && codec.most_effort > Effort::kReference && has_least;
}

bool is_quick(const Work& work) noexcept {
  if (work.verb == Verb::kCall) return work.quick;
  return work.verb != Verb::kTranscode || (!work.target.encoding.codec->searches && !goes_further(work));
}

size_t chunk_weights(const Work& work) noexcept {
  if (work.verb == Verb::kCall) return kChunkWeights;
  if (work.verb == Verb::kTranscode && needs_range(work.target.encoding) && !work.has_range) {
    return std::max(work.weights, size_t{1});
  }
  if (!writes_rows(work) && !writes_across_rows(work)) return kChunkWeights;
  return static_cast<size_t>(std::max<uint64_t>(kChunkWeights / row_unit(work), 1) * row_unit(work));
}

bool has_whole_rows(const Work& work) noexcept {
  if (writes_across_rows(work)) return has_whole_blocks_of_rows(work);
  if (work.verb != Verb::kTranscode || !needs_rows(work)) return true;
  return work.row_weights > 0 && work.row_weights <= work.weights && work.first_column == 0 &&
         work.weights % work.row_weights == 0 && work.row_weights % aligned_weights(work.target.encoding) == 0;
}

size_t row_room_floats(const Work& work) noexcept {
  if (!writes_rows(work) || work.row_weights <= kPieceWeights) return 0;
  return 2 * (work.row_weights + kMostAlignedWeights);
}

Work slice(const Work& work, size_t first, size_t weights) noexcept {
  Work part = work;
  part.weights = weights;
  part.begins_tensor = work.begins_tensor && first == 0;
  if (work.verb == Verb::kCall) return part;
  const size_t begin = work.skipped + first;
  part.skipped = begin % aligned_weights(work.source.encoding);
  advance(part.source, begin - part.skipped);
  advance(part.target, first);
  if (work.row_weights > 0) {
    part.first_row += (work.first_column + first) / work.row_weights;
    part.first_column = (work.first_column + first) % work.row_weights;
  }
  return part;
}

}  // namespace arrowquant
