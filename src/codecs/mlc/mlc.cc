// MLC-LLM's group quantization q4f16_1 and q4f32_1, what WebLLM loads: integers of 4 bits around 7, with a scale for
// each 32 weights of a row.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/codec.h"
#include "codecs/foreign/dense_levels.h"
#include "codecs/foreign/typed_weights.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::mlc {
namespace {

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;

constexpr uint32_t kBits = 4;
constexpr size_t kGroupSize = 32;
constexpr std::array kGroupSizes = {static_cast<uint32_t>(kGroupSize)};

/// The level of zero, and the number of levels to each side of it.
constexpr float kMiddle = 7.0F;

constexpr size_t kPieceGroups = kTypedWeights / kGroupSize;

/// What a piece is encoded to.
struct Piece {
  std::array<float, kPieceGroups> scales;
  std::array<uint8_t, kTypedWeights> levels;
};

/// Lane r: the largest magnitude of group r.
template <typename L>
[[nodiscard]] typename L::F32 largest_magnitudes(const float* weights) noexcept {
  typename L::F32Square largest;
  for (typename L::F32& row : largest) {
    row = L::splat(0.0F);
    for (const float* end = weights + kGroupSize; weights != end; weights += L::kWidth) {
      row = L::pmax(row, L::abs(L::load(weights)));
    }
  }
  largest = L::transpose(largest);
  for (size_t c = 1; c < L::kWidth; ++c) largest[0] = L::pmax(largest[0], largest[c]);
  return largest[0];
}

template <typename L, typename Type>
void set_levels(const float* weights, float scale, uint8_t* levels) noexcept {
  const auto step = L::splat(scale);
  const auto level = [&](size_t i) {
    const auto steps = Type::template round<L>(L::div(L::load(weights + i * L::kWidth), step));
    const auto shifted = Type::template round<L>(L::add(steps, L::splat(kMiddle)));
    // 0/0 becomes 0.
    return L::round_magic(L::pmin(L::pmax(L::splat(0.0F), shifted), L::splat(2 * kMiddle)));
  };
  for (const float* end = weights + kGroupSize; weights != end; weights += 4 * L::kWidth, levels += 4 * L::kWidth) {
    const auto low = L::narrow(level(0), level(1));
    L::store_bytes(levels, L::narrow_unsigned(low, L::narrow(level(2), level(3))));
  }
}

/// As MLC-LLM does (python/mlc_llm/quantization/group_quantization.py), for weights that are rounded to the type; every
/// operation is rounded to it, half to even: scale = max |w|/7, level = clamp(round(w/scale + 7), 0, 14). A group of
/// zeros has the scale 0 and the levels 0.
template <typename L, typename Type>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  constexpr size_t kStep = kGroupSize * L::kWidth;
  return for_typed_pieces<L, Type>(
      weights, kStep, context, [&](std::span<const float> typed, size_t first, size_t count) noexcept {
        Piece piece;
        for (size_t at = 0; at < typed.size(); at += kStep) {
          const auto scale = Type::template round<L>(L::div(largest_magnitudes<L>(&typed[at]), L::splat(kMiddle)));
          L::store(&piece.scales[at / kGroupSize], scale);
        }
        for (size_t at = 0; at < typed.size(); at += kGroupSize) {
          set_levels<L, Type>(&typed[at], piece.scales[at / kGroupSize], &piece.levels[at]);
        }
        pack_levels<L>(std::span(piece.levels).first(count), kBits, planes[kLevels].data() + first * kBits / 8);
        store_typed<Type>(std::span(piece.scales).first((count + kGroupSize - 1) / kGroupSize),
                          planes[kScales].data() + first / kGroupSize * (Type::kBits / 8));
        return Status{};
      });
}

/// (level − 7) · scale, rounded to the type.
template <typename Type>
void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  std::array<uint8_t, kGroupSize> levels;
  for (size_t at = 0, group = 0; at < weights.size(); at += kGroupSize, ++group) {
    const auto restored = weights.subspan(at, std::min(kGroupSize, weights.size() - at));
    unpack_levels(&planes[kLevels][at * kBits / 8], kBits, std::span(levels).first(restored.size()));
    const float scale = load_typed<Type>(planes[kScales], group);
    for (size_t i = 0; i < restored.size(); ++i) {
      restored[i] = Type::template round<ScalarLanes>((static_cast<float>(levels[i]) - kMiddle) * scale);
    }
  }
}

/// No encoder writes a scale that is not finite.
template <typename Type>
Status check(const ConstPlanes& planes, const CodecParameters& /*parameters*/, size_t weights) noexcept {
  const size_t groups = (weights + kGroupSize - 1) / kGroupSize;
  const size_t first = first_special<Type>(planes[kScales]);
  return first >= groups ? Status{} : Status{StatusCode::kInvalidPlanes, uint64_t{first} * kGroupSize};
}

template <typename Type>
constexpr Codec group_codec(std::string_view name) noexcept {
  Codec codec;
  codec.name = name;
  codec.planes = {{{"levels", ElementType::kU8, 1, kBits}, {"scales", Type::kElement, 0, Type::kBits}}};
  codec.plane_count = 2;
  codec.group_sizes = kGroupSizes;
  codec.foreign = true;
  codec.encode = encode<WasmLanes, Type>;
  codec.decode = decode<Type>;
  codec.check = check<Type>;
  return codec;
}

template <typename Type>
constexpr CodecReference group_reference() noexcept {
  return {encode<ScalarLanes, Type>, decode<Type>};
}

}  // namespace
}  // namespace arrowquant::mlc

namespace arrowquant {

extern const Codec kMlcQ4F16;
constinit const Codec kMlcQ4F16 = mlc::group_codec<minifloat::InF16>("mlc_q4f16");
extern const CodecReference kMlcQ4F16Reference;
constinit const CodecReference kMlcQ4F16Reference = mlc::group_reference<minifloat::InF16>();

extern const Codec kMlcQ4F32;
constinit const Codec kMlcQ4F32 = mlc::group_codec<minifloat::InF32>("mlc_q4f32");
extern const CodecReference kMlcQ4F32Reference;
constinit const CodecReference kMlcQ4F32Reference = mlc::group_reference<minifloat::InF32>();

}  // namespace arrowquant
