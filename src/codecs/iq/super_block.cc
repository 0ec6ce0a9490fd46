#include "codecs/iq/super_block.h"

#include <limits>

#include "codecs/weighted/weigh.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::iq {
namespace {

/// ggml's `sigma2`: the mean square, or twice that, from sums in order.
float spread_of(const float* from, Weighing weighing) noexcept {
  const float sum = weighted::sum_squares({from, kSuperBlock});
  return (weighing == Weighing::kRoot ? sum : 2.0F * sum) / static_cast<float>(kSuperBlock);
}

template <typename Lanes>
typename Lanes::F32 weight_of(typename Lanes::F32 value, const float* importance, Weighing weighing,
                              float spread) noexcept {
  const auto square = Lanes::mul(value, value);
  if (weighing == Weighing::kSquare) return square;
  if (weighing == Weighing::kMean) return Lanes::add(Lanes::splat(0.25F * spread), square);
  const auto root = Lanes::sqrt(Lanes::add(Lanes::splat(spread), square));
  return importance == nullptr ? root : Lanes::mul(Lanes::load(importance), root);
}

void make_signs_even(WeighedWeights& weighed) noexcept {
  for (size_t group = 0; group < weighed.signs.size(); ++group) {
    uint32_t parity = weighed.signs[group];
    parity ^= parity >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    if ((parity & 1) == 0) continue;
    size_t least = 8 * group;
    float cost = weighed.products[least] * weighed.values[least];
    for (size_t i = least + 1; i < 8 * group + 8; ++i) {
      const float other = weighed.products[i] * weighed.values[i];
      if (!(other < cost)) continue;
      cost = other;
      least = i;
    }
    weighed.values[least] = -weighed.values[least];
    weighed.products[least] = -weighed.products[least];
    weighed.signs[group] = static_cast<uint8_t>(weighed.signs[group] ^ 1U << least % 8);
  }
}

/// The largest of `count` values.
template <typename Lanes>
float largest_value(const float* values, size_t count) noexcept {
  auto largest = Lanes::load(values);
  for (size_t i = Lanes::kWidth; i < count; i += Lanes::kWidth) largest = Lanes::pmax(largest, Lanes::load(values + i));
  std::array<float, Lanes::kWidth> lanes;
  Lanes::store(lanes.data(), largest);
  float found = lanes[0];
  for (const float lane : lanes) found = found < lane ? lane : found;
  return found;
}

}  // namespace

template <typename Lanes>
Status weigh(const float* from, const float* importance, Weighing weighing, bool even_signs,
             WeighedWeights& weighed) noexcept {
  const size_t not_finite = k_quant::first_not_finite<Lanes>(from);
  if (not_finite < kSuperBlock) return {StatusCode::kNotFinite, not_finite};
  const float spread = spread_of(from, weighing);
  if (!(spread < std::numeric_limits<float>::infinity())) return {StatusCode::kScaleOverflow};
  weighed.signs = {};
  for (size_t i = 0; i < kSuperBlock; i += Lanes::kWidth) {
    const auto value = Lanes::load(from + i);
    const auto magnitude = Lanes::abs(value);
    const auto weight = weight_of<Lanes>(value, importance == nullptr ? nullptr : importance + i, weighing, spread);
    Lanes::store(&weighed.values[i], magnitude);
    Lanes::store(&weighed.weights[i], weight);
    Lanes::store(&weighed.roots[i], Lanes::sqrt(weight));
    Lanes::store(&weighed.products[i], Lanes::mul(weight, magnitude));
    const uint32_t negative = Lanes::bitmask(Lanes::lt(value, Lanes::splat(0.0F))) << i % 8;
    weighed.signs[i / 8] = static_cast<uint8_t>(weighed.signs[i / 8] | negative);
  }
  if (even_signs) make_signs_even(weighed);
  return {};
}

template <typename Lanes>
void find_largest(const WeighedWeights& weighed, size_t sub_block, std::span<float> largest) noexcept {
  for (size_t j = 0; j < largest.size(); ++j)
    largest[j] = largest_value<Lanes>(&weighed.values[j * sub_block], sub_block);
}

template Status weigh<WasmLanes>(const float*, const float*, Weighing, bool, WeighedWeights&) noexcept;
template Status weigh<ScalarLanes>(const float*, const float*, Weighing, bool, WeighedWeights&) noexcept;
template void find_largest<WasmLanes>(const WeighedWeights&, size_t, std::span<float>) noexcept;
template void find_largest<ScalarLanes>(const WeighedWeights&, size_t, std::span<float>) noexcept;

}  // namespace arrowquant::iq
