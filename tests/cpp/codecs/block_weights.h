#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace arrowquant::testing {

/// Weights that have broken quantizers, the same bits on every platform. tests/peers/block-weights.mjs makes the same
/// in JavaScript; the golden hashes cover the weights, so that the two cannot drift apart.

class Xorshift {
 public:
  explicit Xorshift(uint32_t seed) : state_(seed * 0x9E3779B1U) {}

  uint32_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  int32_t below(uint32_t end) { return static_cast<int32_t>(bits() % end); }
  /// Bell-shaped, whole, in ±131070.
  int32_t bell() {
    int32_t sum = -131070;
    for (int i = 0; i < 4; ++i) sum += below(65536);
    return sum;
  }
  float sign() { return below(2) == 0 ? 1.0F : -1.0F; }

 private:
  uint32_t state_;
};

/// value · 2^exponent, exact in double, so that it is rounded once when it becomes a float.
inline float scaled(int32_t value, int exponent) {
  const auto power = std::bit_cast<double>(static_cast<uint64_t>(1023 + exponent) << 52);
  return static_cast<float>(value * power);
}

struct BlockWeights {
  std::string name;
  std::vector<float> weights;
};

class BlockWeightMaker {
 public:
  std::vector<BlockWeights> make() {
    add_plain();
    add_zeros_and_signs();
    add_ties();
    add_magnitudes();
    return std::move(sets_);
  }

 private:
  /// Draws a weight; `i` is its index.
  using Draw = std::function<float(Xorshift& random, size_t i)>;

  void add(std::string name, const Draw& draw) {
    BlockWeights set{std::move(name), {}};
    set.weights.resize(set.name == "normal" ? 65536 : 8192);
    Xorshift random(static_cast<uint32_t>(sets_.size() + 1));
    for (size_t i = 0; i < set.weights.size(); ++i) set.weights[i] = draw(random, i);
    sets_.push_back(std::move(set));
  }

  /// `draw` also gets what `share` drew for each 32 weights.
  template <typename Share, typename DrawWith>
  void add_shared(std::string name, Share share, DrawWith draw) {
    using Shared = decltype(share(std::declval<Xorshift&>()));
    add(std::move(name), [share, draw, shared = Shared{}](Xorshift& random, size_t i) mutable {
      if (i % 32 == 0) shared = share(random);
      return draw(random, shared);
    });
  }

  void add_plain() {
    add("normal", [](Xorshift& random, size_t) { return scaled(random.bell(), -23); });
    add("heavy tails", [](Xorshift& random, size_t) {
      const int32_t value = random.bell();
      return scaled(value, random.below(8) == 0 ? random.below(8) - 23 : -23);
    });
    add("one outlier", [](Xorshift& random, size_t i) { return scaled(random.bell(), i % 32 == 13 ? -13 : -23); });
  }

  void add_zeros_and_signs() {
    add("zeros", [](Xorshift&, size_t) { return 0.0F; });
    add("negative zeros", [](Xorshift&, size_t) { return -0.0F; });
    add("zeros of both signs", [](Xorshift& random, size_t) { return 0.0F * random.sign(); });
    add_shared(
        "constants", [](Xorshift& random) { return scaled(random.bell(), -20); },
        [](Xorshift&, float value) { return value; });
    add("sparse", [](Xorshift& random, size_t) {
      return random.below(8) == 0 ? scaled(random.bell(), -23) : 0.0F * random.sign();
    });
    add("no negatives", [](Xorshift& random, size_t) { return std::max(0.0F, scaled(random.bell(), -23)); });
    add("positive only", [](Xorshift& random, size_t) { return scaled(random.below(1 << 18) + 1, -20); });
    add("negative only", [](Xorshift& random, size_t) { return -scaled(random.below(1 << 18) + 1, -20); });
  }

  void add_ties() {
    add("tied extremes", [](Xorshift& random, size_t) { return 0.375F * random.sign(); });
    add("small integers", [](Xorshift& random, size_t) { return scaled(random.below(17) - 8, -2); });
    add("halves at 4 bits",
        [](Xorshift& random, size_t i) { return i % 32 == 9 ? 8.0F : scaled(random.below(33) - 16, -1); });
    add("halves at 5 bits",
        [](Xorshift& random, size_t i) { return i % 32 == 9 ? -16.0F : scaled(random.below(65) - 32, -1); });
    add("halves at 8 bits", [](Xorshift& random, size_t i) {
      return i % 32 == 9 ? 127.0F * random.sign() : scaled(random.below(509) - 254, -1);
    });
    add("halves of 15", [](Xorshift& random, size_t i) { return halves(random, i, 15); });
    add("halves of 31", [](Xorshift& random, size_t i) { return halves(random, i, 31); });
  }

  static float halves(Xorshift& random, size_t i, int32_t top) {
    if (i % 32 == 0) return static_cast<float>(top);
    return i % 32 == 31 ? 0.0F : scaled(random.below(static_cast<uint32_t>(2 * top + 1)), -1);
  }

  void add_magnitudes() {
    add_shared(
        "subnormals", [](Xorshift& random) { return (1U << (random.below(23) + 1)) - 1; },
        [](Xorshift& random, uint32_t mask) { return std::bit_cast<float>(random.bits() & (0x80000000U | mask)); });
    add_exponents("smallest", 30, -149);
    add_exponents("underflow of f16", 12, -48);
    add_exponents("twelve decades", 40, -41);
    add("any exponent", [](Xorshift& random, size_t) {
      const uint32_t rest = random.bits() & 0x807FFFFFU;
      return std::bit_cast<float>(rest | static_cast<uint32_t>(random.below(142)) << 23);
    });
    add("rounded to bfloat16", [](Xorshift& random, size_t) {
      return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled(random.bell(), -23)) & 0xFFFF0000U);
    });
    add_shared(
        "rounded to 11 bits", [](Xorshift& random) { return random.below(8) - 20; },
        [](Xorshift& random, int exponent) { return scaled(random.below(4095) - 2047, exponent); });
  }

  /// Each 32 weights have an exponent of their own.
  void add_exponents(std::string name, uint32_t count, int first) {
    add_shared(
        std::move(name), [=](Xorshift& random) { return random.below(count) + first; },
        [](Xorshift& random, int exponent) { return scaled(random.bell(), exponent); });
  }

  std::vector<BlockWeights> sets_;
};

inline const std::vector<BlockWeights>& block_weights() {
  static const std::vector<BlockWeights> sets = BlockWeightMaker().make();
  return sets;
}

inline std::vector<uint8_t> random_bytes(size_t count) {
  Xorshift random(1000);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.bits() >> 24);
  return bytes;
}

/// FNV-1a, 32 bits.
inline uint32_t hash_bytes(std::span<const uint8_t> bytes) {
  uint32_t hash = 0x811C9DC5U;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x01000193U;
  return hash;
}

/// The bytes of the floats; every NaN counts as the same.
inline uint32_t hash_floats(std::span<const float> values) {
  uint32_t hash = 0x811C9DC5U;
  for (const float value : values) {
    const uint32_t word = std::isnan(value) ? 0x7FC00000U : std::bit_cast<uint32_t>(value);
    for (uint32_t shift = 0; shift < 32; shift += 8) hash = (hash ^ (word >> shift & 0xFF)) * 0x01000193U;
  }
  return hash;
}

}  // namespace arrowquant::testing
