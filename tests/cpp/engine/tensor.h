#pragma once

#include <bit>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "engine/work.h"

namespace arrowquant::testing {

inline Encoding encoding_of(std::string_view name, CodecParameters parameters = {}) {
  return {find_codec(name), parameters};
}

inline Encoding affine_encoding(uint32_t bits, uint32_t group_size, bool symmetric = false) {
  return encoding_of("affine", {bits, group_size, symmetric});
}

/// The planes of a tensor, each in an allocation of exactly its size, so that the address sanitizer sees a step too
/// far.
class Tensor {
 public:
  Tensor(Encoding encoding, size_t weights) : weights_(weights), planes_(kMostPlanes) {
    operand_.encoding = encoding;
    for (size_t i = 0; i < encoding.codec->plane_count; ++i) {
      // Floats, for their alignment.
      planes_[i].assign((plane_bytes(i) + sizeof(float) - 1) / sizeof(float), std::bit_cast<float>(0xA5A5A5A5U));
    }
  }

  [[nodiscard]] static Tensor of_floats(std::span<const float> weights) {
    Tensor tensor({&kF32, {}}, weights.size());
    if (!weights.empty()) std::memcpy(tensor.planes_[0].data(), weights.data(), weights.size_bytes());
    return tensor;
  }

  /// What the reference instance makes of `weights`.
  [[nodiscard]] static Tensor encoded(Encoding encoding, std::span<const float> weights, EncodeContext context = {}) {
    Tensor tensor(encoding, weights.size());
    WeightRange range;
    static_cast<void>(scan_range_reference(weights, range));
    context.parameters = encoding.parameters;
    context.range = &range;
    tensor.status_ = reference_of(*encoding.codec).encode(weights, tensor.spans(), context);
    return tensor;
  }

  /// Of the encoding that made it.
  [[nodiscard]] Status status() const { return status_; }
  [[nodiscard]] size_t weights() const { return weights_; }

  [[nodiscard]] Operand operand(float scale = 1) {
    operand_.scale = scale;
    for (size_t i = 0; i < kMostPlanes; ++i) operand_.planes[i] = reinterpret_cast<uint8_t*>(planes_[i].data());
    return operand_;
  }

  [[nodiscard]] std::span<uint8_t> plane(size_t index) {
    return {reinterpret_cast<uint8_t*>(planes_[index].data()), plane_bytes(index)};
  }

  [[nodiscard]] Planes spans() { return {plane(0), plane(1), plane(2), plane(3)}; }

  [[nodiscard]] std::vector<std::vector<uint8_t>> bytes() {
    std::vector<std::vector<uint8_t>> all;
    for (const auto& span : spans()) all.emplace_back(span.begin(), span.end());
    return all;
  }

  [[nodiscard]] std::vector<float> decoded(float scale = 1) {
    std::vector<float> weights(weights_);
    const Planes all = spans();
    reference_of(*operand_.encoding.codec)
        .decode({all[0], all[1], all[2], all[3]}, operand_.encoding.parameters, weights);
    for (float& weight : weights) weight *= scale;
    return weights;
  }

 private:
  [[nodiscard]] size_t plane_bytes(size_t index) const {
    return static_cast<size_t>(arrowquant::plane_bytes(operand_.encoding, index, weights_));
  }

  size_t weights_;
  std::vector<std::vector<float>> planes_;
  Operand operand_;
  Status status_;
};

/// A Work that transcodes all of `source` into `target`.
inline Work transcoding(Tensor& source, Tensor& target, float scale = 1) {
  Work work;
  work.source = source.operand(scale);
  work.target = target.operand();
  work.weights = source.weights();
  return work;
}

}  // namespace arrowquant::testing
