// What bitsandbytes makes of the largest magnitudes of blocks, less their mean, with double quantization: a level of 8
// bits for each, of a map whose steps are finer near zero, and the largest magnitude of 256 of them in F32.
//
// - A number is multiplied with 1/absmax, and moved to the nearest of 65536 numbers from −1 to 1, half up; that one
//   takes the nearest value of the map, the lower one of two equally near.
// - 256 numbers that are all zero take level 0, which is −0.9929687 of nothing.
// - The way back is value · absmax in f32.
// - NaN and infinities are refused.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "codecs/codec.h"

namespace arrowquant {
namespace {

constexpr size_t kBlock = 256;

/// The map: for each power of ten from 10^−6 to 1 the tenth below it, cut into 1, 2, 4 … 64 parts, with the middle of
/// each and its negative; and 0 and 1. All in f32, as PyTorch computes it: linspace with a fused multiplication and
/// addition, from either end.
constexpr std::array<float, 256> make_map() noexcept {
  constexpr std::array kScales = {1e-6F, 1e-5F, 1e-4F, 1e-3F, 1e-2F, 1e-1F, 1.0F};
  std::array<float, 256> map{};
  size_t count = 0;
  for (size_t power = 0; power < kScales.size(); ++power) {
    const size_t parts = size_t{1} << power;
    const float step = (1.0F - 0.1F) / static_cast<float>(parts);
    const auto border = [&](size_t i) {
      // Products of an f32 and a small integer are exact in f64, and these sums are too.
      if (2 * i < parts) return static_cast<float>(double{0.1F} + double{step} * static_cast<double>(i));
      return static_cast<float>(1.0 - double{step} * static_cast<double>(parts - i));
    };
    for (size_t i = 0; i < parts; ++i) {
      const float middle = kScales[power] * ((border(i) + border(i + 1)) / 2);
      map[count++] = middle;
      map[count++] = -middle;
    }
  }
  map[count++] = 0.0F;
  map[count++] = 1.0F;
  std::sort(map.begin(), map.end());
  return map;
}

constexpr std::array<float, 256> kMap = make_map();

/// The level of a number in −1…1.
uint8_t level_of(float value) noexcept {
  constexpr float kLast = 65535.0F;
  // Fused in the library: the product is exact in f64.
  const auto place = static_cast<float>(double{(value + 1.0F) * 0.5F} * double{kLast} + 0.5);
  const float moved = -1.0F + (2.0F * std::floor(place)) / kLast;
  size_t level = 0;
  for (size_t step = 128; step > 0; step /= 2) {
    const size_t next = level + step;
    if (next < kMap.size() && 0.5F * (kMap[next - 1] + kMap[next]) < moved) level = next;
  }
  return static_cast<uint8_t>(level);
}

Status encode(std::span<const float> numbers, const Planes& planes, const EncodeContext& /*context*/) noexcept {
  uint8_t* levels = planes[0].data();
  auto* absmax = reinterpret_cast<float*>(planes[1].data());
  bool finite = true;
  for (size_t at = 0; at < numbers.size(); at += kBlock) {
    const auto block = numbers.subspan(at, std::min(kBlock, numbers.size() - at));
    float largest = 0;
    for (const float number : block) {
      finite = finite && std::isfinite(number);
      largest = std::max(largest, std::fabs(number));
    }
    *absmax++ = largest;
    const float inverse = 1.0F / largest;
    for (const float number : block) {
      *levels++ = largest == 0 || !finite ? uint8_t{0} : level_of(std::clamp(number * inverse, -1.0F, 1.0F));
    }
  }
  return finite ? Status{} : find_not_finite(numbers);
}

void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> numbers) noexcept {
  for (size_t i = 0; i < numbers.size(); ++i) {
    float absmax;
    std::memcpy(&absmax, planes[1].data() + i / kBlock * sizeof absmax, sizeof absmax);
    numbers[i] = kMap[planes[0][i]] * absmax;
  }
}

}  // namespace

extern const Codec kBnbAbsmax8;
constinit const Codec kBnbAbsmax8 = {
    .name = "bnb_absmax8",
    .planes = {{{"levels", ElementType::kU8, 1, 8}, {"absmax", ElementType::kF32, kBlock, 32}}},
    .plane_count = 2,
    .foreign = true,
    .encode = encode,
    .decode = decode,
};

extern const CodecReference kBnbAbsmax8Reference;
constinit const CodecReference kBnbAbsmax8Reference = {encode, decode};

}  // namespace arrowquant
