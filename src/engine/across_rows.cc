#include "engine/across_rows.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "engine/load.h"

namespace arrowquant {
namespace {

/// Weights of a tile: the restored ones are needed twice, as the codec gives them and row by row.
constexpr size_t kTileWeights = kPieceWeights / 2;

/// Of two failures the one that is told.
Status graver(const Status& a, const Status& b) noexcept {
  if (a.ok() || b.ok()) return a.ok() ? b : a;
  if (a.code != b.code) return a.code < b.code ? a : b;
  return a.position < b.position ? a : b;
}

/// Some columns of a block of rows.
struct Tile {
  size_t block;
  size_t first_column;
  size_t columns;
};

class TileTranscoder {
 public:
  TileTranscoder(const Work& work, Scratch& scratch) noexcept
      : work_(work),
        scratch_(scratch),
        codec_(*work.target.encoding.codec),
        rows_(work.target.encoding.parameters.group_size),
        columns_(std::max(work.row_weights, size_t{1})) {}

  [[nodiscard]] Outcome transcode_in_place() noexcept {
    Outcome outcome;
    const std::span weights(reinterpret_cast<const float*>(work_.source.planes[0]), work_.weights);
    outcome.status = codec_.encode(weights, planes_of(work_.target, 0, work_.weights), context_of({0, 0, columns_}));
    return outcome;
  }

  [[nodiscard]] Outcome transcode_tiles() noexcept {
    Outcome outcome;
    const size_t blocks = work_.weights / (rows_ * columns_);
    const size_t step = kTileWeights / rows_;
    for (size_t block = 0; block < blocks && outcome.status.ok(); ++block) {
      for (size_t column = 0; column < columns_; column += step) {
        const Status status = transcode({block, column, std::min(step, columns_ - column)}, outcome.error);
        outcome.status = graver(outcome.status, status);
      }
    }
    return outcome;
  }

 private:
  [[nodiscard]] Status transcode(const Tile& tile, ErrorSums& error) noexcept {
    if (const Status status = load_rows(tile); !status.ok()) return status;
    const std::span<const float> weights = std::span(scratch_.weights).first(rows_ * tile.columns);
    const Planes planes = planes_of(work_.target, unit_of(tile) * rows_, weights.size());
    EncodeContext context = context_of(tile);
    if (!compares_efforts(work_)) return transcode(tile, weights, planes, context, error);
    ErrorSums least;
    context.effort = Effort::kReference;
    const bool has_least = transcode(tile, weights, planes, context, least).ok();
    if (has_least) least.weighted_error = weighted_error(tile, weights, planes, least);
    context.effort = work_.effort;
    ErrorSums sums;
    const Status status = transcode(tile, weights, planes, context, sums);
    if (!status.ok()) return status;
    sums.weighted_error = weighted_error(tile, weights, planes, sums);
    sums.reference_error = has_least ? least.weighted_error : sums.weighted_error;
    error.add(sums);
    return {};
  }

  /// The squared error of what `planes` have, of which `sums` are, by importance.
  [[nodiscard]] double weighted_error(const Tile& tile, std::span<const float> weights, const Planes& planes,
                                      const ErrorSums& sums) noexcept {
    if (work_.importance.empty()) return sums.squared_error;
    const std::span<const float> restored = restore(tile, planes);
    const auto first = static_cast<size_t>(work_.first_row) + tile.block * rows_;
    double error = 0;
    for (size_t row = 0; row < real_rows(tile); ++row) {
      const size_t at = row * tile.columns;
      const ErrorSums lost = measure_error(weights.subspan(at, tile.columns), restored.subspan(at, tile.columns));
      error += double{work_.importance[first + row]} * lost.squared_error;
    }
    return error;
  }

  [[nodiscard]] Status transcode(const Tile& tile, std::span<const float> weights, const Planes& planes,
                                 const EncodeContext& context, ErrorSums& error) noexcept {
    if (const Status status = codec_.encode(weights, planes, context); !status.ok()) return located(tile, status);
    if (work_.measure) {
      const size_t real = real_rows(tile) * tile.columns;
      error.add(measure_error(weights.first(real), restore(tile, planes).first(real)));
    }
    return {};
  }

  /// Puts the rows of a tile one behind the other. Each is decoded to where it belongs, or not far behind, with all of
  /// the source's units that it begins and ends in.
  [[nodiscard]] Status load_rows(const Tile& tile) noexcept {
    const size_t unit = aligned_weights(work_.source.encoding);
    for (size_t row = 0; row < rows_; ++row) {
      const std::span<float> room = std::span(scratch_.weights).subspan(row * tile.columns);
      const size_t first = work_.skipped + weight_of(tile, row, 0);
      const size_t end = (first + tile.columns + unit - 1) / unit * unit;
      const size_t count = std::min(end, work_.skipped + work_.weights) - first;
      const auto [status, weights] = load(work_.source, first, count, work_.checks_planes, room);
      if (!status.ok()) return status.offset_by(first - work_.skipped);
      if (weights.data() != room.data()) std::memmove(room.data(), weights.data(), tile.columns * sizeof(float));
    }
    return {};
  }

  [[nodiscard]] std::span<const float> restore(const Tile& tile, const Planes& planes) noexcept {
    const std::span<float> units = std::span(scratch_.restored).first(rows_ * tile.columns);
    const std::span<float> rows = std::span(scratch_.restored).subspan(kTileWeights, units.size());
    codec_.decode({planes[0], planes[1], planes[2], planes[3]}, work_.target.encoding.parameters, units);
    for (size_t row = 0; row < rows_; ++row) {
      for (size_t column = 0; column < tile.columns; ++column) {
        rows[row * tile.columns + column] = units[column * rows_ + row];
      }
    }
    return rows;
  }

  [[nodiscard]] EncodeContext context_of(const Tile& tile) const noexcept {
    EncodeContext context;
    context.parameters = work_.target.encoding.parameters;
    context.row_weights = tile.columns;
    context.first_row = work_.first_row + tile.block * rows_;
    context.rows = work_.rows;
    context.effort = work_.effort;
    context.importance = work_.importance;
    if (tile.block > 0) {
      const Tile above = {tile.block - 1, tile.first_column, tile.columns};
      context.above = planes_of(work_.target, unit_of(above) * rows_, rows_)[0].data();
    }
    return context;
  }

  [[nodiscard]] size_t real_rows(const Tile& tile) const noexcept {
    if (work_.rows == 0) return rows_;
    return static_cast<size_t>(std::min<uint64_t>(rows_, work_.rows - work_.first_row - tile.block * rows_));
  }

  /// Of the first column.
  [[nodiscard]] size_t unit_of(const Tile& tile) const noexcept { return tile.block * columns_ + tile.first_column; }

  [[nodiscard]] size_t weight_of(const Tile& tile, size_t row, size_t column) const noexcept {
    return (tile.block * rows_ + row) * columns_ + tile.first_column + column;
  }

  [[nodiscard]] Status located(const Tile& tile, const Status& status) const noexcept {
    const auto position = static_cast<size_t>(status.position);
    return {status.code, weight_of(tile, position / tile.columns, position % tile.columns)};
  }

  const Work& work_;
  Scratch& scratch_;
  const Codec& codec_;
  const size_t rows_;
  const size_t columns_;
};

}  // namespace

Outcome transcode_across_rows(const Work& work, Scratch& scratch) noexcept {
  TileTranscoder transcoder(work, scratch);
  return is_plain(work.source) && !work.measure ? transcoder.transcode_in_place() : transcoder.transcode_tiles();
}

}  // namespace arrowquant
