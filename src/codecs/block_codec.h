#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "codecs/codec.h"

namespace arrowquant {

/// What is particular to a codec of ggml's blocks.
struct BlockTraits {
  std::string_view name;
  int32_t ggml_type;
  uint32_t block_weights;
  uint32_t block_bytes;
  bool searches;
  std::array<FileType, 3> file_types;
};

using EncodeBlocks = Status (*)(std::span<const float> weights, std::span<uint8_t> blocks) noexcept;
using DecodeBlocks = void (*)(std::span<const uint8_t> blocks, std::span<float> weights) noexcept;

template <EncodeBlocks kEncode>
Status encode_plane(std::span<const float> weights, const Planes& planes, const EncodeContext& /*context*/) noexcept {
  return kEncode(weights, planes[0]);
}

template <DecodeBlocks kDecode>
void decode_plane(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  kDecode(planes[0], weights);
}

/// A codec of llama.cpp: a fixed number of weights becomes a fixed number of bytes, each block on its own, and all
/// blocks lie in one plane.
///
/// `kEncode` fills it byte-equal to llama.cpp's reference quantizer without an importance matrix. A block whose scale
/// is infinite in f16 gives kScaleOverflow; so does a block of Q3_K, Q6_K or IQ4_XS for which llama.cpp's sums in f32
/// overflow, so that it would decode those weights to zeros. `kDecode` is bit-equal to `dequantize_row_*`.
template <EncodeBlocks kEncode, DecodeBlocks kDecode>
[[nodiscard]] constexpr Codec block_codec(const BlockTraits& traits) noexcept {
  Codec codec;
  codec.name = traits.name;
  codec.block_weights = traits.block_weights;
  codec.planes[0] = {"blocks", ElementType::kU8, traits.block_weights, 8 * traits.block_bytes};
  codec.searches = traits.searches;
  codec.ggml_type = traits.ggml_type;
  codec.file_types = traits.file_types;
  codec.encode = encode_plane<kEncode>;
  codec.decode = decode_plane<kDecode>;
  return codec;
}

template <EncodeBlocks kEncode, DecodeBlocks kDecode>
[[nodiscard]] constexpr CodecReference block_reference() noexcept {
  return {encode_plane<kEncode>, decode_plane<kDecode>};
}

}  // namespace arrowquant
