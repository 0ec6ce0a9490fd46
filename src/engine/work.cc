#include "engine/work.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "simd/half_arrays.h"
#include "simd/magnitude.h"

namespace arrowquant {
namespace {

bool is_affine(const Work& work) noexcept {
  return work.operation != Operation::kEncodeBlock && work.operation != Operation::kDecodeBlock;
}

/// The memory of a Work is there, so that its sizes fit.
size_t in_memory(uint64_t size) noexcept { return static_cast<size_t>(size); }

size_t groups(const Work& work, size_t weights) noexcept {
  if (work.affine.group_size == 0) return 0;
  return in_memory(affine_group_count(weights, work.affine.group_size));
}

std::span<uint8_t> encoded_of(const Work& work) noexcept {
  return {work.encoded, in_memory(encoded_bytes(work, work.weights))};
}

/// Whether the input is what the kernels take.
bool is_plain(const Work& work) noexcept {
  return work.source == FloatType::kF32 && work.source_format == nullptr && work.source_scale == 1;
}

void widen(FloatType type, const uint8_t* from, std::span<float> to) noexcept {
  switch (type) {
    case FloatType::kF32:
      std::memcpy(to.data(), from, to.size_bytes());
      break;
    case FloatType::kF16:
      half_to_float(from, to);
      break;
    case FloatType::kBF16:
      bfloat16_to_float(from, to);
      break;
    case FloatType::kF8E4M3:
      e4m3_to_float(from, to);
      break;
    case FloatType::kF8E5M2:
      e5m2_to_float(from, to);
      break;
  }
}

/// `count` weights from `first` on as f32: in place where they are that already, else converted into `buffer`.
std::span<const float> load_piece(const Work& work, size_t first, size_t count, std::span<float> buffer) noexcept {
  const uint8_t* from = work.input + in_memory(source_bytes(work, first));
  if (is_plain(work)) return {reinterpret_cast<const float*>(from), count};
  const std::span<float> to = buffer.first(count);
  if (work.source_format != nullptr) {
    work.source_format->decode({from, in_memory(source_bytes(work, count))}, to);
    return to;
  }
  widen(work.source, from, to);
  if (work.source_scale != 1) {
    for (float& weight : to) weight *= work.source_scale;
  }
  return to;
}

void store_piece(const Work& work, size_t first, std::span<const float> weights) noexcept {
  uint8_t* to = work.output + first * float_bytes(work.target);
  switch (work.target) {
    case FloatType::kF32:
      if (reinterpret_cast<const uint8_t*>(weights.data()) != to) std::memcpy(to, weights.data(), weights.size_bytes());
      break;
    case FloatType::kF16:
      float_to_half(weights, to);
      break;
    case FloatType::kBF16:
      float_to_bfloat16(weights, to);
      break;
    case FloatType::kF8E4M3:
    case FloatType::kF8E5M2:
      break;
  }
}

constexpr uint32_t kInfinityBits = 0x7F800000;

/// The least magnitude that is infinite in `type`, as bits. Halfway between the largest number and what would be the
/// next, rounding half to even goes up.
constexpr uint32_t overflow_bits(FloatType type) noexcept {
  if (type == FloatType::kF16) return std::bit_cast<uint32_t>(65520.0F);
  return type == FloatType::kBF16 ? 0x7F7F8000 : kInfinityBits;
}

/// Whether all weights are finite, and stay so in `type`.
Status check_fit(std::span<const float> weights, FloatType type) noexcept {
  const uint32_t overflow = overflow_bits(type);
  if (largest_magnitude(weights) < overflow) return {};
  const auto magnitude = [](float weight) noexcept { return std::bit_cast<uint32_t>(weight) & 0x7FFFFFFF; };
  const auto first =
      std::find_if(weights.begin(), weights.end(), [&](float weight) { return magnitude(weight) >= overflow; });
  const auto code = magnitude(*first) < kInfinityBits ? StatusCode::kFloatOverflow : StatusCode::kNotFinite;
  return {code, static_cast<uint64_t>(first - weights.begin())};
}

AffineOutput affine_output(const Work& part) noexcept {
  const size_t count = groups(part, part.weights);
  return {encoded_of(part), {part.scales, count}, {part.zero_points, count}};
}

Status encode_piece(const Work& part, std::span<const float> weights) noexcept {
  if (part.operation == Operation::kEncodeBlock) {
    return part.format->encode(weights, encoded_of(part));
  }
  if (part.operation == Operation::kEncodeAffineScaled) {
    return encode_affine_scaled(weights, part.affine.bits, part.scale, encoded_of(part));
  }
  return encode_affine(weights, part.affine, affine_output(part));
}

void decode_piece(const Work& part, std::span<float> weights) noexcept {
  const std::span<const uint8_t> encoded = encoded_of(part);
  if (part.operation == Operation::kEncodeBlock || part.operation == Operation::kDecodeBlock) {
    part.format->decode(encoded, weights);
    return;
  }
  if (part.operation == Operation::kEncodeAffineScaled) {
    AffineParameters parameters = part.affine;
    parameters.group_size = 0;
    decode_affine({encoded, {&part.scale.scale, 1}, {&part.scale.zero_point, 1}}, parameters, weights);
    return;
  }
  const size_t count = part.affine.group_size == 0 ? 1 : groups(part, part.weights);
  decode_affine({encoded, {part.scales, count}, {part.zero_points, count}}, part.affine, weights);
}

Outcome scan(const Work& work, Scratch& scratch) noexcept {
  Outcome outcome;
  for (size_t first = 0; first < work.weights; first += kPieceWeights) {
    const size_t count = std::min(kPieceWeights, work.weights - first);
    AffineRange range;
    const Status status = scan_affine_range(load_piece(work, first, count, scratch.weights), range);
    if (!status.ok()) {
      outcome.status = status.offset_by(first);
      return outcome;
    }
    outcome.range.merge(range);
  }
  return outcome;
}

Outcome encode(const Work& work, Scratch& scratch) noexcept {
  Outcome outcome;
  // Nothing has to be converted or decoded: the kernel may see the chunk whole.
  const size_t step = is_plain(work) && !work.measure ? kChunkWeights : kPieceWeights;
  for (size_t first = 0; first < work.weights; first += step) {
    const size_t count = std::min(step, work.weights - first);
    const Work part = slice(work, first, count);
    const std::span<const float> weights = load_piece(work, first, count, scratch.weights);
    const Status status = encode_piece(part, weights);
    if (!status.ok()) {
      outcome.status = status.offset_by(first);
      return outcome;
    }
    if (!work.measure) continue;
    const std::span<float> restored = std::span(scratch.restored).first(count);
    decode_piece(part, restored);
    outcome.error.add(measure_error(weights, restored));
  }
  return outcome;
}

/// One group over everything: its extent, then its levels.
Outcome encode_whole(const Work& work, Scratch& scratch) noexcept {
  Outcome outcome = scan(work, scratch);
  if (!outcome.status.ok()) return outcome;
  Work scaled = work;
  scaled.operation = Operation::kEncodeAffineScaled;
  scaled.scale = affine_scale(outcome.range, work.affine.bits, work.affine.symmetric);
  *work.scales = scaled.scale.scale;
  *work.zero_points = scaled.scale.zero_point;
  return encode(scaled, scratch);
}

Outcome decode(const Work& work, Scratch& scratch) noexcept {
  for (size_t first = 0; first < work.weights; first += kPieceWeights) {
    const size_t count = std::min(kPieceWeights, work.weights - first);
    const std::span<float> to = work.target == FloatType::kF32
                                    ? std::span(reinterpret_cast<float*>(work.output) + first, count)
                                    : std::span(scratch.restored).first(count);
    decode_piece(slice(work, first, count), to);
    store_piece(work, first, to);
  }
  return {};
}

Outcome convert(const Work& work, Scratch& scratch) noexcept {
  Outcome outcome;
  Work stored = work;
  stored.input = work.output;
  stored.source = work.target;
  stored.source_scale = 1;
  stored.source_format = nullptr;
  for (size_t first = 0; first < work.weights; first += kPieceWeights) {
    const size_t count = std::min(kPieceWeights, work.weights - first);
    const std::span<const float> weights = load_piece(work, first, count, scratch.weights);
    const Status status = work.checked ? check_fit(weights, work.target) : Status{};
    if (!status.ok()) {
      outcome.status = status.offset_by(first);
      return outcome;
    }
    store_piece(work, first, weights);
    if (work.measure) outcome.error.add(measure_error(weights, load_piece(stored, first, count, scratch.restored)));
  }
  return outcome;
}

}  // namespace

uint64_t source_bytes(const Work& work, uint64_t weights) noexcept {
  if (work.source_format == nullptr) return weights * float_bytes(work.source);
  return weights / work.source_format->block_weights * work.source_format->block_bytes;
}

uint64_t encoded_bytes(const Work& work, uint64_t weights) noexcept {
  if (is_affine(work)) return affine_packed_bytes(weights, work.affine.bits);
  return weights / work.format->block_weights * work.format->block_bytes;
}

NeededBytes needed_bytes(const Work& work) noexcept {
  NeededBytes bytes;
  if (work.operation == Operation::kCall || work.weights == 0) return bytes;
  const bool decodes = work.operation == Operation::kDecodeAffine || work.operation == Operation::kDecodeBlock;
  const bool converts = work.operation == Operation::kConvert;
  if (!decodes) bytes.input = source_bytes(work, work.weights);
  if (decodes || converts) bytes.output = uint64_t{work.weights} * float_bytes(work.target);
  if (!converts && work.operation != Operation::kScanAffine) bytes.encoded = encoded_bytes(work, work.weights);
  if (work.operation == Operation::kEncodeAffine || work.operation == Operation::kDecodeAffine) {
    const uint32_t size = work.affine.group_size;
    bytes.zero_points = size == 0 ? 1 : affine_group_count(work.weights, size);
    bytes.scales = bytes.zero_points * sizeof(float);
  }
  return bytes;
}

bool is_quick(const Work& work) noexcept { return work.operation != Operation::kEncodeBlock || !work.format->searches; }

Work slice(const Work& work, size_t first, size_t weights) noexcept {
  Work part = work;
  part.weights = weights;
  if (work.input != nullptr) part.input = work.input + in_memory(source_bytes(work, first));
  if (work.output != nullptr) part.output = work.output + first * float_bytes(work.target);
  if (work.encoded != nullptr) part.encoded = work.encoded + in_memory(encoded_bytes(work, first));
  if (work.scales != nullptr) part.scales = work.scales + groups(work, first);
  if (work.zero_points != nullptr) part.zero_points = work.zero_points + groups(work, first);
  return part;
}

Outcome execute(const Work& work, Scratch& scratch) noexcept {
  switch (work.operation) {
    case Operation::kEncodeAffine:
      return work.affine.group_size == 0 ? encode_whole(work, scratch) : encode(work, scratch);
    case Operation::kEncodeAffineScaled:
    case Operation::kEncodeBlock:
      return encode(work, scratch);
    case Operation::kScanAffine:
      return scan(work, scratch);
    case Operation::kDecodeAffine:
    case Operation::kDecodeBlock:
      return decode(work, scratch);
    case Operation::kConvert:
      return convert(work, scratch);
    case Operation::kCall:
      work.call(work.context);
      return {};
  }
  return {.status = {StatusCode::kInvalidArgument, 0}, .error = {}, .range = {}};
}

}  // namespace arrowquant
