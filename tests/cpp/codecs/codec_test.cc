#include "codecs/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "codecs/weight_sets.h"
#include "engine/tensor.h"
#include "engine/work.h"

namespace arrowquant::testing {
namespace {

/// Every codec with all of its parameters.
std::vector<Encoding> all_encodings() {
  std::vector<Encoding> all;
  const auto or_none = [](std::span<const uint32_t> values) {
    return values.empty() ? std::vector<uint32_t>{0} : std::vector<uint32_t>(values.begin(), values.end());
  };
  for (const Codec* codec : codecs()) {
    for (const uint32_t bits : or_none(codec->bits)) {
      for (const uint32_t group_size : or_none(codec->group_sizes)) {
        all.push_back({codec, {bits, group_size, false}});
        if (codec->symmetric) all.push_back({codec, {bits, group_size, true}});
      }
    }
  }
  return all;
}

TEST(Codecs, AreFoundByNameAndHaveWhatTheEngineCountsOn) {
  std::set<std::string_view> names;
  for (const Codec* codec : codecs()) {
    SCOPED_TRACE(codec->name);
    EXPECT_TRUE(names.insert(codec->name).second);
    EXPECT_EQ(find_codec(codec->name), codec);
    EXPECT_GE(codec->plane_count, 1U);
    EXPECT_LE(codec->plane_count, kMostPlanes);
    EXPECT_EQ(codec->encode == nullptr, reference_of(*codec).encode == nullptr);
    EXPECT_NE(codec->decode, nullptr);
    EXPECT_NE(reference_of(*codec).decode, nullptr);
  }
  EXPECT_EQ(find_codec("Q8"), nullptr);
  EXPECT_EQ(find_codec(""), nullptr);
  for (const Encoding& encoding : all_encodings()) {
    EXPECT_TRUE(is_valid(encoding));
    EXPECT_LE(aligned_weights(encoding), kMostAlignedWeights);
    EXPECT_EQ(kPieceWeights % aligned_weights(encoding), 0U) << encoding.codec->name;
    for (size_t i = 0; i < kMostPlanes; ++i) {
      if (!is_shared(encoding, i)) continue;
      EXPECT_LE(plane_bytes(encoding, i, 1), kMostSharedBytes);
      EXPECT_TRUE(needs_range(encoding));
    }
  }
}

TEST(Codecs, RefuseParametersThatTheyHaveNot) {
  EXPECT_FALSE(is_valid({}));
  EXPECT_FALSE(is_valid({find_codec("Q4_0"), {4, 0, false}}));
  EXPECT_FALSE(is_valid({find_codec("F16"), {0, 0, true}}));
  EXPECT_FALSE(is_valid({find_codec("affine"), {}}));
  EXPECT_FALSE(is_valid({find_codec("affine"), {3, 32, false}}));
  EXPECT_FALSE(is_valid({find_codec("affine"), {4, 48, false}}));
  EXPECT_TRUE(is_valid({find_codec("affine"), {4, 0, true}}));
}

TEST(CodecPlanes, TakeTheBytesOfTheirUnits) {
  const auto list = [](const Encoding& encoding, uint64_t weights) {
    std::vector<uint64_t> bytes;
    for (size_t i = 0; i < encoding.codec->plane_count; ++i) bytes.push_back(plane_bytes(encoding, i, weights));
    EXPECT_EQ(plane_bytes(encoding, encoding.codec->plane_count, weights), 0U);
    return bytes;
  };
  using List = std::vector<uint64_t>;
  EXPECT_EQ(list(encoding_of("F32"), 1000), (List{4000}));
  EXPECT_EQ(list(encoding_of("BF16"), 1000), (List{2000}));
  EXPECT_EQ(list(encoding_of("F8_E4M3"), 1000), (List{1000}));
  EXPECT_EQ(list(encoding_of("Q8_0"), 320), (List{340}));
  EXPECT_EQ(list(affine_encoding(4, 64), 1000), (List{500, 64, 16}));
  EXPECT_EQ(list(affine_encoding(4, 64), 1001), (List{501, 64, 16}));
  EXPECT_EQ(list(affine_encoding(2, 0), 1001), (List{251, 4, 1}));
  EXPECT_EQ(list(affine_encoding(8, 0), 0), (List{0, 0, 0}));
  EXPECT_EQ(list(affine_encoding(8, 32), 33), (List{33, 8, 2}));
  const uint64_t most = uint64_t{1} << 53;
  EXPECT_EQ(list(encoding_of("F32"), most), (List{4 * most}));
  EXPECT_EQ(list(affine_encoding(4, 32), most), (List{most / 2, most / 8, most / 32}));
}

TEST(CodecInstances, AgreeOnEveryKindOfWeights) {
  for (const Encoding& encoding : all_encodings()) {
    if (encoding.codec->encode == nullptr) continue;
    for (const auto& [name, weights] : weight_sets(1024, 30)) {
      SCOPED_TRACE(std::string(encoding.codec->name) + ' ' + name);
      Tensor expected = Tensor::encoded(encoding, weights);
      Tensor actual(encoding, weights.size());
      WeightRange range;
      ASSERT_TRUE(scan_range(weights, range).ok());
      EncodeContext context;
      context.parameters = encoding.parameters;
      context.range = &range;
      const Status status = encoding.codec->encode(weights, actual.spans(), context);
      EXPECT_EQ(status.code, expected.status().code);
      EXPECT_EQ(status.position, expected.status().position);
      if (!status.ok()) continue;
      EXPECT_EQ(actual.bytes(), expected.bytes());
      std::vector<float> restored(weights.size());
      const Planes planes = actual.spans();
      encoding.codec->decode({planes[0], planes[1], planes[2], planes[3]}, encoding.parameters, restored);
      EXPECT_EQ(restored, expected.decoded());
    }
  }
}

TEST(CodecCheck, OfAffineRefusesTheFirstScaleOrZeroPointThatCannotBe) {
  const Codec& affine = *find_codec("affine");
  const auto check = [&](Tensor& tensor, const CodecParameters& parameters) {
    const Planes planes = tensor.spans();
    return affine.check({planes[0], planes[1], planes[2], planes[3]}, parameters, tensor.weights());
  };
  for (const uint32_t bits : {2U, 4U, 8U}) {
    Tensor tensor = Tensor::encoded(affine_encoding(bits, 32), weight_sets(320, 31).front().weights);
    const CodecParameters parameters = {bits, 32, false};
    EXPECT_TRUE(check(tensor, parameters).ok());
    tensor.plane(2)[9] = static_cast<uint8_t>(bits == 8 ? 255 : 1U << bits);
    EXPECT_EQ(check(tensor, parameters).code, bits == 8 ? StatusCode::kOk : StatusCode::kInvalidPlanes);
    reinterpret_cast<float*>(tensor.plane(1).data())[4] = std::numeric_limits<float>::infinity();
    const Status status = check(tensor, parameters);
    EXPECT_EQ(status.code, StatusCode::kInvalidPlanes);
    EXPECT_EQ(status.position, 4U * 32);
  }
}

TEST(CodecAffine, WithOneGroupRefusesToEncodeWithoutARange) {
  const std::vector<float> weights(10, 1.0F);
  Tensor target(affine_encoding(4, 0), 10);
  EncodeContext context;
  context.parameters = {4, 0, false};
  for (const auto encode : {find_codec("affine")->encode, reference_of(*find_codec("affine")).encode}) {
    EXPECT_EQ(encode(weights, target.spans(), context).code, StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace arrowquant::testing
