#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace arrowquant {

/// The largest magnitude of each group of weights, of which there are whole fours of vectors and a multiple of kWidth.
/// Where one of a group is infinite it is infinite, and where one is NaN it is NaN. Returns whether all are finite.
template <typename L>
bool largest_in_groups(std::span<const float> weights, size_t group_size, float* largest) noexcept {
  auto most = L::splat(int32_t{0});
  for (const float* at = weights.data(); at != weights.data() + weights.size(); largest += L::kWidth) {
    typename L::I32Square rows;
    for (typename L::I32& row : rows) {
      row = L::splat(int32_t{0});
      for (const float* end = at + group_size; at != end; at += 4 * L::kWidth) {
        // The bits of magnitudes are in the order of the numbers.
        const auto bits = [&](size_t i) { return L::bits(L::abs(L::load(at + i * L::kWidth))); };
        row = L::max(row, L::max(L::max(bits(0), bits(1)), L::max(bits(2), bits(3))));
      }
    }
    rows = L::transpose(rows);
    for (size_t c = 1; c < L::kWidth; ++c) rows[0] = L::max(rows[0], rows[c]);
    most = L::max(most, rows[0]);
    L::store(largest, L::from_bits(rows[0]));
  }
  return L::all(L::lt(most, L::splat(0x7F800000)));
}

/// Divides weights by the number of their group, of whole vectors.
template <typename L>
void divide_by_groups(std::span<const float> weights, size_t group_size, const float* divisors,
                      float* quotients) noexcept {
  for (size_t at = 0; at < weights.size(); at += L::kWidth) {
    L::store(quotients + at, L::div(L::load(&weights[at]), L::splat(divisors[at / group_size])));
  }
}

/// Makes bytes of numbers, whole fours of vectors, by `code`, whose results must be in 0…255.
template <typename L, typename Code>
void to_bytes(std::span<const float> numbers, uint8_t* bytes, Code code) noexcept {
  for (size_t at = 0; at < numbers.size(); at += 4 * L::kWidth) {
    const auto one = [&](size_t i) { return code(L::load(&numbers[at + i * L::kWidth])); };
    const auto low = L::narrow(one(0), one(1));
    L::store_bytes(bytes + at, L::narrow_unsigned(low, L::narrow(one(2), one(3))));
  }
}

}  // namespace arrowquant
