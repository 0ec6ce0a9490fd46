// The weights of MatMulBnb4 of ONNX Runtime, quantized as its QuantizeBlockBnb4
// (onnxruntime/contrib_ops/cpu/quantization/blockwise_quant_block_bnb4.h) does it: NF4 and FP4 of bitsandbytes, but for
// last blocks, ties and the signs of what is nearly zero. The first weight of a byte is in the high bits.

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>

#include "codecs/codec.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr std::array kBlockSizes = {16U, 32U, 64U, 128U, 256U};
constexpr size_t kMostWeights = kBlockSizes.back();

using Values = std::array<float, 16>;

/// Vectors that are compared with a bound while it is there.
template <typename L>
using Numbers = std::array<typename L::F32, 4>;
template <typename L>
using Counts = std::array<typename L::I32, 4>;

/// How many of the bounds each number is above. NaN is above none.
template <typename L, size_t kCount>
[[nodiscard]] Counts<L> count_below(const Numbers<L>& numbers, const std::array<float, kCount>& bounds) noexcept {
  Counts<L> counts;
  counts.fill(L::splat(0));
  for (const float bound : bounds) {
    for (size_t i = 0; i < counts.size(); ++i) {
      counts[i] = L::sub(counts[i], L::mask_bits(L::gt(numbers[i], L::splat(bound))));
    }
  }
  return counts;
}

struct Nf4 {
  static constexpr Values kValues = {
      -1.0F,         -0.696192801F, -0.525073051F, -0.394917488F, -0.284441382F, -0.18477343F, -0.0910500363F, 0,
      0.0795802996F, 0.160930201F,  0.246112302F,  0.337915242F,  0.440709829F,  0.562617004F, 0.722956836F,   1.0F};

  static constexpr std::array kBounds = {
      -0.8480964004993439F,  -0.6106329262256622F,   -0.4599952697753906F, -0.33967943489551544F, -0.23460740596055984F,
      -0.13791173323988914F, -0.045525018125772476F, 0.03979014977812767F, 0.1202552504837513F,   0.2035212516784668F,
      0.2920137718319893F,   0.3893125355243683F,    0.5016634166240692F,  0.6427869200706482F,   0.8614784181118011F};

  template <typename L>
  [[nodiscard]] static Counts<L> levels(const Numbers<L>& numbers) noexcept {
    return count_below<L>(numbers, kBounds);
  }
};

struct Fp4 {
  static constexpr Values kValues = {
      0.0F,  0.005208333333F,  0.66666667F,  1.0F,  0.33333333F,  0.5F,  0.16666667F,  0.25F,
      -0.0F, -0.005208333333F, -0.66666667F, -1.0F, -0.33333333F, -0.5F, -0.16666667F, -0.25F};

  /// Of magnitudes.
  static constexpr std::array kBounds = {0.00260417F, 0.0859375F, 0.20833333F, 0.29166667F,
                                         0.4166667F,  0.583333F,  0.8333333F};

  /// In ascending order of magnitudes, levels are 0, 1, 6, 7, 4, 5, 2, 3.
  template <typename L>
  [[nodiscard]] static Counts<L> levels(const Numbers<L>& numbers) noexcept {
    Numbers<L> magnitudes;
    for (size_t i = 0; i < numbers.size(); ++i) magnitudes[i] = L::abs(numbers[i]);
    Counts<L> levels = count_below<L>(magnitudes, kBounds);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const auto magnitude = L::bit_xor(levels[i], L::shl(L::bit_and(levels[i], L::splat(2)), 1));
      const auto is_negative = L::mask_bits(L::lt(numbers[i], L::splat(0.0F)));
      levels[i] = L::bit_or(magnitude, L::bit_and(is_negative, L::splat(8)));
    }
    return levels;
  }
};

/// The levels of 4·kWidth scaled weights with the bits above them set.
template <typename L, typename Format>
[[nodiscard]] typename L::Bytes level_bytes(const float* scaled) noexcept {
  Numbers<L> numbers;
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = L::load(scaled + i * L::kWidth);
  const Counts<L> levels = Format::template levels<L>(numbers);
  const auto bytes = L::narrow_unsigned(L::narrow(levels[0], levels[1]), L::narrow(levels[2], levels[3]));
  return L::bit_or(bytes, L::splat_bytes(0xF0));
}

/// Packs 8·kWidth scaled weights.
template <typename L, typename Format>
void encode_step(const float* scaled, uint8_t* packed) noexcept {
  const auto first = level_bytes<L, Format>(scaled);
  const auto low_first = L::template join_pairs<4>(first, level_bytes<L, Format>(scaled + 4 * L::kWidth));
  L::store_bytes(packed, L::bit_or(L::shl(low_first, 4), L::shr_logical(low_first, 4)));
}

