#include "bindings/job_records.h"

#include <emscripten/heap.h>

#include <algorithm>
#include <cmath>

/// Where what can be allocated begins; the linker knows.
extern "C" const uint8_t __heap_base;

namespace arrowquant {
namespace {

using Record = std::span<const double, kJobWords>;
using OperandRecord = std::span<const double, kOperandWords>;

constexpr double kMost32 = 4294967296.0;
constexpr double kMostSafe = 9007199254740992.0;

/// Whether it is a whole number from 0 to below `end`. No NaN is.
bool is_count(double value, double end) { return value >= 0 && value < end && value == std::floor(value); }

uint8_t* pointer_to(double address) { return reinterpret_cast<uint8_t*>(static_cast<uintptr_t>(address)); }

bool is_aligned(double address, size_t bytes) { return static_cast<uintptr_t>(address) % bytes == 0; }

bool read_planes(OperandRecord record, size_t weights, Operand& operand) {
  const Encoding& encoding = operand.encoding;
  for (size_t i = 0; i < encoding.codec->plane_count; ++i) {
    const double address = record[kPlanes + i];
    if (!is_in_heap(address, plane_bytes(encoding, i, weights))) return false;
    // Two bytes are loaded and stored at any address.
    const size_t alignment = encoding.codec->planes[i].element == ElementType::kF32 ? sizeof(float) : 1;
    if (!is_aligned(address, alignment)) return false;
    operand.planes[i] = pointer_to(address);
  }
  return true;
}

bool read_operand(OperandRecord record, size_t weights, Operand& operand) {
  const auto all = codecs();
  const bool counts = is_count(record[kCodec], static_cast<double>(all.size())) && is_count(record[kBits], kMost32) &&
                      is_count(record[kGroupSize], kMost32) && is_count(record[kSymmetric], 2);
  if (!counts) return false;
  operand.encoding = {
      all[static_cast<size_t>(record[kCodec])],
      {static_cast<uint32_t>(record[kBits]), static_cast<uint32_t>(record[kGroupSize]), record[kSymmetric] == 1}};
  operand.scale = static_cast<float>(record[kScale]);
  return is_valid(operand.encoding) && weights % operand.encoding.codec->block_weights == 0 &&
         read_planes(record, weights, operand);
}

bool read_rows(Record record, Work& work) {
  const bool counts = is_count(record[kRowWeights], kMost32) && is_count(record[kFirstRow], kMostSafe) &&
                      is_count(record[kFirstColumn], std::max(record[kRowWeights], 1.0)) &&
                      is_count(record[kRows], kMostSafe);
  if (!counts) return false;
  work.row_weights = static_cast<size_t>(record[kRowWeights]);
  work.first_row = static_cast<uint64_t>(record[kFirstRow]);
  work.first_column = static_cast<size_t>(record[kFirstColumn]);
  work.rows = static_cast<uint64_t>(record[kRows]);
  return true;
}

/// Whether the rows of the weights are all among those that importance is given for: of some matrices, or where the
/// target works across rows, of as many rows.
bool has_importance_for(const Work& work, uint64_t matrices) {
  if (writes_across_rows(work)) {
    const uint64_t end = work.first_row + (work.weights + work.row_weights - 1) / work.row_weights;
    return work.matrix_rows == 0 && (work.rows == 0 ? end : std::min(end, work.rows)) <= matrices;
  }
  if (work.matrix_rows == 0 || work.weights == 0) return matrices > 0;
  const uint64_t last_weight = uint64_t{work.first_column} + work.weights - 1;
  return (work.first_row + last_weight / work.row_weights) / work.matrix_rows < matrices;
}

bool read_importance(Record record, Work& work) {
  const double address = record[kImportance];
  if (address == 0) return true;
  const bool counts = is_count(record[kMatrices], kMost32) && is_count(record[kMatrixRows], kMostSafe);
  if (!counts || work.row_weights == 0) return false;
  work.matrix_rows = static_cast<uint64_t>(record[kMatrixRows]);
  const auto matrices = static_cast<uint64_t>(record[kMatrices]);
  // No product of two such numbers is beyond 64 bits; times four it may be.
  const uint64_t count = writes_across_rows(work) ? matrices : matrices * work.row_weights;
  if (count > UINT32_MAX || !is_in_heap(address, count * sizeof(float)) || !is_aligned(address, sizeof(float))) {
    return false;
  }
  work.importance = {reinterpret_cast<const float*>(pointer_to(address)), static_cast<size_t>(count)};
  return has_importance_for(work, matrices);
}

bool read_range(Record record, Work& work) {
  work.has_range = record[kHasRange] == 1;
  work.range = {static_cast<float>(record[kLo]), static_cast<float>(record[kHi]), static_cast<float>(record[kExtreme])};
  const auto [lo, hi, extreme] = work.range;
  return lo <= 0 && hi >= 0 && std::isfinite(lo) && std::isfinite(hi) && std::isfinite(extreme);
}

/// Whether the target can be what the verb wants it to be.
bool can_be_target(const Work& work) {
  if (work.verb != Verb::kTranscode) return true;
  const Codec& codec = *work.target.encoding.codec;
  const bool has_importance = !codec.needs_importance || !work.importance.empty() || work.effort > Effort::kReference;
  return codec.encode != nullptr && work.target.scale == 1 && has_importance && has_whole_rows(work);
}

}  // namespace

bool is_in_heap(double address, uint64_t bytes) {
  if (!is_count(address, kMost32)) return false;
  const auto begin = static_cast<uint64_t>(address);
  return bytes == 0 ||
         (begin >= reinterpret_cast<uintptr_t>(&__heap_base) && begin + bytes <= emscripten_get_heap_size());
}

std::optional<Work> read_record(Record record) {
  constexpr auto kVerbs = static_cast<double>(Verb::kCall);
  if (!is_count(record[kVerb], kVerbs) || !is_count(record[kWeights], kMost32)) return std::nullopt;
  Work work;
  work.verb = static_cast<Verb>(static_cast<uint8_t>(record[kVerb]));
  work.weights = static_cast<size_t>(record[kWeights]);
  work.measure = record[kMeasure] == 1;
  work.checked = record[kChecked] == 1;
  work.overflows = record[kOverflows] == 1;
  work.checks_planes = true;
  if (!read_operand(record.subspan<kSourceWords, kOperandWords>(), work.weights, work.source)) return std::nullopt;
  if (work.verb == Verb::kScan) return work;
  if (!read_operand(record.subspan<kTargetWords, kOperandWords>(), work.weights, work.target)) return std::nullopt;
  constexpr auto kEfforts = static_cast<double>(Effort::kBest) + 1;
  if (!is_count(record[kEffort], kEfforts)) return std::nullopt;
  work.effort = static_cast<Effort>(static_cast<uint8_t>(record[kEffort]));
  if (!read_rows(record, work) || !read_importance(record, work) || !read_range(record, work)) return std::nullopt;
  if (!can_be_target(work)) return std::nullopt;
  return work;
}

void write_outcome(const Outcome& outcome, std::span<double, kOutcomeWords> words) {
  words[kCode] = static_cast<double>(outcome.status.code);
  words[kPosition] = static_cast<double>(outcome.status.position);
  words[kSquaredError] = outcome.error.squared_error;
  words[kSquaredOriginal] = outcome.error.squared_original;
  words[kSquaredRestored] = outcome.error.squared_restored;
  words[kDot] = outcome.error.dot;
  words[kMaxError] = outcome.error.max_error;
  words[kWeightedError] = outcome.error.weighted_error;
  words[kReferenceError] = outcome.error.reference_error;
  words[kFoundLo] = outcome.range.lo;
  words[kFoundHi] = outcome.range.hi;
  words[kFoundExtreme] = outcome.range.extreme;
  words[kEqual] = outcome.comparison.equal ? 1 : 0;
  words[kFinite] = outcome.comparison.finite ? 1 : 0;
}

}  // namespace arrowquant
