#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "codecs/codec.h"

namespace arrowquant {

/// The importance of a row's columns from `column` on, one for each weight; nullptr where all count the same.
[[nodiscard]] inline const float* importance_of(const EncodeContext& context, uint64_t row, size_t column) noexcept {
  if (context.importance.empty()) return nullptr;
  const uint64_t matrix = context.matrix_rows == 0 ? 0 : row / context.matrix_rows;
  return &context.importance[static_cast<size_t>(matrix) * context.row_weights + column];
}

/// Calls `visit(at, count, importance)` for each row, or part of one, that `weights` weights consist of, until one
/// gives a failure; that is returned, with its place counted from the first weight.
template <typename Visit>
Status for_each_row(const EncodeContext& context, size_t weights, Visit visit) noexcept {
  size_t column = context.first_column;
  uint64_t row = context.first_row;
  for (size_t at = 0; at < weights; column = 0, ++row) {
    const size_t count = std::min(context.row_weights - column, weights - at);
    const Status status = visit(at, count, importance_of(context, row, column));
    if (!status.ok()) return status.offset_by(at);
    at += count;
  }
  return {};
}

}  // namespace arrowquant
