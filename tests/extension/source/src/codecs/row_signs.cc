#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "codecs/codec.h"
#include "codecs/weight_range.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace row_signs {
namespace {

/// Weights of a block.
constexpr size_t kWeights = 32;

enum Plane : size_t { kSigns = 0, kScales = 1, kSteps = 2 };

/// A step is this part of the row's scale, and the largest one of a block.
constexpr float kStep = 1.0F / 64;
constexpr float kStepsInScale = 64;
constexpr float kMostSteps = 255;

/// A row's weights and where its blocks go.
struct Row {
  const float* weights;
  const float* importance;  ///< one for each weight; nullptr: all count the same
  size_t blocks;
  uint8_t* signs;
  float* scales;
  uint8_t* steps;
  float dither;
};

/// Sums over a block's weights, kWidth blocks side by side.
template <typename L>
struct Sums {
  typename L::F32 magnitude = L::splat(0.0F);  ///< each weight's counts as often as its column's importance says
  typename L::F32 importance = L::splat(0.0F);
};

template <typename L>
Sums<L> sum_blocks(const Row& row, size_t block) noexcept {
  Sums<L> sums;
  for (size_t i = block * kWeights; i < (block + 1) * kWeights; i += L::kWidth) {
    const auto weights = L::load_transposed(row.weights + i, kWeights);
    typename L::F32Square importance;
    if (row.importance == nullptr) {
      importance.fill(L::splat(1.0F));
    } else {
      importance = L::load_transposed(row.importance + i, kWeights);
    }
    for (size_t c = 0; c < L::kWidth; ++c) {
      sums.magnitude = L::add(sums.magnitude, L::mul(importance[c], L::abs(weights[c])));
      sums.importance = L::add(sums.importance, importance[c]);
    }
  }
  return sums;
}

/// Calls `work` with a lane type and the first of kWidth blocks, through the row; what is left goes one by one.
template <typename L, typename Work>
void for_blocks(const Row& row, const Work& work) noexcept {
  size_t block = 0;
  for (; block + L::kWidth <= row.blocks; block += L::kWidth) work.template operator()<L>(block);
  for (; block < row.blocks; ++block) work.template operator()<ScalarLanes>(block);
}

/// 64-bit sums over a row, in the order of its blocks.
struct Ratio {
  double dividend = 0;
  double divisor = 0;

  [[nodiscard]] float value() const noexcept { return divisor == 0 ? 0.0F : static_cast<float>(dividend / divisor); }
};

/// Leaves the mean magnitude of each block in the plane of scales, and gives that of the row.
template <typename L>
float find_means(const Row& row) noexcept {
  Ratio ratio;
  for_blocks<L>(row, [&]<typename Lanes>(size_t block) noexcept {
    const Sums<Lanes> sums = sum_blocks<Lanes>(row, block);
    const auto zero = Lanes::splat(0.0F);
    const auto mean = Lanes::div(sums.magnitude, sums.importance);
    Lanes::store(row.scales + block, Lanes::select(Lanes::eq(sums.importance, zero), zero, mean));
    alignas(16) std::array<float, Lanes::kWidth> magnitude;
    alignas(16) std::array<float, Lanes::kWidth> importance;
    Lanes::store(magnitude.data(), sums.magnitude);
    Lanes::store(importance.data(), sums.importance);
    for (size_t lane = 0; lane < Lanes::kWidth; ++lane) {
      ratio.dividend += double{magnitude[lane]};
      ratio.divisor += double{importance[lane]};
    }
  });
  return ratio.value();
}

/// The means as multiples of a step, rounded up from 1 − dither on. A mean over a scale of 0 gives the most or none.
template <typename L>
void find_steps(const Row& row, float scale) noexcept {
  for_blocks<L>(row, [&]<typename Lanes>(size_t block) noexcept {
    const auto in_scales = Lanes::div(Lanes::load(row.scales + block), Lanes::splat(scale));
    const auto in_steps = Lanes::add(Lanes::mul(in_scales, Lanes::splat(kStepsInScale)), Lanes::splat(row.dither));
    Lanes::store_u8(row.steps + block, Lanes::truncate(Lanes::pmin(in_steps, Lanes::splat(kMostSteps))));
  });
}

/// The scale that fits the steps best, by least squares; 0 where there are none.
template <typename L>
float refine_scale(const Row& row) noexcept {
  Ratio ratio;
  for_blocks<L>(row, [&]<typename Lanes>(size_t block) noexcept {
    const Sums<Lanes> sums = sum_blocks<Lanes>(row, block);
    alignas(16) std::array<float, Lanes::kWidth> magnitude;
    alignas(16) std::array<float, Lanes::kWidth> importance;
    Lanes::store(magnitude.data(), sums.magnitude);
    Lanes::store(importance.data(), sums.importance);
    for (size_t lane = 0; lane < Lanes::kWidth; ++lane) {
      const double level = double{kStep} * row.steps[block + lane];
      ratio.dividend += level * double{magnitude[lane]};
      ratio.divisor += level * level * double{importance[lane]};
    }
  });
  return ratio.value();
}

/// Negative weights give set bits.
template <typename L>
void store_signs(const Row& row) noexcept {
  for (size_t block = 0; block < row.blocks; ++block) {
    uint32_t signs = 0;
    for (size_t i = 0; i < kWeights; i += L::kWidth) {
      const auto weights = L::load(row.weights + block * kWeights + i);
      signs |= L::bitmask(L::lt(weights, L::splat(0.0F))) << i;
    }
    store_u32(row.signs + block * sizeof(signs), signs);
  }
}

template <typename L>
Status encode_row(const Row& row, Effort effort) noexcept {
  float scale = find_means<L>(row);
  if (std::isfinite(scale)) find_steps<L>(row, scale);
  if (effort > Effort::kReference && std::isfinite(scale)) {
    scale = refine_scale<L>(row);
    find_steps<L>(row, scale);
  }
  if (!std::isfinite(scale * (kMostSteps * kStep))) {
    const Status status = find_not_finite({row.weights, row.blocks * kWeights});
    return status.ok() ? Status{StatusCode::kScaleOverflow, 0} : status;
  }
  for (size_t block = 0; block < row.blocks; ++block) row.scales[block] = scale;
  store_signs<L>(row);
  return {};
}

/// Rows take turns in how they round.
constexpr float dither_of(uint64_t row) noexcept { return (static_cast<float>(row % 4) + 0.5F) / 4; }

template <typename L>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  if (weights.empty()) return {};
  const size_t row_weights = context.row_weights;
  if (row_weights == 0 || weights.size() % row_weights != 0) return {StatusCode::kInvalidArgument, 0};
  const size_t blocks = row_weights / kWeights;
  auto* scales = reinterpret_cast<float*>(planes[kScales].data());
  for (size_t i = 0; i < weights.size() / row_weights; ++i) {
    const Row row = {
        .weights = weights.data() + i * row_weights,
        .importance = context.importance.empty() ? nullptr : context.importance.data(),
        .blocks = blocks,
        .signs = planes[kSigns].data() + i * row_weights / 8,
        .scales = scales + i * blocks,
        .steps = planes[kSteps].data() + i * blocks,
        .dither = dither_of(context.first_row + i),
    };
    if (const Status status = encode_row<L>(row, context.effort); !status.ok()) {
      return status.offset_by(i * row_weights);
    }
  }
  return {};
}

