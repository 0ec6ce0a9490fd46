// f16 as float16.py makes it of constants.

#include <array>
#include <cstring>

#include "codecs/codec.h"
#include "codecs/onnx/clamped_half.h"
#include "simd/half_arrays.h"
#include "simd/half_lanes.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

template <typename L>
void encode_lanes(const float* from, uint8_t* to) noexcept {
  L::store_u16(to, float_to_half<L>(onnx::clamp_for_half<L>(L::load(from))));
}

/// Takes anything: infinities and NaN stay what they are, as masks are made of them.
template <typename L>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& /*context*/) noexcept {
  uint8_t* const to = planes[0].data();
  const size_t whole = weights.size() - weights.size() % L::kWidth;
  for (size_t i = 0; i < whole; i += L::kWidth) encode_lanes<L>(&weights[i], to + 2 * i);
  std::array<float, L::kWidth> rest{};
  std::array<uint8_t, 2 * L::kWidth> halves;
  std::copy(weights.begin() + static_cast<ptrdiff_t>(whole), weights.end(), rest.begin());
  encode_lanes<L>(rest.data(), halves.data());
  std::memcpy(to + 2 * whole, halves.data(), 2 * (weights.size() - whole));
  return {};
}

void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  half_to_float(planes[0].data(), weights);
}

void decode_reference(const ConstPlanes& planes, const CodecParameters& /*parameters*/,
                      std::span<float> weights) noexcept {
  half_to_float_reference(planes[0].data(), weights);
}

}  // namespace

extern const Codec kOnnxF16;
constinit const Codec kOnnxF16 = {
    .name = "onnx_f16",
    .planes = {{{"values", ElementType::kF16, 1, 16}}},
    .foreign = true,
    .encode = encode<WasmLanes>,
    .decode = decode,
};

extern const CodecReference kOnnxF16Reference;
constinit const CodecReference kOnnxF16Reference = {encode<ScalarLanes>, decode_reference};

}  // namespace arrowquant
