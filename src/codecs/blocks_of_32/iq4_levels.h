#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

/// The sixteen values of IQ4_NL and IQ4_XS, and the way from a number to the nearest of them.
namespace arrowquant::iq4 {

/// A level is an index into these. weight ≈ scale · value.
inline constexpr std::array<int8_t, 16> kValues = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                   1,    13,   25,  38,  53,  69,  89,  113};

/// Levels from here on have values above zero.
inline constexpr size_t kFirstPositive = 8;

/// Twice the midpoint of values i − 1 and i: x takes level i rather than i − 1 when 2·x ≥ this.
constexpr int doubled_midpoint(size_t i) noexcept { return kValues[i - 1] + kValues[i]; }

/// Counts the numbers of an ascending list that a byte has reached. They are at least 16 apart, so that for the bytes
/// that share their upper four bits it is enough to compare with one of them.
struct Staircase {
  std::array<uint8_t, 16> below{};  ///< by upper bits: how many are reached without comparing
  std::array<uint8_t, 16> next{};   ///< the one to compare with; where all are reached, the last of those
};

/// `step(i)` for i < count is the list, `base` is added to the count.
template <typename Step>
constexpr Staircase make_staircase(size_t count, size_t base, Step step) noexcept {
  Staircase stairs;
  for (size_t bucket = 0; bucket < 16; ++bucket) {
    size_t last = 0;
    while (last + 1 < count && step(last + 1) < 16 * (static_cast<int>(bucket) + 1)) ++last;
    stairs.below[bucket] = static_cast<uint8_t>(base + last);
    stairs.next[bucket] = static_cast<uint8_t>(step(last));
  }
  return stairs;
}

/// For floor(2·x) ≥ 0: the level.
inline constexpr Staircase kUpward = make_staircase(16 - kFirstPositive - 1, kFirstPositive,
                                                    [](size_t i) { return doubled_midpoint(kFirstPositive + 1 + i); });

/// For −floor(2·x) > 0: how far the level is below kFirstPositive. The midpoint itself belongs to the level above it.
inline constexpr Staircase kDownward =
    make_staircase(kFirstPositive, 0, [](size_t i) { return 1 - doubled_midpoint(kFirstPositive - i); });

template <typename Lanes>
typename Lanes::Bytes climb(const Staircase& stairs, typename Lanes::Bytes height) noexcept {
  const auto bucket = Lanes::shr_logical(height, 4);
  const auto below = Lanes::lookup(Lanes::load_table(stairs.below.data()), bucket);
  const auto next = Lanes::lookup(Lanes::load_table(stairs.next.data()), bucket);
  return Lanes::sub(below, Lanes::ge_unsigned(height, next));
}

/// 2·x, or a number beyond all midpoints of the same sign, which nearest_levels can take.
template <typename Lanes>
typename Lanes::F32 within_reach(typename Lanes::F32 doubled) noexcept {
  return Lanes::pmax(Lanes::splat(-512.0F), Lanes::pmin(Lanes::splat(512.0F), doubled));
}

/// The levels nearest to x, given 2·x (|2·x| < 2^15) for 4·kWidth of them; the upper one of two equally near.
template <typename Lanes>
typename Lanes::Bytes nearest_levels(const std::array<typename Lanes::F32, 4>& doubled) noexcept {
  const auto floor = [&](size_t i) noexcept { return Lanes::round_magic(Lanes::floor(doubled[i])); };
  const auto low = Lanes::narrow(floor(0), floor(1));
  const auto high = Lanes::narrow(floor(2), floor(3));
  const auto zero = Lanes::splat_i16(0);
  const auto above = Lanes::narrow_unsigned(low, high);
  const auto below = Lanes::narrow_unsigned(Lanes::sub(zero, low), Lanes::sub(zero, high));
  return Lanes::sub(climb<Lanes>(kUpward, above), climb<Lanes>(kDownward, below));
}

using ValueTable = std::array<uint8_t, 16>;

/// A table of signed values by level, as Lanes::lookup wants it.
template <typename Value>
constexpr ValueTable make_value_table(Value value) noexcept {
  ValueTable table{};
  for (size_t level = 0; level < 16; ++level) table[level] = static_cast<uint8_t>(value(level));
  return table;
}

inline constexpr ValueTable kValueTable = make_value_table([](size_t level) { return kValues[level]; });

/// The values of 4·kWidth levels.
template <typename Lanes>
std::array<typename Lanes::F32, 4> look_up(const ValueTable& table, typename Lanes::Bytes levels) noexcept {
  const auto values = Lanes::lookup(Lanes::load_table(table.data()), levels);
  const auto low = Lanes::widen_low_signed(values);
  const auto high = Lanes::widen_high_signed(values);
  return {Lanes::to_f32(Lanes::widen_low(low)), Lanes::to_f32(Lanes::widen_high(low)),
          Lanes::to_f32(Lanes::widen_low(high)), Lanes::to_f32(Lanes::widen_high(high))};
}

}  // namespace arrowquant::iq4
