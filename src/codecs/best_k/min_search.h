#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "codecs/best_k/best_rows.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "simd/lanes_pair.h"

/// The search for Q2_K, Q4_K and Q5_K: weight ≈ scale · sub-block scale · level − min · sub-block min.
///
/// As in signed_search.h, but with a factor and an offset for each sub-block: what levels that stay as they are lose is
/// a paraboloid over the two.
namespace arrowquant::best_k {

template <size_t kCount>
struct MinScales {
  float scale;
  float min;
  alignas(16) std::array<float, kCount> sub_scale;  ///< whole, 0…kMost
  alignas(16) std::array<float, kCount> sub_min;
};

/// `Rule` has the sub-blocks' kWeights, the levels 0…kMaxLevel and the sub-scales' and sub-mins' 0…kMost; kSpreads
/// spreads, which put kMaxLevel + kFirstSpread + i · kSpreadStep levels between the least and the greatest weight, each
/// in kPhases places; kScales scales and as many mins, which make the largest factor and the largest offset
/// kMost − i · kScaleStep of them.
template <typename Lanes, typename Rule>
class MinSearch {
 public:
  static constexpr size_t kCount = k_quant::kSuperBlock / Rule::kWeights;
  using Numbers = std::array<float, kCount>;

  /// `is_uneven`: the counts differ, so that the optimum may cut off what is large.
  MinSearch(const float* weights, const float* counts, bool is_uneven) noexcept {
    for (size_t first = 0; first < kCount; first += Wide::kWidth) {
      const size_t at = first * Rule::kWeights;
      auto& rows = rows_[first / Wide::kWidth];
      k_quant::interleave<Lanes>(weights + at, rows, &Row<Wide>::value);
      k_quant::interleave<Lanes>(counts + at, rows, &Row<Wide>::count);
      spread(first, is_uneven ? 2 * Rule::kSpreads : Rule::kSpreads);
    }
  }

  /// False if there is nothing to scale, or no scale for it in f16.
  bool find(MinScales<kCount>& found) const noexcept {
    Units best = try_units();
    if (best.scale == 0.0F) return false;
    for (int round = 0; round < kRefits; ++round) {
      const Units next = refit(best);
      if (!(next.loss < best.loss)) break;
      best = next;
    }
    found.scale = best.scale;
    found.min = best.min;
    for (size_t first = 0; first < kCount; first += Wide::kWidth) settle(first, found);
    return true;
  }

 private:
  using Wide = PairLanes<Lanes>;
  using F32 = typename Wide::F32;
  using WideRows = Rows<Wide, Rule::kWeights>;

  static constexpr int kRefits = 3;

  /// A super-block's scale and min, and what is lost with them, up to a constant.
  struct Units {
    float loss;
    float scale;
    float min;
  };

  /// The weights' extent, Σ counts and its inverse, and their mean.
  struct Extent {
    F32 low;
    F32 high;
    F32 count;
    F32 inverse_count;
    F32 mean;
  };

  /// Where the levels that a spread gives lose least: the factor and the offset, and −explained, which is that loss up
  /// to a constant; and Σ counts·level² and Σ counts·level, by which it grows.
  struct Paraboloid {
    F32 explained;
    F32 squared;
    F32 level;
    F32 factor;
    F32 offset;
  };

  struct Paraboloids {
    alignas(16) Numbers explained;
    alignas(16) Numbers squared;
    alignas(16) Numbers level;
    alignas(16) Numbers factor;
    alignas(16) Numbers offset;
  };

  /// The multiples that suit one of the optima best.
  struct Choice {
    F32 loss;
    F32 sub_scale;
    F32 sub_min;
    Paraboloid optimum;
  };

  static float part_of(float top, int step) noexcept {
    return round_to_half(top / (float{Rule::kMost} - Rule::kScaleStep * static_cast<float>(step)));
  }
  static F32 invert_unit(float unit) noexcept { return Wide::splat(unit == 0.0F ? 0.0F : 1.0F / unit); }
  static F32 round_multiple(F32 value, int32_t least) noexcept {
    return clamp<Wide>(Wide::nearest(value), least, Rule::kMost);
  }

  static float add_up(F32 value, float sum) noexcept {
    alignas(16) std::array<float, Wide::kWidth> lanes;
    Wide::store(lanes.data(), value);
    for (const float lane : lanes) sum += lane;
    return sum;
  }

