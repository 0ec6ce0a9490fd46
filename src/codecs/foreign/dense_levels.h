#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

/// Levels of 1 to 8 bits without gaps, the first one in the lowest bits: what a plane of them is. Here a level is a
/// byte. Any number of bits is packed eight levels at a time in a word; those of 2 and 4 bits have ways of their own.
namespace arrowquant {

/// Eight levels, one a byte, next to each other in the lowest 8·bits bits. Neighbours move together, then pairs of
/// them, then fours.
[[nodiscard]] inline uint64_t join_eight(uint64_t levels, uint32_t bits) noexcept {
  const auto join = [&levels](uint64_t first, uint32_t width, uint32_t distance) {
    levels = (levels & first) | (levels >> distance & first << width);
  };
  const auto ones = [](uint32_t count) { return (uint64_t{1} << count) - 1; };
  join(ones(bits) * 0x0001000100010001U, bits, 8 - bits);
  join(ones(2 * bits) * 0x0000000100000001U, 2 * bits, 16 - 2 * bits);
  join(ones(4 * bits), 4 * bits, 32 - 4 * bits);
  return levels;
}

/// The inverse; what lies above the lowest 8·bits bits must be zeros.
[[nodiscard]] inline uint64_t split_eight(uint64_t joined, uint32_t bits) noexcept {
  const auto split = [&joined](uint64_t first, uint32_t width, uint32_t distance) {
    joined = (joined & first) | (joined & first << width) << distance;
  };
  const auto ones = [](uint32_t count) { return (uint64_t{1} << count) - 1; };
  split(ones(4 * bits), 4 * bits, 32 - 4 * bits);
  split(ones(2 * bits) * 0x0000000100000001U, 2 * bits, 16 - 2 * bits);
  split(ones(bits) * 0x0001000100010001U, bits, 8 - bits);
  return joined;
}

/// What the first `count` levels take, with the bits that fill up the last byte.
[[nodiscard]] constexpr size_t dense_bytes(size_t count, uint32_t bits) noexcept { return (count * bits + 7) / 8; }

namespace dense_details {

/// Packs whole vectors of bytes; returns how many levels those were.
template <typename L, uint32_t kBits>
[[nodiscard]] size_t pack_vectors(std::span<const uint8_t> levels, uint8_t* packed) noexcept {
  constexpr size_t kVector = 4 * L::kWidth;
  const auto load = [&](size_t at) {
    return L::bit_or(L::load_bytes(&levels[at]), L::splat_bytes(static_cast<uint8_t>(0xFF << kBits)));
  };
  size_t at = 0;
  for (; at + 2 * kVector <= levels.size(); at += 2 * kVector) {
    const auto pairs = L::template join_pairs<kBits>(load(at), load(at + kVector));
    if constexpr (kBits == 4) {
      L::store_bytes(packed + at / 2, pairs);
    } else {
      L::store_half_bytes(packed + at / 4, L::template join_pairs<4>(pairs, pairs));
    }
  }
  return at;
}

}  // namespace dense_details

/// Packs levels, each below 2^bits, into exactly dense_bytes bytes; unused bits of the last one become 0.
template <typename L>
[[gnu::noinline]] void pack_levels(std::span<const uint8_t> levels, uint32_t bits, uint8_t* packed) noexcept {
  if (bits == 8) {
    std::copy(levels.begin(), levels.end(), packed);
    return;
  }
  size_t at = 0;
  if (bits == 4) at = dense_details::pack_vectors<L, 4>(levels, packed);
  if (bits == 2) at = dense_details::pack_vectors<L, 2>(levels, packed);
  // A whole word is stored while what lies behind the eight levels is overwritten later.
  const size_t bytes = dense_bytes(levels.size(), bits);
  while (at < levels.size()) {
    const size_t begin = at * bits / 8;
    uint64_t word = 0;
    const size_t count = std::min<size_t>(8, levels.size() - at);
    if (count == 8) {
      std::memcpy(&word, &levels[at], 8);
    } else {
      std::memcpy(&word, &levels[at], count);
    }
    word = join_eight(word, bits);
    if (begin + 8 <= bytes) {
      std::memcpy(packed + begin, &word, 8);
    } else {
      std::memcpy(packed + begin, &word, dense_bytes(count, bits));
    }
    at += 8;
  }
}

/// The first levels of a plane that has as many bytes as they take.
inline void unpack_levels(const uint8_t* packed, uint32_t bits, std::span<uint8_t> levels) noexcept {
  for (size_t at = 0; at < levels.size(); at += 8) {
    const size_t count = std::min<size_t>(8, levels.size() - at);
    uint64_t word = 0;
    std::memcpy(&word, packed + at * bits / 8, dense_bytes(count, bits));
    word = split_eight(word & (~uint64_t{0} >> (64 - 8 * bits)), bits);
    std::memcpy(&levels[at], &word, count);
  }
}

}  // namespace arrowquant
