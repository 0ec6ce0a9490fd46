// What GatherBlockQuantized of ONNX Runtime looks up: blocks along the rows of an embedding, quantized with numpy as
// its DefaultWeightOnlyQuantizer (onnxruntime/python/tools/quantization/matmul_nbits_quantizer.py) does it.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "codecs/codec.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;
constexpr size_t kZeroPoints = 2;

constexpr std::array kGroupSizes = {16U, 32U, 64U, 128U, 256U};

/// level = clamp(rne(x / scale + zero_point)), where a scale of 0 makes all of them the zero point.
struct GroupScale {
  float scale;
  float zero_point;
};

/// Of −lo … hi. As numpy, all in f32; ties of the magnitudes go to the least weight.
GroupScale group_scale(float lo, float hi, bool symmetric) noexcept {
  if (symmetric) return {(hi > -lo ? hi : lo) / -8.0F, 0};
  const float scale = (hi - lo) / 15.0F;
  if (scale == 0) return {scale, 8};
  return {scale, std::clamp(std::nearbyint(-lo / scale), 0.0F, 15.0F)};
}

struct Extent {
  float lo;
  float hi;

  [[nodiscard]] bool is_finite() const noexcept { return std::isfinite(lo) && std::isfinite(hi); }
};

/// Of whole steps of 8·kWidth weights. `lo` is −0 where no weight is negative but one is −0.
template <typename L>
Extent extent_of(std::span<const float> weights) noexcept {
  auto highest = L::splat(0);
  auto lowest = L::splat(0);
  for (size_t i = 0; i < weights.size(); i += L::kWidth) {
    const auto bits = L::bits(L::load(&weights[i]));
    highest = L::max(highest, bits);
    lowest = L::max_unsigned(lowest, bits);
  }
  std::array<int32_t, L::kWidth> high;
  std::array<int32_t, L::kWidth> low;
  L::store(high.data(), highest);
  L::store(low.data(), lowest);
  uint32_t least = 0;
  for (const int32_t bits : low) least = std::max(least, static_cast<uint32_t>(bits));
  const auto hi = std::bit_cast<float>(*std::max_element(high.begin(), high.end()));
  const float lo = least > 0x7FFFFFFF ? std::bit_cast<float>(least) : 0.0F;
  return {lo, hi};
}

/// Packs whole steps of 8·kWidth weights.
template <typename L>
void encode_levels(std::span<const float> weights, const GroupScale& group, bool symmetric, uint8_t* packed) noexcept {
  // Levels are moved up to 240…255: the bits above the lowest four must be set.
  const int32_t raise = symmetric ? 248 : 240;
  const float divisor = group.scale == 0 ? std::numeric_limits<float>::infinity() : group.scale;
  const auto level = [&](size_t at) noexcept {
    const auto steps = L::add(L::div(L::load(&weights[at]), L::splat(divisor)), L::splat(group.zero_point));
    const auto low = L::splat(symmetric ? -8.0F : 0.0F);
    const auto near = L::pmin(L::pmax(low, steps), L::splat(symmetric ? 7.0F : 15.0F));
    return L::add(L::round_magic(near), L::splat(raise));
  };
  constexpr size_t kHalf = 4 * L::kWidth;
  const auto bytes = [&](size_t at) noexcept {
    return L::narrow_unsigned(L::narrow(level(at), level(at + L::kWidth)),
                              L::narrow(level(at + 2 * L::kWidth), level(at + 3 * L::kWidth)));
  };
  // In two's complement the highest bit is the other way round.
  const auto flip = L::splat_bytes(symmetric ? 0x88 : 0);
  for (size_t at = 0; at < weights.size(); at += 2 * kHalf, packed += kHalf) {
    L::store_bytes(packed, L::bit_xor(L::template join_pairs<4>(bytes(at), bytes(at + kHalf)), flip));
  }
}

template <typename L>
inline constexpr size_t kStep{8 * L::kWidth};

