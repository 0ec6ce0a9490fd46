#include "codecs/affine/affine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "codecs/affine/affine_decode.h"
#include "codecs/affine/affine_encode.h"
#include "codecs/affine/affine_improve.h"
#include "codecs/affine/affine_scale.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr Status kBadArgument = {StatusCode::kInvalidArgument, 0};

bool is_bit_width(uint32_t bits) noexcept { return bits == 2 || bits == 4 || bits == 8; }

bool is_group_size(uint32_t size) noexcept { return size == 32 || size == 64 || size == 128 || size == 256; }

bool fits(size_t weights, const CodecParameters& parameters, const AffineOutput& output) noexcept {
  if (!is_bit_width(parameters.bits) || !is_group_size(parameters.group_size)) return false;
  const uint64_t groups = affine_group_count(weights, parameters.group_size);
  return output.packed.size() == affine_packed_bytes(weights, parameters.bits) && output.scales.size() == groups &&
         output.zero_points.size() == groups;
}

template <typename L>
Status encode(std::span<const float> weights, const CodecParameters& parameters, const AffineOutput& output) noexcept {
  if (!fits(weights.size(), parameters, output)) return kBadArgument;
  bool finite = false;
  if (parameters.bits == 8) {
    finite = encode_affine_all<L, 8>(weights, parameters, output);
  } else if (parameters.bits == 4) {
    finite = encode_affine_all<L, 4>(weights, parameters, output);
  } else {
    finite = encode_affine_all<L, 2>(weights, parameters, output);
  }
  return finite ? Status{} : find_not_finite(weights);
}

template <typename L>
Status encode_scaled(std::span<const float> weights, uint32_t bits, AffineScale scale,
                     std::span<uint8_t> packed) noexcept {
  if (!is_bit_width(bits) || packed.size() != affine_packed_bytes(weights.size(), bits)) return kBadArgument;
  bool finite = false;
  if (bits == 8) {
    finite = encode_affine_scaled_all<L, 8>(weights, scale, packed.data());
  } else if (bits == 4) {
    finite = encode_affine_scaled_all<L, 4>(weights, scale, packed.data());
  } else {
    finite = encode_affine_scaled_all<L, 2>(weights, scale, packed.data());
  }
  return finite ? Status{} : find_not_finite(weights);
}

template <typename L>
void decode(const AffineInput& input, const CodecParameters& parameters, std::span<float> weights) noexcept {
  if (parameters.bits == 8) {
    decode_affine_all<L, 8>(input, parameters.group_size, weights);
  } else if (parameters.bits == 4) {
    decode_affine_all<L, 4>(input, parameters.group_size, weights);
  } else {
    decode_affine_all<L, 2>(input, parameters.group_size, weights);
  }
}

// --- The codec -------------------------------------------------------------------------------------------------------

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;
constexpr size_t kZeroPoints = 2;

constexpr std::array kBits = {2U, 4U, 8U};
constexpr std::array kGroupSizes = {32U, 64U, 128U, 256U, 0U};

std::span<const float> scales_of(const ConstPlanes& planes) noexcept {
  return {reinterpret_cast<const float*>(planes[kScales].data()), planes[kScales].size() / sizeof(float)};
}

/// With one group over everything each part of it writes the same scale and zero point.
template <typename L>
Status encode_planes(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  const auto [bits, group_size, symmetric] = context.parameters;
  const std::span scales(reinterpret_cast<float*>(planes[kScales].data()), planes[kScales].size() / sizeof(float));
  if (group_size != 0) {
    const AffineOutput output = {planes[kLevels], scales, planes[kZeroPoints]};
    const Status status = encode<L>(weights, context.parameters, output);
    if (status.ok() && context.effort == Effort::kBest) AffineImprover<L>(weights, context, output).improve();
    return status;
  }
  if (weights.empty()) return {};
  if (context.range == nullptr || scales.empty() || planes[kZeroPoints].empty()) return kBadArgument;
  const AffineScale scale = affine_scale(*context.range, bits, symmetric);
  scales[0] = scale.scale;
  planes[kZeroPoints][0] = scale.zero_point;
  return encode_scaled<L>(weights, bits, scale, planes[kLevels]);
}

template <typename L>
void decode_planes(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  decode<L>({planes[kLevels], scales_of(planes), planes[kZeroPoints]}, parameters, weights);
}

/// No encoder writes a scale that is not finite, or a zero point that is no level.
Status check_planes(const ConstPlanes& planes, const CodecParameters& parameters, size_t /*weights*/) noexcept {
  const std::span<const float> scales = scales_of(planes);
  for (size_t group = 0; group < scales.size(); ++group) {
    if (std::isfinite(scales[group]) && planes[kZeroPoints][group] < 1U << parameters.bits) continue;
    return {StatusCode::kInvalidPlanes, uint64_t{group} * parameters.group_size};
  }
  return {};
}

}  // namespace

extern const Codec kAffine;
constinit const Codec kAffine = {
    .name = "affine",
    .planes = {{{"levels", ElementType::kU8, 1, 0},
                {"scales", ElementType::kF32, 0, 32},
                {"zero_points", ElementType::kU8, 0, 8}}},
    .plane_count = 3,
    .bits = kBits,
    .group_sizes = kGroupSizes,
    .symmetric = true,
    .uses_importance = true,
    .weighs_from = Effort::kBest,
    .most_effort = Effort::kBest,
    .encode = encode_planes<WasmLanes>,
    .decode = decode_planes<WasmLanes>,
    .check = check_planes,
};

extern const CodecReference kAffineReference;
constinit const CodecReference kAffineReference = {encode_planes<ScalarLanes>, decode_planes<ScalarLanes>};

uint64_t affine_packed_bytes(uint64_t weights, uint32_t bits) noexcept {
  const uint64_t levels_in_byte = 8 / bits;
  return weights / levels_in_byte + (weights % levels_in_byte != 0 ? 1 : 0);
}

uint64_t affine_group_count(uint64_t weights, uint32_t group_size) noexcept {
  return weights / group_size + (weights % group_size != 0 ? 1 : 0);
}

AffineScale affine_scale(const WeightRange& range, uint32_t bits, bool symmetric) noexcept {
  const auto lane = affine_scale_lanes<ScalarLanes>(range.lo, range.hi, range.extreme, bits, symmetric);
  return {lane.scale, static_cast<uint8_t>(lane.zero_point)};
}

Status encode_affine(std::span<const float> weights, const CodecParameters& parameters,
                     const AffineOutput& output) noexcept {
  return encode<WasmLanes>(weights, parameters, output);
}
Status encode_affine_reference(std::span<const float> weights, const CodecParameters& parameters,
                               const AffineOutput& output) noexcept {
  return encode<ScalarLanes>(weights, parameters, output);
}

Status encode_affine_scaled(std::span<const float> weights, uint32_t bits, AffineScale scale,
                            std::span<uint8_t> packed) noexcept {
  return encode_scaled<WasmLanes>(weights, bits, scale, packed);
}
Status encode_affine_scaled_reference(std::span<const float> weights, uint32_t bits, AffineScale scale,
                                      std::span<uint8_t> packed) noexcept {
  return encode_scaled<ScalarLanes>(weights, bits, scale, packed);
}

void decode_affine(const AffineInput& input, const CodecParameters& parameters, std::span<float> weights) noexcept {
  decode<WasmLanes>(input, parameters, weights);
}
void decode_affine_reference(const AffineInput& input, const CodecParameters& parameters,
                             std::span<float> weights) noexcept {
  decode<ScalarLanes>(input, parameters, weights);
}

}  // namespace arrowquant
