#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "codecs/codec.h"

namespace arrowquant::testing {

/// One of the functions of a codec of blocks, without what blocks have no use for.
struct EncodeBlocks {
  Codec::Encode encode;

  Status operator()(std::span<const float> weights, std::span<uint8_t> blocks) const {
    return encode(weights, {blocks}, {});
  }
  bool operator==(const EncodeBlocks&) const = default;
};

struct DecodeBlocks {
  Codec::Decode decode;

  void operator()(std::span<const uint8_t> blocks, std::span<float> weights) const { decode({blocks}, {}, weights); }
  bool operator==(const DecodeBlocks&) const = default;
};

/// A codec of ggml's blocks.
struct BlockCodec {
  std::string_view name;
  int32_t ggml_type;
  uint32_t block_weights;
  uint32_t block_bytes;
  EncodeBlocks encode;
  EncodeBlocks encode_reference;
  DecodeBlocks decode;
  DecodeBlocks decode_reference;

  explicit BlockCodec(const Codec& codec)
      : name(codec.name),
        ggml_type(codec.ggml_type),
        block_weights(codec.block_weights),
        block_bytes(static_cast<uint32_t>(plane_bytes({&codec, {}}, 0, codec.block_weights))),
        encode{codec.encode},
        encode_reference{reference_of(codec).encode},
        decode{codec.decode},
        decode_reference{reference_of(codec).decode} {}
};

/// All of them, in the order of codecs.def.
inline const std::vector<BlockCodec>& block_codecs() {
  static const std::vector<BlockCodec> all = [] {
    std::vector<BlockCodec> found;
    for (const Codec* codec : codecs()) {
      if (codec->ggml_type >= 0 && codec->block_weights > 1) found.emplace_back(*codec);
    }
    return found;
  }();
  return all;
}

/// nullptr when the name is unknown.
inline const BlockCodec* find_block_codec(std::string_view name) {
  for (const BlockCodec& codec : block_codecs()) {
    if (codec.name == name) return &codec;
  }
  return nullptr;
}

}  // namespace arrowquant::testing
