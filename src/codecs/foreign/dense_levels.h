#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

/// Levels of a few bits without gaps, the first one in the lowest bits: what a plane of them is. Here a level is a
/// byte. They are packed eight at a time in a word; those of 2 and 4 bits in vectors.
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

namespace dense_details {

/// Packs levels from `at` on, a multiple of 8. With the bits known, shifts and masks are constants.
template <uint32_t kBits>
void pack_words(std::span<const uint8_t> levels, size_t at, uint8_t* packed) noexcept {
  const size_t bytes = dense_bytes(levels.size(), kBits);
  // A whole word is stored while what lies behind the eight levels is overwritten later.
  for (; (at / 8 * kBits) + 8 <= bytes && at + 8 <= levels.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, &levels[at], 8);
    word = join_eight(word, kBits);
    std::memcpy(packed + at / 8 * kBits, &word, 8);
  }
  for (; at < levels.size(); at += 8) {
    const size_t count = std::min<size_t>(8, levels.size() - at);
    uint64_t word = 0;
    std::memcpy(&word, &levels[at], count);
    word = join_eight(word, kBits);
    std::memcpy(packed + at / 8 * kBits, &word, dense_bytes(count, kBits));
  }
}

}  // namespace dense_details

/// Packs levels of 2 to 8 bits, each below 2^bits, into exactly dense_bytes bytes; unused bits of the last
/// one become 0.
template <typename L>
[[gnu::noinline]] void pack_levels(std::span<const uint8_t> levels, uint32_t bits, uint8_t* packed) noexcept {
  using dense_details::pack_vectors;
  using dense_details::pack_words;
  if (bits == 2) return pack_words<2>(levels, pack_vectors<L, 2>(levels, packed), packed);
  if (bits == 3) return pack_words<3>(levels, 0, packed);
  if (bits == 4) return pack_words<4>(levels, pack_vectors<L, 4>(levels, packed), packed);
  if (bits == 5) return pack_words<5>(levels, 0, packed);
  if (bits == 6) return pack_words<6>(levels, 0, packed);
  if (bits == 7) return pack_words<7>(levels, 0, packed);
  std::copy(levels.begin(), levels.end(), packed);
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
