#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <thread>
#include <vector>

#include "codecs/codec.h"

// Without threads there is no stack of theirs.
#if !defined(__wasm__) || defined(__wasm_atomics__)

namespace arrowquant::testing {
namespace {

std::vector<float> ramps(size_t count) {
  std::vector<float> weights(count);
  for (size_t i = 0; i < count; ++i) weights[i] = static_cast<float>(i % 251) - 125.0F;
  return weights;
}

/// Encodes and decodes with the codec's first parameters.
Status transcode(const Codec& codec, const std::vector<float>& weights) {
  const CodecParameters parameters{.bits = codec.bits.empty() ? 0 : codec.bits[0],
                                   .group_size = codec.group_sizes.empty() ? 0 : codec.group_sizes[0],
                                   .symmetric = false};
  std::array<std::vector<uint8_t>, kMostPlanes> memory;
  Planes planes;
  ConstPlanes written;
  for (size_t i = 0; i < codec.plane_count; ++i) {
    memory[i].resize(plane_bytes({&codec, parameters}, i, weights.size()));
    planes[i] = memory[i];
    written[i] = memory[i];
  }
  EncodeContext context;
  context.parameters = parameters;
  WeightRange range;
  static_cast<void>(scan_range(weights, range));
  context.range = &range;
  const Status status = codec.encode == nullptr ? Status{} : codec.encode(weights, planes, context);
  std::vector<float> restored(weights.size());
  codec.decode(written, parameters, restored);
  return status;
}

/// In the wasm build threads have the package's stack here, and one that leaves it ends the program.
TEST(ThreadStack, HoldsEveryCodec) {
  const std::vector<float> weights = ramps(4096);
  for (const Codec* const codec : codecs()) {
    Status status{StatusCode::kNotFinite, 0};
    std::thread([&] { status = transcode(*codec, weights); }).join();
    EXPECT_TRUE(status.ok()) << codec->name;
  }
}

}  // namespace
}  // namespace arrowquant::testing

#endif
