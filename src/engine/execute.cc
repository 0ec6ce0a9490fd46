#include <algorithm>
#include <cstring>
#include <span>

#include "engine/across_rows.h"
#include "engine/load.h"
#include "engine/work.h"

namespace arrowquant {
namespace {

/// Where a Work's pieces are decoded to.
struct Rooms {
  std::span<float> weights;
  std::span<float> restored;
};

Rooms rooms_of(const Work& work, Scratch& scratch) noexcept {
  const size_t floats = row_room_floats(work) / 2;
  if (floats == 0) return {scratch.weights, scratch.restored};
  return {{work.row_room, floats}, {work.row_room + floats, floats}};
}

/// Weights that are done together: all of them where nothing has to be decoded or looked at twice.
size_t piece_weights(const Work& work) noexcept {
  if (is_plain(work.source) && !work.measure && !work.checked) return std::max(work.weights, size_t{1});
  if (!needs_rows(work)) return kPieceWeights;
  return std::max(kPieceWeights / work.row_weights, size_t{1}) * work.row_weights;
}

/// The float type that the weights are stored in.
ElementType type_of(const Operand& source) noexcept {
  const Codec& codec = *source.encoding.codec;
  return codec.plane_count == 1 && source.scale == 1 ? codec.planes[0].element : ElementType::kU8;
}

EncodeContext context_of(const Work& work, size_t first) noexcept {
  EncodeContext context;
  context.parameters = work.target.encoding.parameters;
  context.row_weights = work.row_weights;
  context.first_row = work.first_row;
  context.effort = work.effort;
  context.overflows = work.overflows;
  context.weights_type = type_of(work.source);
  if (work.has_range) context.range = &work.range;
  context.importance = work.importance;
  context.matrix_rows = work.matrix_rows;
  if (work.row_weights > 0) {
    const size_t at = work.first_column + first;
    context.first_row += at / work.row_weights;
    context.first_column = at % work.row_weights;
  }
  return context;
}

/// Encodes the weights of one Work, piece by piece.
class Transcoder {
 public:
  Transcoder(const Work& work, Scratch& scratch) noexcept
      : work_(work), codec_(*work.target.encoding.codec), shared_(scratch.shared), rooms_(rooms_of(work, scratch)) {}

  [[nodiscard]] Outcome transcode() noexcept {
    Outcome outcome;
    const size_t step = piece_weights(work_);
    for (size_t first = 0; first < work_.weights; first += step) {
      const Status status = transcode(first, std::min(step, work_.weights - first), outcome.error);
      if (status.ok()) continue;
      outcome.status = status.offset_by(first);
      return outcome;
    }
    if (work_.begins_tensor && work_.weights > 0) store_shared();
    return outcome;
  }

 private:
  [[nodiscard]] Status transcode(size_t first, size_t count, ErrorSums& error) noexcept {
    const Planes planes = target_planes(first, count);
    const std::span<float> floats = target_floats(planes[0], count);
    const std::span<float> room = floats.empty() ? rooms_.weights : floats;
    const auto [found, weights] = load(work_.source, work_.skipped + first, count, work_.checks_planes, room);
    if (!found.ok()) return found;
    if (work_.checked && codec_.fits != nullptr) {
      if (const Status status = codec_.fits(weights); !status.ok()) return status;
    }
    const EncodeContext context = context_of(work_, first);
    const double reference_error = compares_efforts(work_) ? error_of_least_effort(weights, planes, context) : 0;
    if (floats.empty() || weights.data() != floats.data()) {
      if (const Status status = codec_.encode(weights, planes, context); !status.ok()) return status;
    }
    if (!work_.measure) return {};
    const auto restored = restore(planes, floats, count);
    ErrorSums sums = measure_error(weights, restored);
    if (compares_efforts(work_)) {
      sums.weighted_error = measure_weighted_error(weights, restored, context);
      sums.reference_error = reference_error < 0 ? sums.weighted_error : reference_error;
    }
    error.add(sums);
    return {};
  }

  /// What the least effort would lose. It is made in the target's planes, which are written again afterwards. Negative
  /// where it would be refused, or is the same.
  [[nodiscard]] double error_of_least_effort(std::span<const float> weights, const Planes& planes,
                                             EncodeContext context) const noexcept {
    if (context.effort == Effort::kBetter && !context.importance.empty()) return -1;
    context.effort = Effort::kReference;
    if (!codec_.encode(weights, planes, context).ok()) return -1;
    return measure_weighted_error(weights, restore(planes, {}, weights.size()), context);
  }