constexpr std::array<int32_t, kWeights> make_sign_bits() noexcept {
  std::array<int32_t, kWeights> bits{};
  for (size_t i = 0; i < kWeights; ++i) bits[i] = static_cast<int32_t>(uint32_t{1} << i);
  return bits;
}

alignas(16) constexpr std::array<int32_t, kWeights> kSignBits = make_sign_bits();

template <typename L>
void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  const auto* scales = reinterpret_cast<const float*>(planes[kScales].data());
  for (size_t block = 0; block < weights.size() / kWeights; ++block) {
    const float magnitude = scales[block] * (static_cast<float>(planes[kSteps][block]) * kStep);
    const auto positive = L::bits(L::splat(magnitude));
    const auto negative = L::bits(L::splat(-magnitude));
    const auto signs = L::splat(static_cast<int32_t>(load_u32(planes[kSigns].data() + block * 4)));
    for (size_t i = 0; i < kWeights; i += L::kWidth) {
      const auto bits = L::bit_and(signs, L::load(kSignBits.data() + i));
      const auto is_positive = L::eq(bits, L::splat(int32_t{0}));
      L::store(weights.data() + block * kWeights + i, L::from_bits(L::select(is_positive, positive, negative)));
    }
  }
}

/// No encoder writes a scale that is not finite.
Status check(const ConstPlanes& planes, const CodecParameters& /*parameters*/, size_t weights) noexcept {
  const auto* scales = reinterpret_cast<const float*>(planes[kScales].data());
  for (size_t block = 0; block < weights / kWeights; ++block) {
    if (!std::isfinite(scales[block])) return {StatusCode::kInvalidPlanes, uint64_t{block} * kWeights};
  }
  return {};
}

}  // namespace
}  // namespace row_signs

extern const Codec kRowSigns;

/// A bit for each weight: its sign. A scale for each block of 32, which is its row's: the mean magnitude of the row's
/// weights, each of which counts as often as its column's importance says; with effort 1 once more what fits the steps
/// best. A number of steps for each block: its own mean magnitude in 64ths of the scale, 255 at most, rounded up from
/// another point on in each of four consecutive rows.
///
/// weight ≈ ± scale · (steps / 64). All in f32 but for sums over rows, which are f64; half to even. Blocks and rows
/// whose importance is 0 restore to zeros. kNotFinite: the first NaN or infinity. kScaleOverflow: the row's first
/// weight.
constinit const Codec kRowSigns = {
    .name = "row_signs",
    .block_weights = row_signs::kWeights,
    .planes = {{{"signs", ElementType::kU8, 1, 1},
                {"scales", ElementType::kF32, row_signs::kWeights, 32},
                {"steps", ElementType::kU8, row_signs::kWeights, 8}}},
    .plane_count = 3,
    .needs_rows = true,
    .uses_importance = true,
    .most_effort = Effort::kBetter,
    .encode = row_signs::encode<WasmLanes>,
    .decode = row_signs::decode<WasmLanes>,
    .check = row_signs::check,
};

extern const CodecReference kRowSignsReference;
constinit const CodecReference kRowSignsReference = {row_signs::encode<ScalarLanes>, row_signs::decode<ScalarLanes>};

}  // namespace arrowquant
