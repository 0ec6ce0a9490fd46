#pragma once

#include <cstdint>
#include <span>

namespace arrowquant {

/// The largest magnitude among `weights`, as bits: 0x7F800000 if one is infinite and none NaN, more if one is NaN, and
/// 0 for no weights. The bits of magnitudes are in the order of the numbers.
[[nodiscard]] uint32_t largest_magnitude(std::span<const float> weights) noexcept;
[[nodiscard]] uint32_t largest_magnitude_reference(std::span<const float> weights) noexcept;

}  // namespace arrowquant
