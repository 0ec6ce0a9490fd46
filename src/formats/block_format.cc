#include "formats/block_format.h"

#include <algorithm>
#include <array>

namespace arrowquant {

#define ARROWQUANT_BLOCK_FORMAT(constant) extern const BlockFormat constant;
#include "formats/formats.def"
#undef ARROWQUANT_BLOCK_FORMAT

namespace {

#define ARROWQUANT_BLOCK_FORMAT(constant) &(constant),
constexpr std::array kFormats = {
#include "formats/formats.def"
};
#undef ARROWQUANT_BLOCK_FORMAT

}  // namespace

std::span<const BlockFormat* const> block_formats() noexcept { return kFormats; }

const BlockFormat* find_block_format(std::string_view name) noexcept {
  const auto found =
      std::find_if(kFormats.begin(), kFormats.end(), [&](const auto* format) { return format->name == name; });
  return found == kFormats.end() ? nullptr : *found;
}

}  // namespace arrowquant
