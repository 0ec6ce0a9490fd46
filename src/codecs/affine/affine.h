#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "codecs/codec.h"

/// The kernels of the codec `affine`, whose planes are `levels`, `scales` and `zero_points`.
namespace arrowquant {

/// Where the results go: `packed` ceil(n·bits/8) bytes; `scales` and `zero_points` one entry a group.
struct AffineOutput {
  std::span<uint8_t> packed;
  std::span<float> scales;
  std::span<uint8_t> zero_points;
};

/// One group's decoded parameters.
struct AffineScale {
  float scale = 1.0F;
  uint8_t zero_point = 0;
};

/// ceil(weights·bits/8), for bits 2, 4 or 8.
[[nodiscard]] uint64_t affine_packed_bytes(uint64_t weights, uint32_t bits) noexcept;
/// ceil(weights/group_size).
[[nodiscard]] uint64_t affine_group_count(uint64_t weights, uint32_t group_size) noexcept;

/// Quantizes groups of `group_size` contiguous weights; the last may be short. `weights` needs only float alignment,
/// and nothing past an end is touched. All f32, one rounding an operation, levels half to even; qmax = 2^bits − 1:
/// - asymmetric: lo = min(0, min x), hi = max(0, max x), scale = f32((f64(hi) − f64(lo))/qmax),
///   zero_point = clamp(rne(−lo·(1/scale)), 0, qmax);
/// - symmetric: scale = −extreme/2^(bits−1), which may be negative, zero_point = 2^(bits−1);
/// - a scale that is 0 or subnormal becomes 1; then every level is the zero point, which is 0 if asymmetric;
/// - level = clamp(rne(x·(1/scale)) + zero_point, 0, qmax), packed low bits first; unused bits of the last byte are 0.
/// A weight decodes to within half a step, or a whole one at the last level. The product may overflow to infinity where
/// weights are near the largest float.
/// kNotFinite: `position` is the first NaN or infinity, and the output is unspecified. kInvalidArgument: an unknown bit
/// width or group size, or output spans that are not exactly as long as they must be.
Status encode_affine(std::span<const float> weights, const CodecParameters& parameters,
                     const AffineOutput& output) noexcept;
Status encode_affine_reference(std::span<const float> weights, const CodecParameters& parameters,
                               const AffineOutput& output) noexcept;

/// The parameters of one group that has this extent.
[[nodiscard]] AffineScale affine_scale(const WeightRange& range, uint32_t bits, bool symmetric) noexcept;

/// Quantizes with a scale that is already known and normal, as affine_scale gives it (one group over many chunks,
/// second pass). The same rounding and errors as encode_affine; weights outside the range are clamped.
Status encode_affine_scaled(std::span<const float> weights, uint32_t bits, AffineScale scale,
                            std::span<uint8_t> packed) noexcept;
Status encode_affine_scaled_reference(std::span<const float> weights, uint32_t bits, AffineScale scale,
                                      std::span<uint8_t> packed) noexcept;

/// Input of a decode: what encode_affine wrote. Any bytes are levels.
struct AffineInput {
  std::span<const uint8_t> packed;
  std::span<const float> scales;
  std::span<const uint8_t> zero_points;
};

/// (level − zero_point)·scale in f32. A group size of 0 means that scales[0] and zero_points[0] are for all weights.
/// The spans must be as long as `weights` asks for.
void decode_affine(const AffineInput& input, const CodecParameters& parameters, std::span<float> weights) noexcept;
void decode_affine_reference(const AffineInput& input, const CodecParameters& parameters,
                             std::span<float> weights) noexcept;

}  // namespace arrowquant
