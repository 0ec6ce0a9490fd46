// What DynamicQuantizeLinear's partners of ONNX Runtime are given: a byte for each weight, one scale and one zero point
// for a tensor, as its quantize_data (onnxruntime/python/tools/quantization/quant_utils.py) computes them.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "codecs/codec.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

constexpr size_t kLevels = 0;
constexpr size_t kScales = 1;
constexpr size_t kZeroPoints = 2;

/// What is computed of the extent of a tensor, and what the bytes are.
enum class Kind : uint8_t {
  kSigned,         ///< −127…127, the zero point is 0
  kUnsigned,       ///< 0…255; the extent in f64
  kUnsignedInF32,  ///< the same with the extent in f32, as onnxruntime did before 1.24
};

struct ByteScale {
  float scale;
  int32_t zero_point;
};

/// Of extents whose scale would be no normal float, the scale is 1 and the zero point 0.
ByteScale byte_scale(const WeightRange& range, Kind kind) noexcept {
  const bool is_signed = kind == Kind::kSigned;
  const double lo = is_signed ? -std::max(-range.lo, range.hi) : range.lo;
  const double hi = is_signed ? -lo : double{range.hi};
  const double extent = kind == Kind::kUnsignedInF32 ? double{range.hi - range.lo} : hi - lo;
  const double scale = extent / (is_signed ? 254 : 255);
  if (scale < double{std::numeric_limits<float>::min()}) return {1, 0};
  return {static_cast<float>(scale), is_signed ? 0 : static_cast<int32_t>(std::nearbyint(-lo / scale))};
}

/// Encodes 4·kWidth weights. Adds 0 to `zeros`, or NaN where one is not finite.
template <typename L, Kind kKind>
void encode_step(const float* weights, const ByteScale& scale, typename L::F32& zeros, uint8_t* to) noexcept {
  constexpr float kFar = 1024;  // no level, and what round_magic takes
  const auto level = [&](size_t i) noexcept {
    const auto x = L::load(weights + i * L::kWidth);
    zeros = L::add(zeros, L::mul(x, L::splat(0.0F)));
    const auto steps = L::div(x, L::splat(scale.scale));
    const auto near = L::pmin(L::pmax(steps, L::splat(-kFar)), L::splat(kFar));
    return L::add(L::round_magic(near), L::splat(scale.zero_point));
  };
  const auto low = L::narrow(level(0), level(1));
  const auto high = L::narrow(level(2), level(3));
  L::store_bytes(to, kKind == Kind::kSigned ? L::narrow_signed(low, high) : L::narrow_unsigned(low, high));
}

/// level = clamp(rne(x / scale) + zero_point), the quotient in f32.
template <typename L, Kind kKind>
bool encode_levels(std::span<const float> weights, const ByteScale& scale, uint8_t* to) noexcept {
  constexpr size_t kStep = 4 * L::kWidth;
  auto zeros = L::splat(0.0F);
  const size_t whole = weights.size() - weights.size() % kStep;
  for (size_t at = 0; at < whole; at += kStep) encode_step<L, kKind>(&weights[at], scale, zeros, to + at);
  std::array<float, kStep> rest{};
  std::array<uint8_t, kStep> levels;
  std::copy(weights.begin() + static_cast<ptrdiff_t>(whole), weights.end(), rest.begin());
  encode_step<L, kKind>(rest.data(), scale, zeros, levels.data());
  std::memcpy(to + whole, levels.data(), weights.size() - whole);
  return L::all(L::eq(zeros, L::splat(0.0F)));
}

/// Each part of a tensor writes the same scale and zero point.
template <typename L, Kind kKind>
Status encode(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  if (weights.empty()) return {};
  if (context.range == nullptr) return {StatusCode::kInvalidArgument, 0};
  const ByteScale scale = byte_scale(*context.range, kKind);
  if (!std::isfinite(scale.scale)) return {StatusCode::kScaleOverflow, 0};
  std::memcpy(planes[kScales].data(), &scale.scale, sizeof scale.scale);
  planes[kZeroPoints][0] = static_cast<uint8_t>(scale.zero_point);
  return encode_levels<L, kKind>(weights, scale, planes[kLevels].data()) ? Status{} : find_not_finite(weights);
}

template <Kind kKind>
int32_t level_of(uint8_t byte) noexcept {
  return kKind == Kind::kSigned ? int32_t{static_cast<int8_t>(byte)} : int32_t{byte};
}

/// (level − zero_point)·scale in f32.
template <Kind kKind>
void decode(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  if (weights.empty()) return;
  float scale;
  std::memcpy(&scale, planes[kScales].data(), sizeof scale);
  const int32_t zero_point = level_of<kKind>(planes[kZeroPoints][0]);
  const uint8_t* level = planes[kLevels].data();
  for (float& weight : weights) weight = static_cast<float>(level_of<kKind>(*level++) - zero_point) * scale;
}

Status check(const ConstPlanes& planes, const CodecParameters& /*parameters*/, size_t weights) noexcept {
  if (weights == 0) return {};
  float scale;
  std::memcpy(&scale, planes[kScales].data(), sizeof scale);
  return std::isfinite(scale) ? Status{} : Status{StatusCode::kInvalidPlanes, 0};
}

template <Kind kKind>
constexpr Codec codec(std::string_view name) noexcept {
  Codec made;
  made.name = name;
  made.planes = {{{"levels", ElementType::kU8, 1, 8},
                  {"scales", ElementType::kF32, kWholeTensor, 32},
                  {"zero_points", ElementType::kU8, kWholeTensor, 8}}};
  made.plane_count = 3;
  made.needs_range = true;
  made.foreign = true;
  made.encode = encode<WasmLanes, kKind>;
  made.decode = decode<kKind>;
  made.check = check;
  return made;
}

template <Kind kKind>
constexpr CodecReference reference() noexcept {
  return {encode<ScalarLanes, kKind>, decode<kKind>};
}

}  // namespace

extern const Codec kOnnxInt8;
constinit const Codec kOnnxInt8 = codec<Kind::kSigned>("onnx_int8");
extern const CodecReference kOnnxInt8Reference;
constinit const CodecReference kOnnxInt8Reference = reference<Kind::kSigned>();

extern const Codec kOnnxUint8;
constinit const Codec kOnnxUint8 = codec<Kind::kUnsigned>("onnx_uint8");
extern const CodecReference kOnnxUint8Reference;
constinit const CodecReference kOnnxUint8Reference = reference<Kind::kUnsigned>();

extern const Codec kOnnxUint8F32;
constinit const Codec kOnnxUint8F32 = codec<Kind::kUnsignedInF32>("onnx_uint8_f32");
extern const CodecReference kOnnxUint8F32Reference;
constinit const CodecReference kOnnxUint8F32Reference = reference<Kind::kUnsignedInF32>();

}  // namespace arrowquant
