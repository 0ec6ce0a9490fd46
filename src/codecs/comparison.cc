#include "codecs/comparison.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

template <typename L>
struct Masks {
  typename L::Mask different = L::ne(L::splat(0.0F), L::splat(0.0F));
  typename L::Mask not_finite = L::ne(L::splat(0.0F), L::splat(0.0F));

  void take(const float* left, const float* right) noexcept {
    const auto a = L::load(left);
    const auto b = L::load(right);
    const auto largest = L::splat(std::numeric_limits<float>::max());
    const auto both_finite = L::mask_and(L::le(L::abs(a), largest), L::le(L::abs(b), largest));
    const auto both_nan = L::mask_and(L::ne(a, a), L::ne(b, b));
    different = L::mask_or(different, L::mask_andnot(L::ne(a, b), both_nan));
    not_finite = L::mask_or(not_finite, L::mask_not(both_finite));
  }
};

template <typename L>
Comparison compare(std::span<const float> a, std::span<const float> b) noexcept {
  Masks<L> masks;
  const size_t whole = a.size() - a.size() % L::kWidth;
  for (size_t at = 0; at < whole; at += L::kWidth) masks.take(a.data() + at, b.data() + at);
  std::array<float, L::kWidth> last_a{};
  std::array<float, L::kWidth> last_b{};
  std::copy(a.begin() + static_cast<ptrdiff_t>(whole), a.end(), last_a.begin());
  std::copy(b.begin() + static_cast<ptrdiff_t>(whole), b.end(), last_b.begin());
  masks.take(last_a.data(), last_b.data());
  return {.equal = !L::any(masks.different), .finite = !L::any(masks.not_finite)};
}

}  // namespace

Comparison compare_values(std::span<const float> a, std::span<const float> b) noexcept {
  return compare<WasmLanes>(a, b);
}

Comparison compare_values_reference(std::span<const float> a, std::span<const float> b) noexcept {
  return compare<ScalarLanes>(a, b);
}

}  // namespace arrowquant
