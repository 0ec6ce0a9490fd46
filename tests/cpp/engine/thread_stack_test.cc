#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "formats/block_format.h"

namespace arrowquant::testing {
namespace {

std::vector<float> ramps(size_t count) {
  std::vector<float> weights(count);
  for (size_t i = 0; i < count; ++i) weights[i] = static_cast<float>(i % 251) - 125.0F;
  return weights;
}

#if !defined(__wasm__) || defined(__wasm_atomics__)
/// In the wasm build threads have the package's stack here, and one that leaves it ends the program.
TEST(ThreadStack, HoldsEveryFormat) {
  const std::vector<float> weights = ramps(4096);
  for (const BlockFormat* const format : block_formats()) {
    Status status{StatusCode::kNotFinite, 0};
    std::thread([&] {
      std::vector<uint8_t> blocks(weights.size() / format->block_weights * format->block_bytes);
      std::vector<float> restored(weights.size());
      status = format->encode(weights, blocks);
      format->decode(blocks, restored);
    }).join();
    EXPECT_TRUE(status.ok()) << format->name;
  }
}
#endif

}  // namespace
}  // namespace arrowquant::testing
