#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "formats/affine.h"
#include "formats/block_format.h"
#include "formats/metrics.h"

namespace arrowquant {

/// Weights of one task. A multiple of every group and block size; as f32 they stay in a core's L2 cache.
inline constexpr size_t kChunkWeights = 131072;

/// Weights that are converted, encoded and measured while they lie in the L1 cache. Divides kChunkWeights.
inline constexpr size_t kPieceWeights = 4096;

/// The numbers cross the JavaScript boundary: append only.
enum class Operation : uint8_t {
  kEncodeAffine = 0,
  kEncodeAffineScaled = 1,
  kScanAffine = 2,
  kDecodeAffine = 3,
  kEncodeBlock = 4,
  kDecodeBlock = 5,
  kConvert = 6,
  kCall = 7,
};

/// The types of one byte are read only: no Work has them as its target.
enum class FloatType : uint8_t { kF32 = 0, kF16 = 1, kBF16 = 2, kF8E4M3 = 3, kF8E5M2 = 4 };

[[nodiscard]] constexpr size_t float_bytes(FloatType type) noexcept {
  if (type == FloatType::kF32) return 4;
  return type == FloatType::kF16 || type == FloatType::kBF16 ? 2 : 1;
}

/// One operation on contiguous memory.
///
/// Encoding reads floats of type `source` at `input`, times `source_scale`, or blocks of `source_format` if there is
/// one (`weights` must be whole blocks then), and writes levels or blocks to `encoded` (affine: also `scales`
/// and `zero_points`). Decoding reads `encoded`, `scales`, `zero_points` and writes floats of type `target` to
/// `output`. kConvert reads `input` as encoding does and writes `output`; with `checked` it gives kNotFinite or
/// kFloatOverflow for the first weight that is not finite before or after. kCall calls `call` and touches nothing else.
/// A group size of 0 means one scale for all of the weights.
struct Work {
  Operation operation = Operation::kEncodeAffine;
  FloatType source = FloatType::kF32;
  FloatType target = FloatType::kF32;
  float source_scale = 1;
  const BlockFormat* source_format = nullptr;
  bool measure = false;  ///< decode again and sum up what was lost
  bool checked = false;  ///< kConvert only
  AffineParameters affine;
  AffineScale scale;  ///< kEncodeAffineScaled only
  const BlockFormat* format = nullptr;
  size_t weights = 0;
  const uint8_t* input = nullptr;
  uint8_t* output = nullptr;
  uint8_t* encoded = nullptr;
  float* scales = nullptr;
  uint8_t* zero_points = nullptr;
  void (*call)(const void* context) noexcept = nullptr;  ///< kCall only
  const void* context = nullptr;
};

struct Outcome {
  Status status;
  ErrorSums error;    ///< with Work::measure
  AffineRange range;  ///< kScanAffine
};

/// Room for one piece before and after; each pool thread has one.
struct Scratch {
  alignas(64) std::array<float, kPieceWeights> weights;
  alignas(64) std::array<float, kPieceWeights> restored;
};

/// Bytes that `weights` weights take at `input` when they are encoded or converted. As the other sizes here, 64 bits
/// also where addresses have 32: those of weights that no memory can hold must not look small.
[[nodiscard]] uint64_t source_bytes(const Work& work, uint64_t weights) noexcept;

/// Bytes that `weights` weights take when encoded (without scales and zero points).
[[nodiscard]] uint64_t encoded_bytes(const Work& work, uint64_t weights) noexcept;

/// Bytes that a Work reads or writes at each of its addresses.
struct NeededBytes {
  uint64_t input = 0;
  uint64_t output = 0;
  uint64_t encoded = 0;
  uint64_t scales = 0;
  uint64_t zero_points = 0;
};

[[nodiscard]] NeededBytes needed_bytes(const Work& work) noexcept;

/// Whether a chunk of it takes microseconds, not milliseconds, so that the calling thread may do it in passing.
[[nodiscard]] bool is_quick(const Work& work) noexcept;

/// The part of `work` from weight `first` on, a multiple of kChunkWeights, `weights` long.
[[nodiscard]] Work slice(const Work& work, size_t first, size_t weights) noexcept;

/// Runs `work` on this thread. Positions in the outcome count from the first weight of `work`.
[[nodiscard]] Outcome execute(const Work& work, Scratch& scratch) noexcept;

}  // namespace arrowquant
