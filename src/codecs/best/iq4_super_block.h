#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "codecs/best/improve.h"
#include "codecs/best/iq4_values.h"
#include "codecs/best/one_scale.h"

/// The search for IQ4_XS: each sub-block's best scale by itself, and then, for each of several block scales that make
/// the largest of these a multiple near the outermost one, the better of the two multiples on either side of each.
namespace arrowquant::best {

/// `Format` is IQ4_XS, with a Block that has an f16 `scale`, its `decode`, and `pack`, which fills all else of it given
/// the multiples and the scale.
template <typename Format>
struct Iq4SuperBlock {
  using Block = typename Format::Block;
  static constexpr size_t kSubBlocks = 8;
  static constexpr size_t kBlockWeights = kSubBlocks * kWeights;
  template <typename Lanes>
  static constexpr size_t kAtOnce = 1;

  using Floats = std::array<float, kSubBlocks>;

  /// What the largest of the sub-blocks' scales becomes a multiple by.
  static constexpr std::array kLargest = {-32.0F, -31.0F, -30.0F, -29.0F, -28.0F, -27.0F, -26.0F, -25.0F,
                                          31.0F,  30.0F,  29.0F,  28.0F,  27.0F,  26.0F,  25.0F,  24.0F};

  struct Found {
    float error;
    float scale;
    alignas(16) Floats multiples;
  };

  template <typename Lanes, bool kWeighs>
  struct SubBlocks {
    static constexpr size_t kGroups = kSubBlocks / Lanes::kWidth;
    std::array<Targets<Lanes, kWeighs>, kGroups> groups;
    alignas(16) Floats counts;  ///< what the errors of each are to be multiplied by
    alignas(16) Floats scales;

    void load(const float* from, const float* importance) noexcept {
      for (size_t g = 0; g < kGroups; ++g) {
        const size_t at = g * Lanes::kWidth * kWeights;
        const auto most = groups[g].load(from + at, kWeighs ? importance + at : nullptr);
        Lanes::store(&counts[g * Lanes::kWidth], most);
      }
      const float most = *std::max_element(counts.begin(), counts.end());
      for (float& count : counts) count /= most;
    }
    [[nodiscard]] float total(const Floats& errors) const noexcept {
      float sum = 0.0F;
      for (size_t i = 0; i < kSubBlocks; ++i) {
        // What counts nothing has NaN for its error.
        if (counts[i] > 0.0F) sum += counts[i] * errors[i];
      }
      return sum;
    }
    void find_scales() noexcept {
      for (size_t g = 0; g < kGroups; ++g) {
        BestScale<Lanes> best;
        run_trials<Iq4Values, 3>(kIq4Peaks, groups[g], best);
        refine<Iq4Values>(groups[g], best);
        Lanes::store(&scales[g * Lanes::kWidth], best.scale);
      }
    }
    /// The errors with a block scale and the better multiples for it.
    [[nodiscard]] Found with_scale(float scale) const noexcept {
      Found found{0.0F, scale, {}};
      alignas(16) Floats errors;
      const auto unit = Lanes::splat(scale);
      const auto inv_unit = blocks_of_32::invert<Lanes>(unit);
      for (size_t g = 0; g < kGroups; ++g) {
        const size_t at = g * Lanes::kWidth;
        const auto exact = Lanes::mul(Lanes::load(&scales[at]), inv_unit);
        const auto lower = Lanes::pmax(Lanes::splat(-32.0F), Lanes::pmin(Lanes::floor(exact), Lanes::splat(31.0F)));
        const auto upper = Lanes::pmin(Lanes::add(lower, Lanes::splat(1.0F)), Lanes::splat(31.0F));
        const auto error = [&](auto multiple) noexcept {
          const auto sub_scale = Lanes::mul(unit, multiple);
          return error_of<Iq4Values>(groups[g], sub_scale, blocks_of_32::invert<Lanes>(sub_scale));
        };
        const auto lower_error = error(lower);
        const auto upper_error = error(upper);
        const auto is_upper = Lanes::lt(upper_error, lower_error);
        Lanes::store(&errors[at], Lanes::select(is_upper, upper_error, lower_error));
        Lanes::store(&found.multiples[at], Lanes::select(is_upper, upper, lower));
      }
      found.error = total(errors);
      return found;
    }
    [[nodiscard]] float error_of_block(const Block& block) const noexcept {
      std::array<float, kBlockWeights> decoded;
      Format::template decode<Lanes>(block, decoded.data());
      alignas(16) Floats errors;
      for (size_t g = 0; g < kGroups; ++g) {
        Rows<Lanes> rows;
        rows.load(&decoded[g * Lanes::kWidth * kWeights]);
        Lanes::store(&errors[g * Lanes::kWidth], distance(groups[g], rows));
      }
      return total(errors);
    }
  };

  template <typename Lanes, bool kWeighs>
  static void improve(const float* from, const float* importance, Block* block) noexcept {
    SubBlocks<Lanes, kWeighs> sub_blocks;
    sub_blocks.load(from, importance);
    const float present = sub_blocks.error_of_block(*block);
    sub_blocks.find_scales();
    const Floats& scales = sub_blocks.scales;
    const float peak =
        *std::max_element(scales.begin(), scales.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    Found best{std::numeric_limits<float>::infinity(), 0.0F, {}};
    for (const float largest : kLargest) {
      const Found found = sub_blocks.with_scale(round_to_half<ScalarLanes>(peak / largest));
      if (found.error < best.error) best = found;
    }
    if (!is_better<ScalarLanes>(best.error, present)) return;
    store_u16(block->scale.data(), float_to_half(best.scale));
    Format::template pack<Lanes>(from, best.multiples, best.scale, *block);
  }
};

}  // namespace arrowquant::best
