#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "codecs/codec.h"
#include "codecs/importance.h"

namespace arrowquant {

/// What is particular to a codec of ggml's blocks.
struct BlockTraits {
  std::string_view name;
  int32_t ggml_type;
  uint32_t block_weights;
  uint32_t block_bytes;
  bool searches;
  std::array<FileType, 3> file_types = {};
  bool needs_importance = false;
  bool needs_rows_to_weigh = false;
};

using EncodeBlocks = Status (*)(std::span<const float> weights, std::span<uint8_t> blocks) noexcept;
using DecodeBlocks = void (*)(std::span<const uint8_t> blocks, std::span<float> weights) noexcept;

/// Encodes whole blocks of one row, or of several where nobody says how much each column counts. `importance` has a
/// number for each of the weights; nullptr stands for ones. With needs_rows_to_weigh, and anything to weigh, it is one
/// whole row.
using SearchBlocks = Status (*)(std::span<const float> weights, const float* importance,
                                std::span<uint8_t> blocks) noexcept;

/// Whether there is such a search. Compilers that look for faults do not take a comparison with nullptr for a constant.
template <SearchBlocks kSearch>
inline constexpr bool kIsGiven = true;
template <>
inline constexpr bool kIsGiven<nullptr> = false;

/// Runs `search` on each row, or part of one, that the weights consist of.
inline Status search_rows(SearchBlocks search, std::span<const float> weights, std::span<uint8_t> blocks,
                          const EncodeContext& context) noexcept {
  const size_t all = weights.size();
  const auto bytes_of = [&](size_t count) noexcept {
    return static_cast<size_t>(uint64_t{count} * blocks.size() / all);
  };
  return for_each_row(context, all, [&](size_t at, size_t count, const float* importance) noexcept {
    return search(weights.subspan(at, count), importance, blocks.subspan(bytes_of(at), bytes_of(count)));
  });
}

/// `kWeighted` is the search for who knows how much each column counts, `kBest` that of the most effort; nullptr where
/// there is none: less effort does then.
template <EncodeBlocks kEncode, SearchBlocks kWeighted = nullptr, SearchBlocks kBest = nullptr>
Status encode_plane(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  const bool has_rows = context.row_weights > 0 && (!context.importance.empty() || context.effort == Effort::kBetter);
  const auto search = [&](SearchBlocks one) noexcept {
    return has_rows ? search_rows(one, weights, planes[0], context) : one(weights, nullptr, planes[0]);
  };
  if constexpr (kIsGiven<kBest>) {
    if (context.effort == Effort::kBest) return search(kBest);
  }
  if constexpr (kIsGiven<kWeighted>) {
    if (context.effort > Effort::kReference || !context.importance.empty()) return search(kWeighted);
  }
  return kEncode(weights, planes[0]);
}

template <DecodeBlocks kDecode>
void decode_plane(const ConstPlanes& planes, const CodecParameters& /*parameters*/, std::span<float> weights) noexcept {
  kDecode(planes[0], weights);
}

/// A codec of llama.cpp: a fixed number of weights becomes a fixed number of bytes, each block on its own but for what
/// is said of needs_rows_to_weigh, and all blocks lie in one plane.
///
/// `kEncode` fills it byte-equal to llama.cpp's reference quantizer without an importance matrix, `kWeighted`
/// byte-equal to `ggml_quantize_chunk` with one. `kBest` fills it so that the error of each block, squared and weighed
/// by importance, is at most that of what `kEncode`, or with importance `kWeighted`, gives. A block whose scale is
/// infinite in f16 gives kScaleOverflow; so does a block of Q3_K, Q6_K or IQ4_XS for which llama.cpp's sums in f32
/// overflow, so that it would decode those weights to zeros. `kDecode` is bit-equal to `dequantize_row_*`.
template <EncodeBlocks kEncode, DecodeBlocks kDecode, SearchBlocks kWeighted = nullptr, SearchBlocks kBest = nullptr>
[[nodiscard]] constexpr Codec block_codec(const BlockTraits& traits) noexcept {
  Codec codec;
  codec.name = traits.name;
  codec.block_weights = traits.block_weights;
  codec.planes[0] = {"blocks", ElementType::kU8, traits.block_weights, 8 * traits.block_bytes};
  codec.searches = traits.searches;
  codec.uses_importance = kIsGiven<kWeighted> || kIsGiven<kBest>;
  codec.weighs_from = kIsGiven<kBest> && !kIsGiven<kWeighted> ? Effort::kBest : Effort::kReference;
  codec.needs_importance = traits.needs_importance;
  codec.needs_rows_to_weigh = traits.needs_rows_to_weigh;
  codec.most_effort = kIsGiven<kBest> ? Effort::kBest : kIsGiven<kWeighted> ? Effort::kBetter : Effort::kReference;
  codec.ggml_type = traits.ggml_type;
  codec.file_types = traits.file_types;
  codec.encode = encode_plane<kEncode, kWeighted, kBest>;
  codec.decode = decode_plane<kDecode>;
  return codec;
}

template <EncodeBlocks kEncode, DecodeBlocks kDecode, SearchBlocks kWeighted = nullptr, SearchBlocks kBest = nullptr>
[[nodiscard]] constexpr CodecReference block_reference() noexcept {
  return {encode_plane<kEncode, kWeighted, kBest>, decode_plane<kDecode>};
}

}  // namespace arrowquant
