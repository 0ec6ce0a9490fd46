// Small whole numbers as they lie in files: bytes on the way to fewer bits, such as zero points.

#include <algorithm>
#include <array>
#include <cmath>

#include "codecs/codec.h"

namespace arrowquant {
namespace {

constexpr std::array kBits = {2U, 4U, 8U};

/// The number next to a weight, half to even, within 0…2^bits − 1.
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  if (const Status status = find_not_finite(weights); !status.ok()) return status;
  const uint32_t bits = context.parameters.bits;
  const float last = static_cast<float>((1U << bits) - 1);
  std::fill(planes[0].begin(), planes[0].end(), uint8_t{0});
  for (size_t i = 0; i < weights.size(); ++i) {
    const auto number = static_cast<uint32_t>(std::nearbyint(std::clamp(weights[i], 0.0F, last)));
    uint8_t& byte = planes[0][i * bits / 8];
    byte = static_cast<uint8_t>(byte | number << i * bits % 8);
  }
  return {};
}

void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  const uint32_t bits = parameters.bits;
  for (size_t i = 0; i < weights.size(); ++i) {
    const uint32_t byte = planes[0][i * bits / 8];
    weights[i] = static_cast<float>(byte >> i * bits % 8 & ((1U << bits) - 1));
  }
}

}  // namespace

extern const Codec kWholeNumbers;
constinit const Codec kWholeNumbers = {
    .name = "whole_numbers",
    .planes = {{{"levels", ElementType::kU8, 1, 0}}},
    .bits = kBits,
    .foreign = true,
    .encode = encode,
    .decode = decode,
};

extern const CodecReference kWholeNumbersReference;
constinit const CodecReference kWholeNumbersReference = {encode, decode};

}  // namespace arrowquant
