#include "codecs/codec.h"

#include <algorithm>
#include <numeric>

namespace arrowquant {

#define ARROWQUANT_CODEC(constant) extern const Codec constant;
#include "codecs/codecs.def"
#undef ARROWQUANT_CODEC

namespace {

#define ARROWQUANT_CODEC(constant) &(constant),
constexpr std::array kCodecs = {
#include "codecs/codecs.def"
};
#undef ARROWQUANT_CODEC

bool is_among(std::span<const uint32_t> values, uint32_t value) noexcept {
  return values.empty() ? value == 0 : std::find(values.begin(), values.end(), value) != values.end();
}

/// 0: one unit over everything.
uint32_t unit_weights(const Encoding& encoding, size_t plane) noexcept {
  const uint32_t weights = encoding.codec->planes[plane].unit_weights;
  if (weights == kWholeTensor) return 0;
  return weights == 0 ? encoding.parameters.group_size : weights;
}

uint32_t unit_bits(const Encoding& encoding, size_t plane) noexcept {
  const uint32_t bits = encoding.codec->planes[plane].unit_bits;
  return bits == 0 ? encoding.parameters.bits : bits;
}

/// Units of `size` weights, the last of which may be short; a size of 0 is one unit over everything.
uint64_t unit_count(uint64_t weights, uint32_t size) noexcept {
  if (size == 0) return std::min<uint64_t>(weights, 1);
  if (size == 1) return weights;
  // Small tensors come by the thousand, and a division of 64 bits takes longer.
  if (const auto few = static_cast<uint32_t>(weights); few == weights) return few / size + (few % size == 0 ? 0 : 1);
  return weights / size + (weights % size == 0 ? 0 : 1);
}

}  // namespace

std::span<const Codec* const> codecs() noexcept { return kCodecs; }

const Codec* find_codec(std::string_view name) noexcept {
  const auto found =
      std::find_if(kCodecs.begin(), kCodecs.end(), [&](const auto* codec) { return codec->name == name; });
  return found == kCodecs.end() ? nullptr : *found;
}

bool is_valid(const Encoding& encoding) noexcept {
  if (encoding.codec == nullptr) return false;
  const auto [bits, group_size, symmetric] = encoding.parameters;
  return is_among(encoding.codec->bits, bits) && is_among(encoding.codec->group_sizes, group_size) &&
         (encoding.codec->symmetric || !symmetric);
}

uint64_t plane_bytes(const Encoding& encoding, size_t plane, uint64_t weights) noexcept {
  if (plane >= encoding.codec->plane_count) return 0;
  const uint64_t units = unit_count(weights, unit_weights(encoding, plane));
  const uint64_t bits = unit_bits(encoding, plane);
  return units / 8 * bits + (units % 8 * bits + 7) / 8;
}

bool is_shared(const Encoding& encoding, size_t plane) noexcept {
  return plane < encoding.codec->plane_count && unit_weights(encoding, plane) == 0;
}

bool needs_range(const Encoding& encoding) noexcept {
  const bool has_one_group = !encoding.codec->group_sizes.empty() && encoding.parameters.group_size == 0;
  return encoding.codec->needs_range || has_one_group;
}

size_t aligned_weights(const Encoding& encoding) noexcept {
  size_t least = encoding.codec->block_weights;
  for (size_t i = 0; i < encoding.codec->plane_count; ++i) {
    if (is_shared(encoding, i)) continue;
    const uint32_t units_in_bytes = 8 / std::gcd(8U, unit_bits(encoding, i));
    least = std::lcm(least, size_t{unit_weights(encoding, i)} * units_in_bytes);
  }
  return least;
}

}  // namespace arrowquant