  /// Pieces of several threads share what is one for the whole tensor: each writes one of its own.
  [[nodiscard]] Planes target_planes(size_t first, size_t count) const noexcept {
    Planes planes = planes_of(work_.target, first, count);
    for (size_t i = 0; i < codec_.plane_count; ++i) {
      if (is_shared(work_.target.encoding, i)) planes[i] = std::span(shared_[i]).first(planes[i].size());
    }
    return planes;
  }

  void store_shared() const noexcept {
    for (size_t i = 0; i < codec_.plane_count; ++i) {
      if (!is_shared(work_.target.encoding, i)) continue;
      std::memcpy(work_.target.planes[i], shared_[i].data(),
                  static_cast<size_t>(plane_bytes(work_.target.encoding, i, 1)));
    }
  }

  /// The target's own memory, where it is floats; else nothing.
  [[nodiscard]] std::span<float> target_floats(std::span<uint8_t> plane, size_t count) const noexcept {
    if (!is_plain(work_.target)) return {};
    return {reinterpret_cast<float*>(plane.data()), count};
  }

  [[nodiscard]] std::span<const float> restore(const Planes& planes, std::span<float> floats,
                                               size_t count) const noexcept {
    if (!floats.empty()) return floats;
    const std::span<float> restored = rooms_.restored.first(count);
    codec_.decode({planes[0], planes[1], planes[2], planes[3]}, work_.target.encoding.parameters, restored);
    return restored;
  }

  const Work& work_;
  const Codec& codec_;
  std::array<std::array<uint8_t, kMostSharedBytes>, kMostPlanes>& shared_;
  const Rooms rooms_;
};

Outcome scan(const Work& work, Scratch& scratch) noexcept {
  Outcome outcome;
  for (size_t first = 0; first < work.weights; first += kPieceWeights) {
    const size_t count = std::min(kPieceWeights, work.weights - first);
    const auto [found, weights] = load(work.source, work.skipped + first, count, work.checks_planes, scratch.weights);
    WeightRange range;
    const Status status = found.ok() ? scan_range(weights, range) : found;
    if (!status.ok()) {
      outcome.status = status.offset_by(first);
      return outcome;
    }
    outcome.range.merge(range);
  }
  return outcome;
}

Outcome compare(const Work& work, Scratch& scratch) noexcept {
  Outcome outcome;
  for (size_t first = 0; first < work.weights; first += kPieceWeights) {
    const size_t count = std::min(kPieceWeights, work.weights - first);
    const Loaded a = load(work.source, first, count, work.checks_planes, scratch.weights);
    const Loaded b = load(work.target, first, count, work.checks_planes, scratch.restored);
    if (!a.status.ok() || !b.status.ok()) {
      outcome.status = (a.status.ok() ? b.status : a.status).offset_by(first);
      return outcome;
    }
    outcome.comparison.merge(compare_values(a.weights, b.weights));
    outcome.error.add(measure_error(a.weights, b.weights));
  }
  return outcome;
}

/// One group over everything whose extent nobody knows: the extent, then the levels.
Outcome transcode(const Work& work, Scratch& scratch) noexcept {
  if (writes_across_rows(work)) return transcode_across_rows(work, scratch);
  if (!needs_range(work.target.encoding) || work.has_range) return Transcoder(work, scratch).transcode();
  Outcome outcome = scan(work, scratch);
  if (!outcome.status.ok()) return outcome;
  Work ranged = work;
  ranged.has_range = true;
  ranged.range = outcome.range;
  return Transcoder(ranged, scratch).transcode();
}

}  // namespace

Outcome execute(const Work& work, Scratch& scratch) noexcept {
  switch (work.verb) {
    case Verb::kTranscode:
      return transcode(work, scratch);
    case Verb::kScan:
      return scan(work, scratch);
    case Verb::kCompare:
      return compare(work, scratch);
    case Verb::kCall:
      work.call(work.context, scratch);
      return {};
  }
  Outcome outcome;
  outcome.status = {StatusCode::kInvalidArgument, 0};
  return outcome;
}

}  // namespace arrowquant