/// A group that is no whole steps is filled up with zeros, which change nothing.
template <typename L>
Status encode_group(std::span<const float> weights, bool symmetric, uint8_t* packed, GroupScale& scale) noexcept {
  std::array<float, kGroupSizes.back()> filled;
  std::array<uint8_t, kGroupSizes.back() / 2> levels;
  const size_t rest = weights.size() % kStep<L>;
  std::span<const float> steps = weights;
  if (rest != 0) {
    std::fill_n(std::copy(weights.begin(), weights.end(), filled.begin()), kStep<L> - rest, 0.0F);
    steps = std::span(filled).first(weights.size() + kStep<L> - rest);
  }
  const Extent extent = extent_of<L>(steps);
  if (!extent.is_finite()) return find_not_finite(weights);
  scale = group_scale(extent.lo, extent.hi, symmetric);
  if (!std::isfinite(scale.scale)) return {StatusCode::kScaleOverflow, 0};
  encode_levels<L>(steps, scale, symmetric, rest == 0 ? packed : levels.data());
  if (rest == 0) return {};
  std::memcpy(packed, levels.data(), (weights.size() + 1) / 2);
  // What follows the last level of a tensor is 0, which is no symmetric group's own level for it.
  if (weights.size() % 2 != 0) packed[weights.size() / 2] &= 15;
  return {};
}

template <typename L>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  const auto [bits, group_size, symmetric] = context.parameters;
  uint8_t* scales = planes[kScales].data();
  uint8_t* zero_points = planes[kZeroPoints].data();
  for (size_t at = 0; at < weights.size(); at += group_size, scales += sizeof(float)) {
    GroupScale scale;
    const std::span<const float> group = weights.subspan(at, std::min<size_t>(group_size, weights.size() - at));
    const Status status = encode_group<L>(group, symmetric, planes[kLevels].data() + at / 2, scale);
    if (!status.ok()) return status.offset_by(at);
    std::memcpy(scales, &scale.scale, sizeof scale.scale);
    *zero_points++ = static_cast<uint8_t>(scale.zero_point);
  }
  return {};
}

float load_scale(const ConstPlanes& planes, size_t group) noexcept {
  float scale;
  std::memcpy(&scale, planes[kScales].data() + group * sizeof scale, sizeof scale);
  return scale;
}

/// (level − zero_point)·scale; symmetric levels are −8…7 in two's complement.
void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  const int32_t flip = parameters.symmetric ? 8 : 0;
  for (size_t at = 0, group = 0; at < weights.size(); at += parameters.group_size, ++group) {
    const float scale = load_scale(planes, group);
    const int32_t zero_point = planes[kZeroPoints][group];
    const size_t end = std::min<size_t>(at + parameters.group_size, weights.size());
    for (size_t i = at; i < end; ++i) {
      const int32_t level = ((planes[kLevels][i / 2] >> 4 * (i % 2) & 15) ^ flip) - flip;
      weights[i] = static_cast<float>(level - zero_point) * scale;
    }
  }
}

/// No encoder writes a scale that is not finite, or a zero point that is no level.
Status check(const ConstPlanes& planes, const CodecParameters& parameters, size_t /*weights*/) noexcept {
  for (size_t group = 0; group < planes[kZeroPoints].size(); ++group) {
    if (planes[kZeroPoints][group] < 16 && std::isfinite(load_scale(planes, group))) continue;
    return {StatusCode::kInvalidPlanes, uint64_t{group} * parameters.group_size};
  }
  return {};
}

}  // namespace

extern const Codec kOnnxGather4;
constinit const Codec kOnnxGather4 = {
    .name = "onnx_gather4",
    .planes = {{{"levels", ElementType::kU8, 1, 4},
                {"scales", ElementType::kF32, 0, 32},
                {"zero_points", ElementType::kU8, 0, 8}}},
    .plane_count = 3,
    .group_sizes = kGroupSizes,
    .symmetric = true,
    .foreign = true,
    .encode = encode<WasmLanes>,
    .decode = decode,
    .check = check,
};

extern const CodecReference kOnnxGather4Reference;
constinit const CodecReference kOnnxGather4Reference = {encode<ScalarLanes>, decode};

}  // namespace arrowquant
