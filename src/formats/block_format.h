#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"

namespace arrowquant {

/// A llama.cpp block format: a fixed number of weights becomes a fixed number of bytes, each block on its own.
///
/// `encode*` takes whole blocks (`weights.size()` is a multiple of `block_weights`) and fills
/// `weights.size() / block_weights * block_bytes` bytes, byte-equal to llama.cpp's reference quantizer without an
/// importance matrix. NaN and infinities give kNotFinite with the index of the first one; a block whose scale is
/// infinite in f16 gives kScaleOverflow with the index of its first weight. So does a block of Q3_K, Q6_K or IQ4_XS
/// for which llama.cpp's sums in f32 overflow, so that it would decode those weights to zeros. On an error the output
/// is unspecified. `decode*` is the inverse, bit-equal to llama.cpp's `dequantize_row_*`, and accepts any bytes. The
/// `_reference` pair is the scalar instance; the other pair is what runs. They agree on every input.
struct BlockFormat {
  std::string_view name;
  uint32_t ggml_type;
  uint32_t block_weights;
  uint32_t block_bytes;
  bool searches;  ///< Encoding tries many scales for each block, which takes some twenty times as long.
  Status (*encode)(std::span<const float> weights, std::span<uint8_t> blocks) noexcept;
  Status (*encode_reference)(std::span<const float> weights, std::span<uint8_t> blocks) noexcept;
  void (*decode)(std::span<const uint8_t> blocks, std::span<float> weights) noexcept;
  void (*decode_reference)(std::span<const uint8_t> blocks, std::span<float> weights) noexcept;
};

/// Every block format, in the order of formats.def.
[[nodiscard]] std::span<const BlockFormat* const> block_formats() noexcept;

/// nullptr when the name is unknown.
[[nodiscard]] const BlockFormat* find_block_format(std::string_view name) noexcept;

}  // namespace arrowquant
