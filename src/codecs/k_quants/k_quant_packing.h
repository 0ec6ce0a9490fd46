#pragma once

#include <cstddef>
#include <cstdint>

#include "codecs/k_quants/k_quant_levels.h"

/// How the K-quants lay out the levels of a super-block (one byte each while in memory) in nibbles and bits.
namespace arrowquant::k_quant {

/// The low 4 bits: of each 2·kApart levels the first kApart are the low nibbles, the others the high ones.
template <typename Lanes, size_t kApart>
void pack_nibbles(const Levels& levels, uint8_t* packed) noexcept {
  const auto mask = Lanes::splat_bytes(15);
  for (size_t run = 0; run < kSuperBlock; run += 2 * kApart) {
    for (size_t i = 0; i < kApart; i += 4 * Lanes::kWidth) {
      const auto low = Lanes::bit_and(Lanes::load_bytes(&levels[run + i]), mask);
      const auto high = Lanes::shl(Lanes::load_bytes(&levels[run + kApart + i]), 4);
      Lanes::store_bytes(packed + run / 2 + i, Lanes::bit_or(low, high));
    }
  }
}

template <typename Lanes, size_t kApart>
void unpack_nibbles(const uint8_t* packed, Levels& levels) noexcept {
  const auto mask = Lanes::splat_bytes(15);
  for (size_t run = 0; run < kSuperBlock; run += 2 * kApart) {
    for (size_t i = 0; i < kApart; i += 4 * Lanes::kWidth) {
      const auto both = Lanes::load_bytes(packed + run / 2 + i);
      Lanes::store_bytes(&levels[run + i], Lanes::bit_and(both, mask));
      Lanes::store_bytes(&levels[run + kApart + i], Lanes::shr_logical(both, 4));
    }
  }
}

/// Bits kShift and kShift + 1: byte i of each 32 holds levels i, i + 32, i + 64 and i + 96 of its 128, low bits first.
template <typename Lanes, uint32_t kShift>
void pack_two_bits(const Levels& levels, uint8_t* packed) noexcept {
  const auto mask = Lanes::splat_bytes(3);
  for (size_t half = 0; half < kSuperBlock; half += 128) {
    for (size_t i = 0; i < 32; i += 4 * Lanes::kWidth) {
      auto joined = Lanes::splat_bytes(0);
      for (uint32_t quarter = 0; quarter < 4; ++quarter) {
        const auto level = Lanes::load_bytes(&levels[half + size_t{32} * quarter + i]);
        const auto bits = Lanes::bit_and(Lanes::shr_logical(level, kShift), mask);
        joined = Lanes::bit_or(joined, Lanes::shl(bits, 2 * quarter));
      }
      Lanes::store_bytes(packed + half / 4 + i, joined);
    }
  }
}

/// Adds bits kShift and kShift + 1 to levels that lack them.
template <typename Lanes, uint32_t kShift>
void unpack_two_bits(const uint8_t* packed, Levels& levels) noexcept {
  const auto mask = Lanes::splat_bytes(3);
  for (size_t half = 0; half < kSuperBlock; half += 128) {
    for (size_t i = 0; i < 32; i += 4 * Lanes::kWidth) {
      const auto joined = Lanes::load_bytes(packed + half / 4 + i);
      for (uint32_t quarter = 0; quarter < 4; ++quarter) {
        uint8_t* level = &levels[half + size_t{32} * quarter + i];
        const auto bits = Lanes::bit_and(Lanes::shr_logical(joined, 2 * quarter), mask);
        Lanes::store_bytes(level, Lanes::bit_or(Lanes::load_bytes(level), Lanes::shl(bits, kShift)));
      }
    }
  }
}

/// Bit kShift, the levels' highest: bit s of byte i belongs to level 32·s + i.
template <typename Lanes, uint32_t kShift>
void pack_high_bit(const Levels& levels, uint8_t* packed) noexcept {
  for (size_t i = 0; i < 32; i += 4 * Lanes::kWidth) {
    auto joined = Lanes::splat_bytes(0);
    for (uint32_t s = 0; s < 8; ++s) {
      const auto bit = Lanes::shr_logical(Lanes::load_bytes(&levels[size_t{32} * s + i]), kShift);
      joined = Lanes::bit_or(joined, Lanes::shl(bit, s));
    }
    Lanes::store_bytes(packed + i, joined);
  }
}

/// Adds bit kShift to levels that lack it.
template <typename Lanes, uint32_t kShift>
void unpack_high_bit(const uint8_t* packed, Levels& levels) noexcept {
  const auto one = Lanes::splat_bytes(1);
  for (size_t i = 0; i < 32; i += 4 * Lanes::kWidth) {
    const auto joined = Lanes::load_bytes(packed + i);
    for (uint32_t s = 0; s < 8; ++s) {
      uint8_t* level = &levels[size_t{32} * s + i];
      const auto bit = Lanes::bit_and(Lanes::shr_logical(joined, s), one);
      Lanes::store_bytes(level, Lanes::bit_or(Lanes::load_bytes(level), Lanes::shl(bit, kShift)));
    }
  }
}

}  // namespace arrowquant::k_quant