  [[nodiscard]] static Extent measure(const WideRows& rows) noexcept {
    const auto zero = Wide::splat(0.0F);
    const auto first = Wide::load(rows[0].value.data());
    Extent extent{first, first, zero, zero, zero};
    for (const auto& row : rows) {
      const auto value = Wide::load(row.value.data());
      const auto count = Wide::load(row.count.data());
      extent.low = Wide::pmin(extent.low, value);
      extent.high = Wide::pmax(extent.high, value);
      extent.count = Wide::add(extent.count, count);
      extent.mean = Wide::add(extent.mean, Wide::mul(count, value));
    }
    extent.low = Wide::pmin(extent.low, zero);
    extent.inverse_count = invert<Wide>(extent.count);
    extent.mean = Wide::mul(extent.mean, extent.inverse_count);
    return extent;
  }

  /// What moving the factor and the offset away from the optimum adds to the loss.
  static F32 loss_of(const Paraboloid& at, F32 count, F32 factor, F32 offset) noexcept {
    const auto twice = Wide::mul(Wide::splat(2.0F), at.level);
    const auto by_offset = Wide::mul(offset, Wide::sub(Wide::mul(count, offset), Wide::mul(twice, factor)));
    return Wide::add(Wide::mul(Wide::mul(at.squared, factor), factor), by_offset);
  }

  /// Least squares for the levels nearest to weight · inverse + shift. The sums are taken from the mean, so that little
  /// of them cancels. An offset below 0 cannot be stored: there the best factor without one.
  [[nodiscard]] static Paraboloid fit(const WideRows& rows, const Extent& extent, F32 inverse, F32 shift) noexcept {
    const auto zero = Wide::splat(0.0F);
    Paraboloid found{zero, zero, zero, zero, zero};
    auto product = zero;
    for (const auto& row : rows) {
      const auto value = Wide::load(row.value.data());
      const auto nearest = Wide::nearest(Wide::add(Wide::mul(value, inverse), shift));
      const auto level = clamp<Wide>(nearest, 0, Rule::kMaxLevel);
      const auto counted = Wide::mul(level, Wide::load(row.count.data()));
      found.level = Wide::add(found.level, counted);
      found.squared = Wide::add(found.squared, Wide::mul(counted, level));
      product = Wide::add(product, Wide::mul(counted, Wide::sub(value, extent.mean)));
    }
    const auto mean_level = Wide::mul(found.level, extent.inverse_count);
    const auto spread = Wide::sub(found.squared, Wide::mul(mean_level, found.level));
    const auto factor = Wide::mul(product, invert<Wide>(spread));
    const auto offset = Wide::sub(Wide::mul(factor, mean_level), extent.mean);
    const auto from_zero = Wide::add(product, Wide::mul(extent.mean, found.level));
    const auto alone = Wide::mul(from_zero, invert<Wide>(found.squared));
    const auto more = loss_of(found, extent.count, Wide::sub(alone, factor), Wide::neg(offset));
    const auto below = Wide::lt(offset, zero);
    const auto explained = Wide::mul(factor, product);
    found.explained = Wide::select(below, Wide::sub(explained, more), explained);
    found.factor = Wide::select(below, alone, factor);
    found.offset = Wide::select(below, zero, offset);
    return found;
  }

  /// Calls `visit(from, to)` for each member that both have.
  template <typename From, typename To, typename Visit>
  static void for_each_member(From& from, To& to, Visit visit) noexcept {
    visit(from.explained, to.explained);
    visit(from.squared, to.squared);
    visit(from.level, to.level);
    visit(from.factor, to.factor);
    visit(from.offset, to.offset);
  }

  /// Puts `next` among the best two, unless it is one of them.
  static void keep(std::array<Paraboloid, 2>& best, Paraboloid next) noexcept {
    for (Paraboloid& kept : best) {
      const auto known = Wide::eq(next.factor, kept.factor);
      next.explained = Wide::select(known, Wide::splat(0.0F), next.explained);
      const auto more = Wide::gt(next.explained, kept.explained);
      for_each_member(next, kept, [more](F32& from, F32& to) noexcept {
        const F32 greater = Wide::select(more, from, to);
        from = Wide::select(more, to, from);
        to = greater;
      });
    }
  }

