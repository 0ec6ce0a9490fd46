#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "codecs/best_k/best_rows.h"
#include "codecs/k_quants/k_quant_signed.h"
#include "codecs/weighted/signed_search.h"
#include "simd/lanes_pair.h"

/// The search for Q3_K and Q6_K: weight ≈ scale · sub-block scale · level.
///
/// Levels that stay as they are lose `lost + squared · (factor − best)²` at a sub-block's factor. It spreads the levels
/// in several ways over the value of largest magnitude and keeps the two that lose least. These parabolas say, without
/// a look at the weights, what a super-block's scale loses when each factor becomes a whole multiple of it: many are
/// tried. For the best one, the multiples near both optima are tried on the weights.
namespace arrowquant::best_k {

using k_quant::kSignedBlocks;
using k_quant::kSignedWeights;

/// A number of each sub-block.
using SignedNumbers = k_quant::SignedFactors;

struct SignedScales {
  float scale;
  SignedNumbers sub_scale;  ///< whole, −kMost…kMost − 1
};

/// `Rule` has the levels' range kLow…kHigh; whether factors of the other sign are tried, too (kBothSigns); kSpreads
/// spreads, which put the largest magnitude at the level −(kWidest + i · kSpreadStep); and kScales scales, which make
/// the largest factor kMost − i · kScaleStep of them.
template <typename Lanes, typename Rule>
class SignedSearch {
 public:
  /// `is_uneven`: the counts differ, so that the optimum may cut off what is large.
  SignedSearch(const float* weights, const float* counts, bool is_uneven) noexcept
      : spreads_(is_uneven ? 2 * Rule::kSpreads : Rule::kSpreads) {
    for (size_t first = 0; first < kSignedBlocks; first += Wide::kWidth) {
      const size_t at = first * kSignedWeights;
      auto& rows = rows_[first / Wide::kWidth];
      k_quant::interleave<Lanes>(weights + at, rows, &Row<Wide>::value);
      k_quant::interleave<Lanes>(counts + at, rows, &Row<Wide>::count);
      spread(first);
    }
  }

  /// False if there is nothing to scale, or no scale for it in f16.
  bool find(SignedScales& found) noexcept {
    const float top = k_quant::extreme_scale(optima_[0].factor);
    found.scale = 0.0F;
    float least = std::numeric_limits<float>::infinity();
    for (int i = 0; i < Rule::kScales; ++i) {
      const float scale = round_to_half(-top / (Rule::kMost - Rule::kScaleStep * static_cast<float>(i)));
      if (scale == 0.0F || !std::isfinite(scale)) continue;
      const float loss = loss_at(scale);
      if (loss < least) found.scale = scale;
      least = std::min(least, loss);
    }
    if (found.scale == 0.0F) return false;
    for (size_t first = 0; first < kSignedBlocks; first += Wide::kWidth) settle(first, found);
    return true;
  }

 private:
  using Wide = PairLanes<Lanes>;
  using F32 = typename Wide::F32;

  /// What levels lose: up to a constant of the sub-block, squared · (factor − its factor)² − explained.
  struct Parabola {
    F32 explained;
    F32 squared;
    F32 factor;
  };

  struct Parabolas {
    alignas(16) SignedNumbers explained;
    alignas(16) SignedNumbers squared;
    alignas(16) SignedNumbers factor;
  };

  static F32 round_sub_scale(F32 value) noexcept {
    return clamp<Wide>(Wide::nearest(value), -Rule::kMost, Rule::kMost - 1);
  }

  /// The best and the second best so far.
  class Podium {
   public:
    void consider(F32 product, F32 squared) noexcept {
      const F32 factor = Wide::mul(product, invert<Wide>(squared));
      Parabola next{Wide::mul(product, factor), squared, factor};
      for (Parabola& kept : kept_) {
        next.explained = Wide::select(Wide::eq(next.factor, kept.factor), Wide::splat(0.0F), next.explained);
        const auto more = Wide::gt(next.explained, kept.explained);
        const auto exchange = [&](F32 Parabola::*member) noexcept {
          const F32 greater = Wide::select(more, next.*member, kept.*member);
          next.*member = Wide::select(more, kept.*member, next.*member);
          kept.*member = greater;
        };
        exchange(&Parabola::explained);
        exchange(&Parabola::squared);
        exchange(&Parabola::factor);
      }
    }

    void store(std::array<Parabolas, 2>& to, size_t first) const noexcept {
      for (size_t k = 0; k < 2; ++k) {
        Wide::store(&to[k].explained[first], kept_[k].explained);
        Wide::store(&to[k].squared[first], kept_[k].squared);
        Wide::store(&to[k].factor[first], kept_[k].factor);
      }
    }

   private:
    static Parabola nothing() noexcept { return {Wide::splat(0.0F), Wide::splat(0.0F), Wide::splat(0.0F)}; }
    std::array<Parabola, 2> kept_ = {nothing(), nothing()};
  };