/// Multiplies a block, whole vectors, with 1/absmax, or 0 where it is all zeros. Returns absmax as bits, which are in
/// the order of the numbers: NaN is above infinity.
template <typename L>
[[nodiscard]] uint32_t scale_block(const float* weights, size_t count, float* scaled) noexcept {
  auto largest = L::splat(0);
  for (size_t i = 0; i < count; i += L::kWidth) largest = L::max(largest, L::bits(L::abs(L::load(weights + i))));
  std::array<int32_t, L::kWidth> lanes;
  L::store(lanes.data(), largest);
  const auto bits = static_cast<uint32_t>(*std::max_element(lanes.begin(), lanes.end()));
  const auto inverse = L::splat(bits == 0 ? 0.0F : 1.0F / std::bit_cast<float>(bits));
  for (size_t i = 0; i < count; i += L::kWidth) L::store(scaled + i, L::mul(L::load(weights + i), inverse));
  return bits;
}

/// Encodes at most kMostWeights weights. What fills up the last byte has the level of zero.
template <typename L, typename Format>
uint32_t encode_piece(std::span<const float> weights, size_t block, uint8_t* packed, uint8_t* absmax) noexcept {
  constexpr size_t kStep = 8 * L::kWidth;
  std::array<float, kMostWeights> scaled;
  std::array<uint8_t, kMostWeights / 2> levels;
  const size_t filled = (weights.size() + kStep - 1) / kStep * kStep;
  std::fill_n(std::copy(weights.begin(), weights.end(), scaled.begin()), filled - weights.size(), 0.0F);
  uint32_t largest = 0;
  for (size_t at = 0; at < weights.size(); at += block, absmax += sizeof(float)) {
    const uint32_t bits = scale_block<L>(&scaled[at], std::min(block, filled - at), &scaled[at]);
    std::memcpy(absmax, &bits, sizeof bits);
    largest = std::max(largest, bits);
  }
  // Once more: where 1/absmax is infinite these are no zeros any more.
  std::fill(scaled.data() + weights.size(), scaled.data() + filled, 0.0F);
  for (size_t at = 0; at < filled; at += kStep) encode_step<L, Format>(&scaled[at], &levels[at / 2]);
  std::memcpy(packed, levels.data(), (weights.size() + 1) / 2);
  return largest;
}

template <typename L, typename Format>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  const size_t block = context.parameters.group_size;
  uint32_t largest = 0;
  for (size_t at = 0; at < weights.size(); at += kMostWeights) {
    const std::span<const float> piece = weights.subspan(at, std::min(kMostWeights, weights.size() - at));
    uint8_t* const absmax = planes[1].data() + at / block * sizeof(float);
    largest = std::max(largest, encode_piece<L, Format>(piece, block, planes[0].data() + at / 2, absmax));
  }
  const bool finite = largest < std::bit_cast<uint32_t>(std::numeric_limits<float>::infinity());
  return finite ? Status{} : find_not_finite(weights);
}

/// value · absmax in f32
template <typename Format>
void decode(const ConstPlanes& planes, const CodecParameters& parameters, std::span<float> weights) noexcept {
  const uint8_t* absmax = planes[1].data();
  for (size_t at = 0; at < weights.size(); at += parameters.group_size, absmax += sizeof(float)) {
    float scale;
    std::memcpy(&scale, absmax, sizeof scale);
    const size_t end = std::min<size_t>(at + parameters.group_size, weights.size());
    for (size_t i = at; i < end; ++i) {
      const uint8_t pair = planes[0][i / 2];
      weights[i] = Format::kValues[i % 2 == 0 ? pair >> 4 : pair & 15] * scale;
    }
  }
}

template <typename Format>
constexpr Codec codec(std::string_view name) noexcept {
  Codec made;
  made.name = name;
  made.planes = {{{"levels", ElementType::kU8, 1, 4}, {"absmax", ElementType::kF32, 0, 32}}};
  made.plane_count = 2;
  made.group_sizes = kBlockSizes;
  made.foreign = true;
  made.encode = encode<WasmLanes, Format>;
  made.decode = decode<Format>;
  return made;
}

template <typename Format>
constexpr CodecReference reference() noexcept {
  return {encode<ScalarLanes, Format>, decode<Format>};
}

}  // namespace

extern const Codec kOnnxBnbNf4;
constinit const Codec kOnnxBnbNf4 = codec<Nf4>("onnx_bnb_nf4");
extern const CodecReference kOnnxBnbNf4Reference;
constinit const CodecReference kOnnxBnbNf4Reference = reference<Nf4>();

extern const Codec kOnnxBnbFp4;
constinit const Codec kOnnxBnbFp4 = codec<Fp4>("onnx_bnb_fp4");
extern const CodecReference kOnnxBnbFp4Reference;
constinit const CodecReference kOnnxBnbFp4Reference = reference<Fp4>();

}  // namespace arrowquant