  void spread(size_t first, int spreads) noexcept {
    constexpr float kMiddle = 0.5F * (Rule::kPhases - 1);
    const WideRows& rows = rows_[first / Wide::kWidth];
    const Extent extent = measure(rows);
    const auto inverse_range = invert<Wide>(Wide::sub(extent.high, extent.low));
    const auto zero = Wide::splat(0.0F);
    std::array<Paraboloid, 2> best;
    best.fill({zero, zero, zero, zero, zero});
    for (int i = 0; i < spreads; ++i) {
      const float more = Rule::kFirstSpread + Rule::kSpreadStep * static_cast<float>(i);
      const auto inverse = Wide::mul(Wide::splat(float{Rule::kMaxLevel} + more), inverse_range);
      for (int k = 0; k < Rule::kPhases; ++k) {
        const float phase = (static_cast<float>(k) - kMiddle) / float{Rule::kPhases} - 0.5F * more;
        keep(best, fit(rows, extent, inverse, Wide::sub(Wide::splat(phase), Wide::mul(extent.low, inverse))));
      }
    }
    for (size_t k = 0; k < 2; ++k) {
      for_each_member(best[k], optima_[k], [first](F32& from, Numbers& to) noexcept { Wide::store(&to[first], from); });
    }
    Wide::store(&count_[first], extent.count);
    Wide::store(&inverse_count_[first], extent.inverse_count);
  }

  [[nodiscard]] Paraboloid optimum(size_t k, size_t first) const noexcept {
    Paraboloid loaded;
    for_each_member(optima_[k], loaded,
                    [first](const Numbers& from, F32& to) noexcept { to = Wide::load(&from[first]); });
    return loaded;
  }

  /// The multiple of the min that loses least with a factor that is not the optimum's.
  [[nodiscard]] F32 min_for(const Paraboloid& at, size_t first, F32 factor, F32 inverse_min) const noexcept {
    const auto mean_level = Wide::mul(at.level, Wide::load(&inverse_count_[first]));
    const auto offset = Wide::add(at.offset, Wide::mul(mean_level, Wide::sub(factor, at.factor)));
    return round_multiple(Wide::mul(offset, inverse_min), 0);
  }

  [[nodiscard]] Choice choose(size_t k, size_t first, const Units& units) const noexcept {
    const Paraboloid at = optimum(k, first);
    const auto sub_scale = round_multiple(Wide::mul(at.factor, invert_unit(units.scale)), 1);
    const auto factor = Wide::mul(Wide::splat(units.scale), sub_scale);
    const auto sub_min = min_for(at, first, factor, invert_unit(units.min));
    const auto offset = Wide::mul(Wide::splat(units.min), sub_min);
    const auto more =
        loss_of(at, Wide::load(&count_[first]), Wide::sub(factor, at.factor), Wide::sub(offset, at.offset));
    return {Wide::sub(more, at.explained), sub_scale, sub_min, at};
  }

  [[nodiscard]] float loss_at(const Units& units) const noexcept {
    float sum = 0.0F;
    for (size_t first = 0; first < kCount; first += Wide::kWidth) {
      sum = add_up(Wide::pmin(choose(0, first, units).loss, choose(1, first, units).loss), sum);
    }
    return sum;
  }

  [[nodiscard]] Units try_units() const noexcept {
    const float top_factor = *std::max_element(optima_[0].factor.begin(), optima_[0].factor.end());
    const float top_offset = *std::max_element(optima_[0].offset.begin(), optima_[0].offset.end());
    Units best{std::numeric_limits<float>::infinity(), 0.0F, 0.0F};
    for (int i = 0; i < Rule::kScales; ++i) {
      Units units{0.0F, part_of(top_factor, i), 0.0F};
      if (units.scale == 0.0F || !std::isfinite(units.scale)) continue;
      for (int k = 0; k < Rule::kScales; ++k) {
        units.min = part_of(top_offset, k);
        if (!std::isfinite(units.min)) continue;
        units.loss = loss_at(units);
        if (units.loss < best.loss) best = units;
      }
    }
    return best;
  }

