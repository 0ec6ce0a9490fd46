#include "simd/magnitude.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

template <typename L>
typename L::I32 magnitudes(const float* from) noexcept {
  return L::bit_and(L::bits(L::load(from)), L::splat(0x7FFFFFFF));
}

template <typename L>
uint32_t find_largest(std::span<const float> weights) noexcept {
  constexpr size_t kVectors = 4;
  constexpr size_t kStep = kVectors * L::kWidth;
  std::array<typename L::I32, kVectors> largest;
  largest.fill(L::splat(int32_t{0}));
  const size_t whole = weights.size() - weights.size() % kStep;
  for (size_t at = 0; at < whole; at += kStep) {
    for (size_t i = 0; i < kVectors; ++i) {
      largest[i] = L::max(largest[i], magnitudes<L>(weights.data() + at + i * L::kWidth));
    }
  }
  int32_t most = 0;
  for (const auto& vector : largest) {
    std::array<int32_t, L::kWidth> lanes;
    L::store(lanes.data(), vector);
    most = std::max(most, *std::max_element(lanes.begin(), lanes.end()));
  }
  for (const float& weight : weights.subspan(whole)) most = std::max(most, magnitudes<ScalarLanes>(&weight));
  return static_cast<uint32_t>(most);
}

}  // namespace

uint32_t largest_magnitude(std::span<const float> weights) noexcept { return find_largest<WasmLanes>(weights); }
uint32_t largest_magnitude_reference(std::span<const float> weights) noexcept {
  return find_largest<ScalarLanes>(weights);
}

}  // namespace arrowquant
