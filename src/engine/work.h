#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "codecs/codec.h"
#include "codecs/comparison.h"
#include "codecs/metrics.h"
#include "codecs/weight_range.h"

namespace arrowquant {

/// Weights of one task. A multiple of every group and block size; as f32 they stay in a core's L2 cache.
inline constexpr size_t kChunkWeights = 131072;

/// Weights that are decoded, encoded and measured while they lie in the L1 cache. Divides kChunkWeights.
inline constexpr size_t kPieceWeights = 4096;

/// The numbers cross the JavaScript boundary: append only.
enum class Verb : uint8_t {
  kTranscode = 0,  ///< the source's weights become the target's
  kScan = 1,       ///< the extent of the source's weights
  kCompare = 2,    ///< what the target's weights and the source's have in common
  kCall = 3,       ///< whatever `call` does
};

/// One side of a Work. What is only read is not written, though the addresses would allow it.
struct Operand {
  Encoding encoding;
  float scale = 1;  ///< what each weight is multiplied with, in f32, once it is decoded; 1 where it is encoded
  std::array<uint8_t*, kMostPlanes> planes = {};
};

/// Room for one piece before and after, and for what all weights share; each pool thread has one. A piece may begin in
/// the middle of a unit of its source.
struct Scratch {
  alignas(64) std::array<float, kPieceWeights + 2 * kMostAlignedWeights> weights;
  alignas(64) std::array<float, kPieceWeights> restored;
  alignas(16) std::array<std::array<uint8_t, kMostSharedBytes>, kMostPlanes> shared;
};

/// One verb on contiguous weights.
///
/// kTranscode decodes the source's weights and encodes them into the target's planes; a target that needs the extent of
/// the whole tensor finds it out where `range` is not given. kCompare reads both. A Work is a tensor or a part of one:
/// `first_row` and `first_column` say where it begins.
struct Work {
  Verb verb = Verb::kTranscode;
  bool measure = false;        ///< kTranscode: decode again and sum up what was lost
  bool checked = false;        ///< kTranscode to floats: refuse weights that are not finite before or after
  bool overflows = false;      ///< as EncodeContext has it
  bool checks_planes = false;  ///< refuse sources that no encoder writes
  bool has_range = false;
  bool begins_tensor = true;  ///< whoever does writes what all parts share
  bool quick = true;          ///< kCall: takes microseconds
  Effort effort = Effort::kReference;
  Operand source;
  Operand target;
  size_t weights = 0;
  size_t skipped = 0;  ///< weights of the source's first unit that lie before the first weight
  WeightRange range;   ///< of the whole tensor
  /// Those of the whole tensor, if any, as EncodeContext has them: row_weights for each matrix.
  std::span<const float> importance;
  uint64_t matrix_rows = 0;
  size_t row_weights = 0;
  uint64_t first_row = 0;
  size_t first_column = 0;
  uint64_t rows = 0;          ///< of the tensor, where some are filled up; see EncodeContext
  float* row_room = nullptr;  ///< row_room_floats of them
  void (*call)(const void* context, Scratch& scratch) noexcept = nullptr;
  const void* context = nullptr;
};

struct Outcome {
  Status status;
  ErrorSums error;        ///< kCompare, and with Work::measure
  WeightRange range;      ///< kScan
  Comparison comparison;  ///< kCompare

  /// Adds what the weights after these gave.
  void merge(const Outcome& later) noexcept;
};

/// Memory of the planes for `weights` weights from `first` on, a multiple of aligned_weights.
[[nodiscard]] Planes planes_of(const Operand& operand, size_t first, size_t weights) noexcept;

/// Whether the Work writes this plane of its target: of several parts one writes what they share.
[[nodiscard]] bool writes_plane(const Work& work, size_t plane) noexcept;

/// Whether the target's groups run down the columns.
[[nodiscard]] bool writes_across_rows(const Work& work) noexcept;

/// Whether the target takes whole rows only.
[[nodiscard]] bool needs_rows(const Work& work) noexcept;

/// Whether a chunk of it takes microseconds, not milliseconds, so that the calling thread may do it in passing.
[[nodiscard]] bool is_quick(const Work& work) noexcept;

/// Whether what more than the least effort saves is measured, too.
[[nodiscard]] bool compares_efforts(const Work& work) noexcept;

/// Weights of a part of `work` that one task does: whole rows where the target needs them, and all of a tensor whose
/// extent is to be found out.
[[nodiscard]] size_t chunk_weights(const Work& work) noexcept;

/// Whether the rows that the target needs are whole blocks, and begin in every plane with a whole unit and byte. Where
/// it works across rows: whether they are whole blocks of rows, not all of the last one filled up, and begin with one
/// whose levels do not depend on those of the block above.
[[nodiscard]] bool has_whole_rows(const Work& work) noexcept;

/// Floats that `row_room` must have room for: rows that are longer than a piece do not fit into a Scratch.
[[nodiscard]] size_t row_room_floats(const Work& work) noexcept;

/// The part of `work` from weight `first` on, a multiple of chunk_weights, `weights` long.
[[nodiscard]] Work slice(const Work& work, size_t first, size_t weights) noexcept;

/// Runs `work` on this thread. Positions in the outcome count from the first weight of `work`.
[[nodiscard]] Outcome execute(const Work& work, Scratch& scratch) noexcept;

}  // namespace arrowquant
