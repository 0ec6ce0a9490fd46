#pragma once

#include <cstdint>
#include <span>

namespace arrowquant {

/// The conversions of base/half.h over whole arrays, the same bits, and those of fp8, which are exact. The narrow side
/// is little-endian file bytes of any alignment, 2 (fp8: 1) for each float. Nothing past the end is touched. The
/// `_reference` functions are the scalar instances.

void half_to_float(const uint8_t* from, std::span<float> to) noexcept;
void half_to_float_reference(const uint8_t* from, std::span<float> to) noexcept;
void bfloat16_to_float(const uint8_t* from, std::span<float> to) noexcept;
void bfloat16_to_float_reference(const uint8_t* from, std::span<float> to) noexcept;
/// float8_e4m3fn: no infinities, the largest number is 448, and ±0x7F is NaN, which becomes quiet.
void e4m3_to_float(const uint8_t* from, std::span<float> to) noexcept;
void e4m3_to_float_reference(const uint8_t* from, std::span<float> to) noexcept;
/// float8_e5m2, the upper byte of a half.
void e5m2_to_float(const uint8_t* from, std::span<float> to) noexcept;
void e5m2_to_float_reference(const uint8_t* from, std::span<float> to) noexcept;
void float_to_half(std::span<const float> from, uint8_t* to) noexcept;
void float_to_half_reference(std::span<const float> from, uint8_t* to) noexcept;
void float_to_bfloat16(std::span<const float> from, uint8_t* to) noexcept;
void float_to_bfloat16_reference(std::span<const float> from, uint8_t* to) noexcept;

}  // namespace arrowquant