  void spread(size_t first) noexcept {
    const auto& rows = rows_[first / Wide::kWidth];
    const auto extreme = weighted::find_extreme<Wide>(rows);
    Podium podium;
    for (int i = 0; i < spreads_; ++i) {
      const float level = -(Rule::kWidest + Rule::kSpreadStep * static_cast<float>(i));
      const auto inverse = Wide::div(Wide::splat(level), extreme.value);
      F32 product = Wide::splat(0.0F);
      F32 squared = product;
      F32 other_product = product;
      F32 other_squared = product;
      for (const auto& row : rows) {
        const auto value = Wide::load(row.value.data());
        const auto count = Wide::load(row.count.data());
        const auto nearest = Wide::nearest(Wide::mul(value, inverse));
        const auto add = [&](F32 whole, F32& to_product, F32& to_squared) noexcept {
          const auto counted = Wide::mul(whole, count);
          to_product = Wide::add(to_product, Wide::mul(counted, value));
          to_squared = Wide::add(to_squared, Wide::mul(counted, whole));
        };
        add(clamp<Wide>(nearest, Rule::kLow, Rule::kHigh), product, squared);
        if constexpr (Rule::kBothSigns) {
          add(clamp<Wide>(nearest, -Rule::kHigh, -Rule::kLow), other_product, other_squared);
        }
      }
      podium.consider(product, squared);
      if constexpr (Rule::kBothSigns) podium.consider(Wide::neg(other_product), other_squared);
    }
    podium.store(optima_, first);
  }

  /// What is lost, up to a constant, with the multiples of `scale` that are nearest to the optima.
  [[nodiscard]] float loss_at(float scale) const noexcept {
    alignas(16) SignedNumbers losses;
    const auto unit = Wide::splat(scale);
    const auto inverse = Wide::splat(1.0F / scale);
    for (size_t first = 0; first < kSignedBlocks; first += Wide::kWidth) {
      const auto loss = [&](const Parabolas& optimum) noexcept {
        const auto factor = Wide::load(&optimum.factor[first]);
        const auto rest = Wide::sub(factor, Wide::mul(unit, round_sub_scale(Wide::mul(factor, inverse))));
        return Wide::mul(Wide::mul(rest, rest), Wide::load(&optimum.squared[first]));
      };
      const auto behind = Wide::sub(Wide::load(&optima_[0].explained[first]), Wide::load(&optima_[1].explained[first]));
      Wide::store(&losses[first], Wide::pmin(loss(optima_[0]), Wide::add(behind, loss(optima_[1]))));
    }
    float sum = 0.0F;
    for (const float loss : losses) sum += loss;
    return sum;
  }

  /// What the best levels for `factor` lose, in units of it.
  static F32 lost_steps(const Rows<Wide, kSignedWeights>& rows, F32 factor) noexcept {
    const auto inverse = invert<Wide>(factor);
    F32 lost = Wide::splat(0.0F);
    for (const auto& row : rows) {
      const auto steps = Wide::mul(Wide::load(row.value.data()), inverse);
      const auto rest = Wide::sub(steps, clamp<Wide>(Wide::nearest(steps), Rule::kLow, Rule::kHigh));
      lost = Wide::add(lost, Wide::mul(Wide::mul(rest, rest), Wide::load(row.count.data())));
    }
    return lost;
  }

  void settle(size_t first, SignedScales& found) const noexcept {
    const auto zero = Wide::splat(0.0F);
    const auto one = Wide::splat(1.0F);
    const auto unit = Wide::splat(found.scale);
    F32 least = Wide::splat(std::numeric_limits<float>::infinity());
    F32 best = zero;
    const auto consider = [&](F32 multiple) noexcept {
      const auto factor = Wide::mul(unit, multiple);
      const auto lost = Wide::mul(lost_steps(rows_[first / Wide::kWidth], factor), Wide::mul(factor, factor));
      // A multiple of 0 has no steps to count in; none of ±1 loses more.
      const auto better = Wide::mask_and(Wide::lt(lost, least), Wide::ne(multiple, zero));
      least = Wide::select(better, lost, least);
      best = Wide::select(better, multiple, best);
    };
    const auto nearest_to = [&](const Parabolas& optimum) noexcept {
      return round_sub_scale(Wide::div(Wide::load(&optimum.factor[first]), unit));
    };
    const auto middle = nearest_to(optima_[0]);
    consider(middle);
    consider(round_sub_scale(Wide::add(middle, one)));
    consider(round_sub_scale(Wide::sub(middle, one)));
    consider(nearest_to(optima_[1]));
    Wide::store(&found.sub_scale[first], best);
  }

  const int spreads_;
  std::array<Rows<Wide, kSignedWeights>, kSignedBlocks / Wide::kWidth> rows_;
  std::array<Parabolas, 2> optima_;
};

}  // namespace arrowquant::best_k
