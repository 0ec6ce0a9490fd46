#pragma once

#include <cstdint>

namespace arrowquant {

/// Little-endian numbers in bytes of any alignment.

[[nodiscard]] inline uint16_t load_u16(const uint8_t* from) noexcept {
  return static_cast<uint16_t>(from[0] | from[1] << 8);
}

inline void store_u16(uint8_t* to, uint16_t value) noexcept {
  to[0] = static_cast<uint8_t>(value & 0xFF);
  to[1] = static_cast<uint8_t>(value >> 8);
}

[[nodiscard]] inline uint32_t load_u32(const uint8_t* from) noexcept {
  return load_u16(from) | static_cast<uint32_t>(load_u16(from + 2)) << 16;
}

inline void store_u32(uint8_t* to, uint32_t value) noexcept {
  store_u16(to, static_cast<uint16_t>(value & 0xFFFF));
  store_u16(to + 2, static_cast<uint16_t>(value >> 16));
}

}  // namespace arrowquant