  /// Least squares on the multiples that were chosen. What f16 cannot hold loses everything.
  [[nodiscard]] Units refit(const Units& units) const noexcept {
    float scale_squared = 0.0F;
    float scale_min = 0.0F;
    float min_squared = 0.0F;
    float by_scale = 0.0F;
    float by_min = 0.0F;
    for (size_t first = 0; first < kCount; first += Wide::kWidth) {
      Choice chosen = choose(0, first, units);
      const Choice other = choose(1, first, units);
      const auto less = Wide::lt(other.loss, chosen.loss);
      const auto pick = [less](const F32& from, F32& to) noexcept { to = Wide::select(less, from, to); };
      pick(other.sub_scale, chosen.sub_scale);
      pick(other.sub_min, chosen.sub_min);
      for_each_member(other.optimum, chosen.optimum, pick);
      const auto& [explained, squared, level, factor, offset] = chosen.optimum;
      const auto scaled = Wide::mul(chosen.sub_scale, level);
      const auto counted = Wide::mul(chosen.sub_min, Wide::load(&count_[first]));
      const auto squares = Wide::mul(chosen.sub_scale, squared);
      const auto levels = Wide::mul(chosen.sub_min, level);
      scale_squared = add_up(Wide::mul(squares, chosen.sub_scale), scale_squared);
      scale_min = add_up(Wide::mul(scaled, chosen.sub_min), scale_min);
      min_squared = add_up(Wide::mul(counted, chosen.sub_min), min_squared);
      by_scale = add_up(Wide::sub(Wide::mul(squares, factor), Wide::mul(scaled, offset)), by_scale);
      by_min = add_up(Wide::sub(Wide::mul(counted, offset), Wide::mul(levels, factor)), by_min);
    }
    const float determinant = scale_squared * min_squared - scale_min * scale_min;
    Units next{std::numeric_limits<float>::infinity(),
               round_to_half((by_scale * min_squared + scale_min * by_min) / determinant),
               round_to_half((scale_squared * by_min + scale_min * by_scale) / determinant)};
    const bool fits = next.scale > 0.0F && next.min >= 0.0F && std::isfinite(next.scale) && std::isfinite(next.min);
    if (fits) next.loss = loss_at(next);
    return next;
  }

  /// What the best levels lose, in units of the factor.
  [[nodiscard]] static F32 lost_steps(const WideRows& rows, F32 factor, F32 offset) noexcept {
    const auto inverse = invert<Wide>(factor);
    F32 lost = Wide::splat(0.0F);
    for (const auto& row : rows) {
      const auto steps = Wide::mul(Wide::add(Wide::load(row.value.data()), offset), inverse);
      const auto rest = Wide::sub(steps, clamp<Wide>(Wide::nearest(steps), 0, Rule::kMaxLevel));
      lost = Wide::add(lost, Wide::mul(Wide::mul(rest, rest), Wide::load(row.count.data())));
    }
    return lost;
  }

  /// Tries the multiples around the best optimum, and those of the other one, on the weights. None is 0: that has no
  /// steps to count in, and 1 loses no more.
  void settle(size_t first, MinScales<kCount>& found) const noexcept {
    const auto unit = Wide::splat(found.scale);
    const auto inverse = invert_unit(found.scale);
    const auto inverse_min = invert_unit(found.min);
    F32 least = Wide::splat(std::numeric_limits<float>::infinity());
    F32 best_scale = Wide::splat(1.0F);
    F32 best_min = Wide::splat(0.0F);
    const auto consider = [&](const Paraboloid& at, float aside) noexcept {
      const auto multiple = Wide::add(Wide::mul(at.factor, inverse), Wide::splat(aside));
      const auto sub_scale = round_multiple(multiple, 1);
      const auto factor = Wide::mul(unit, sub_scale);
      const auto sub_min = min_for(at, first, factor, inverse_min);
      const auto offset = Wide::mul(Wide::splat(found.min), sub_min);
      const auto steps = lost_steps(rows_[first / Wide::kWidth], factor, offset);
      const auto lost = Wide::mul(steps, Wide::mul(factor, factor));
      const auto better = Wide::lt(lost, least);
      least = Wide::select(better, lost, least);
      best_scale = Wide::select(better, sub_scale, best_scale);
      best_min = Wide::select(better, sub_min, best_min);
    };
    for (const float aside : {0.0F, -1.0F, 1.0F}) consider(optimum(0, first), aside);
    consider(optimum(1, first), 0.0F);
    Wide::store(&found.sub_scale[first], best_scale);
    Wide::store(&found.sub_min[first], best_min);
  }

  std::array<WideRows, kCount / Wide::kWidth> rows_;
  std::array<Paraboloids, 2> optima_;
  alignas(16) Numbers count_;
  alignas(16) Numbers inverse_count_;
};

}  // namespace arrowquant::best_k
