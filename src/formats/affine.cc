#include "formats/affine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "formats/affine_decode.h"
#include "formats/affine_encode.h"
#include "formats/affine_scale.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr Status kBadArgument = {StatusCode::kInvalidArgument, 0};

bool is_bit_width(uint32_t bits) noexcept { return bits == 2 || bits == 4 || bits == 8; }

bool is_group_size(uint32_t size) noexcept { return size == 32 || size == 64 || size == 128 || size == 256; }

bool fits(size_t weights, const AffineParameters& parameters, const AffineOutput& output) noexcept {
  if (!is_bit_width(parameters.bits) || !is_group_size(parameters.group_size)) return false;
  const uint64_t groups = affine_group_count(weights, parameters.group_size);
  return output.packed.size() == affine_packed_bytes(weights, parameters.bits) && output.scales.size() == groups &&
         output.zero_points.size() == groups;
}

/// The kernels say only that there is a NaN or an infinity: it ends everything, so that finding it may be slow.
Status verdict(bool finite, std::span<const float> weights) noexcept {
  if (finite) return {};
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!std::isfinite(weights[i])) return {StatusCode::kNotFinite, i};
  }
  return {};
}

template <typename L>
Status encode(std::span<const float> weights, const AffineParameters& parameters, const AffineOutput& output) noexcept {
  if (!fits(weights.size(), parameters, output)) return kBadArgument;
  bool finite = false;
  if (parameters.bits == 8) {
    finite = encode_affine_all<L, 8>(weights, parameters, output);
  } else if (parameters.bits == 4) {
    finite = encode_affine_all<L, 4>(weights, parameters, output);
  } else {
    finite = encode_affine_all<L, 2>(weights, parameters, output);
  }
  return verdict(finite, weights);
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
  return verdict(finite, weights);
}

template <typename L>
void decode(const AffineInput& input, const AffineParameters& parameters, std::span<float> weights) noexcept {
  if (parameters.bits == 8) {
    decode_affine_all<L, 8>(input, parameters.group_size, weights);
  } else if (parameters.bits == 4) {
    decode_affine_all<L, 4>(input, parameters.group_size, weights);
  } else {
    decode_affine_all<L, 2>(input, parameters.group_size, weights);
  }
}

/// Finite weights leave a finite sum, but for a sum that overflows; `verdict` then looks closer.
template <typename L>
struct Extent {
  typename L::F32 lo = L::splat(0.0F);
  typename L::F32 hi = L::splat(0.0F);
  typename L::F32 sum = L::splat(0.0F);

  void take(const float* weights) noexcept {
    const auto x = L::load(weights);
    lo = L::pmin(lo, x);
    hi = L::pmax(hi, x);
    sum = L::add(sum, x);
  }

  void merge(const Extent& other) noexcept {
    lo = L::pmin(lo, other.lo);
    hi = L::pmax(hi, other.hi);
    sum = L::add(sum, other.sum);
  }
};

template <typename L>
Status scan(std::span<const float> weights, AffineRange& range) noexcept {
  constexpr size_t kInFlight = 4;  // hides the latency of the minimum and the maximum
  constexpr size_t kStep = kInFlight * L::kWidth;
  std::array<Extent<L>, kInFlight> extents;
  const size_t whole = weights.size() - weights.size() % kStep;
  for (size_t at = 0; at < whole; at += kStep) {
    for (size_t i = 0; i < kInFlight; ++i) extents[i].take(weights.data() + at + i * L::kWidth);
  }
  std::array<float, kStep> padded{};
  std::copy(weights.begin() + static_cast<ptrdiff_t>(whole), weights.end(), padded.begin());
  for (size_t i = 0; i < kInFlight; ++i) extents[i].take(padded.data() + i * L::kWidth);
  for (size_t i = 1; i < kInFlight; ++i) extents[0].merge(extents[i]);

  std::array<float, L::kWidth> los;
  std::array<float, L::kWidth> his;
  L::store(los.data(), extents[0].lo);
  L::store(his.data(), extents[0].hi);
  range.lo = *std::min_element(los.begin(), los.end());
  range.hi = *std::max_element(his.begin(), his.end());
  range.extreme = affine_extreme(weights, range.lo, range.hi);
  const bool finite = L::all(L::le(L::abs(extents[0].sum), L::splat(std::numeric_limits<float>::max())));
  return verdict(finite, weights);
}

}  // namespace

void AffineRange::merge(const AffineRange& later) noexcept {
  if (std::max(later.hi, -later.lo) > std::max(hi, -lo)) extreme = later.extreme;
  lo = std::min(lo, later.lo);
  hi = std::max(hi, later.hi);
}

bool is_valid(const AffineParameters& parameters) noexcept {
  return is_bit_width(parameters.bits) && (parameters.group_size == 0 || is_group_size(parameters.group_size));
}

uint64_t affine_packed_bytes(uint64_t weights, uint32_t bits) noexcept {
  const uint64_t levels_in_byte = 8 / bits;
  return weights / levels_in_byte + (weights % levels_in_byte != 0 ? 1 : 0);
}

uint64_t affine_group_count(uint64_t weights, uint32_t group_size) noexcept {
  return weights / group_size + (weights % group_size != 0 ? 1 : 0);
}

AffineScale affine_scale(const AffineRange& range, uint32_t bits, bool symmetric) noexcept {
  const auto lane = affine_scale_lanes<ScalarLanes>(range.lo, range.hi, range.extreme, bits, symmetric);
  return {lane.scale, static_cast<uint8_t>(lane.zero_point)};
}

Status encode_affine(std::span<const float> weights, const AffineParameters& parameters,
                     const AffineOutput& output) noexcept {
  return encode<WasmLanes>(weights, parameters, output);
}
Status encode_affine_reference(std::span<const float> weights, const AffineParameters& parameters,
                               const AffineOutput& output) noexcept {
  return encode<ScalarLanes>(weights, parameters, output);
}

Status scan_affine_range(std::span<const float> weights, AffineRange& range) noexcept {
  return scan<WasmLanes>(weights, range);
}
Status scan_affine_range_reference(std::span<const float> weights, AffineRange& range) noexcept {
  return scan<ScalarLanes>(weights, range);
}

Status encode_affine_scaled(std::span<const float> weights, uint32_t bits, AffineScale scale,
                            std::span<uint8_t> packed) noexcept {
  return encode_scaled<WasmLanes>(weights, bits, scale, packed);
}
Status encode_affine_scaled_reference(std::span<const float> weights, uint32_t bits, AffineScale scale,
                                      std::span<uint8_t> packed) noexcept {
  return encode_scaled<ScalarLanes>(weights, bits, scale, packed);
}

void decode_affine(const AffineInput& input, const AffineParameters& parameters, std::span<float> weights) noexcept {
  decode<WasmLanes>(input, parameters, weights);
}
void decode_affine_reference(const AffineInput& input, const AffineParameters& parameters,
                             std::span<float> weights) noexcept {
  decode<ScalarLanes>(input, parameters, weights);
}

}  // namespace arrowquant
