// Speed of the kernels on one thread, beside memcpy in the same run. Prints JSON.
//
//   kernels [weights] [rounds] [part of a name]
//
// Every round times every kernel once, one after the other, so that a machine that slows down slows all of them; the
// medians over the rounds are printed. 262,144 weights, the default, are 1 MB of input: the working set stays in cache.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codecs/affine/affine.h"
#include "codecs/codec.h"
#include "codecs/comparison.h"
#include "codecs/metrics.h"
#include "measure.h"
#include "simd/half_arrays.h"

namespace arrowquant {
namespace {

using Clock = std::chrono::steady_clock;

/// One timed function over all weights. GB/s count `input_bytes`.
struct Kernel {
  std::string name;
  size_t input_bytes;
  std::function<void()> run;
  size_t repeats = 1;
  std::vector<double> seconds = {};
};

double time_once(const Kernel& kernel) {
  const auto start = Clock::now();
  for (size_t i = 0; i < kernel.repeats; ++i) kernel.run();
  return std::chrono::duration<double>(Clock::now() - start).count() / static_cast<double>(kernel.repeats);
}

/// So many repeats that a measurement takes 2 ms and the clock's own steps do not matter.
void warm_up(Kernel& kernel) {
  while (time_once(kernel) * static_cast<double>(kernel.repeats) < 2e-3) kernel.repeats *= 2;
}

/// Keeps results alive that nothing else reads.
volatile uint64_t sink;

/// All that the kernels read and write.
struct Buffers {
  explicit Buffers(size_t weights)
      : original(sample_weights(weights)),
        bfloats(weights),
        restored(weights),
        halves(2 * weights),
        encoded(4 * weights + 64),
        scales(weights / 32 + 1),
        zero_points(weights / 32 + 1) {
    float_to_bfloat16(original, halves.data());
    bfloat16_to_float(halves.data(), bfloats);
    float_to_half(original, halves.data());
    sink = scan_range(original, range).position;
  }

  std::vector<float> original;
  std::vector<float> bfloats;  ///< the same, rounded to bfloat16
  std::vector<float> restored;
  std::vector<uint8_t> halves;
  std::vector<uint8_t> encoded;
  std::vector<float> scales;
  std::vector<uint8_t> zero_points;
  WeightRange range;
};

/// Weights of a row; of matrices whose groups run down the columns as long as wide columns are.
constexpr size_t kColumns = 1024;

void add_affine(std::vector<Kernel>& kernels, Buffers& buffers, const CodecParameters& parameters) {
  const size_t weights = buffers.original.size();
  const size_t groups = weights / parameters.group_size;
  const std::span<uint8_t> packed = std::span(buffers.encoded).first(weights * parameters.bits / 8);
  const std::span<float> scales = std::span(buffers.scales).first(groups);
  const std::span<uint8_t> zero_points = std::span(buffers.zero_points).first(groups);
  const std::string name = "int" + std::to_string(parameters.bits) + " groups of " +
                           std::to_string(parameters.group_size) + (parameters.symmetric ? " symmetric" : "");
  const auto add_encode = [&](const std::string& which, auto encode) {
    kernels.push_back({"encode " + name + which, weights * sizeof(float), [=, &buffers] {
                         sink = encode(buffers.original, parameters, {packed, scales, zero_points}).position;
                       }});
  };
  add_encode("", encode_affine);
  add_encode(" (reference)", encode_affine_reference);
  EncodeContext context;
  context.parameters = parameters;
  context.row_weights = kColumns;
  context.effort = Effort::kBest;
  const std::span scale_bytes(reinterpret_cast<uint8_t*>(scales.data()), scales.size_bytes());
  kernels.push_back({"encode " + name + " best", weights * sizeof(float), [=, &buffers] {
                       const Codec& codec = *find_codec("affine");
                       sink = codec.encode(buffers.original, {packed, scale_bytes, zero_points}, context).position;
                     }});
  const auto decode = [=, &buffers] { decode_affine({packed, scales, zero_points}, parameters, buffers.restored); };
  kernels.push_back({"decode " + name, weights * sizeof(float), decode});
}

constexpr std::array kMoreEfforts = {std::pair{Effort::kBetter, "better"}, std::pair{Effort::kBest, "best"}};

void add_block_codec(std::vector<Kernel>& kernels, Buffers& buffers, const Codec& codec) {
  const Encoding encoding = {&codec, {}};
  const size_t weights = buffers.original.size() / codec.block_weights * codec.block_weights;
  const std::span<const float> original = std::span(buffers.original).first(weights);
  const std::span<uint8_t> blocks =
      std::span(buffers.encoded).first(static_cast<size_t>(plane_bytes(encoding, 0, weights)));
  const std::string name(codec.name);
  const auto add_encode = [&](const std::string& which, Codec::Encode encode, Effort effort) {
    EncodeContext context;
    context.row_weights = kColumns;
    context.effort = effort;
    kernels.push_back({"encode " + name + which, original.size_bytes(),
                       [=] { sink = encode(original, {blocks}, context).position; }});
  };
  add_encode("", codec.encode, Effort::kReference);
  add_encode(" (reference)", reference_of(codec).encode, Effort::kReference);
  for (const auto& [effort, effort_name] : kMoreEfforts) {
    if (codec.most_effort >= effort) add_encode(std::string(" ") + effort_name, codec.encode, effort);
  }
  kernels.push_back({"decode " + name, original.size_bytes(), [=, &codec, &buffers] {
                       codec.decode({blocks}, {}, std::span(buffers.restored).first(weights));
                     }});
}

/// A codec of other programs' formats with the parameters that they use most.
struct ForeignCase {
  std::string_view codec;
  CodecParameters parameters;
};

constexpr std::array kForeignCases = {
    ForeignCase{"onnx_blocks", {4, 32, true}},
    ForeignCase{"onnx_blocks", {4, 32, false}},
    ForeignCase{"onnx_blocks", {4, 128, false}},
    ForeignCase{"onnx_blocks", {8, 32, false}},
    ForeignCase{"onnx_blocks", {2, 32, false}},
    ForeignCase{"onnx_int8", {}},
    ForeignCase{"onnx_uint8", {}},
    ForeignCase{"onnx_f16", {}},
    ForeignCase{"onnx_gather4", {0, 32, true}},
    ForeignCase{"onnx_bnb_nf4", {0, 64, false}},
    ForeignCase{"bnb_nf4", {0, 64, false}},
    ForeignCase{"bnb_fp4", {0, 64, false}},
    ForeignCase{"mlx_f32", {4, 64, false}},
    ForeignCase{"mlx_bf16", {4, 64, false}},
    ForeignCase{"mlx_mxfp4_f32", {0, 32, false}},
    ForeignCase{"mlx_mxfp8_f32", {0, 32, false}},
    ForeignCase{"mlx_nvfp4_f32", {0, 16, false}},
    ForeignCase{"mlc_q4f16", {0, 32, false}},
    ForeignCase{"ct_int_f32", {4, 128, true}},
    ForeignCase{"ct_int_bf16", {4, 128, true}},
    ForeignCase{"ct_int_bf16", {4, 128, false}},
    ForeignCase{"ct_nvfp4_bf16", {}},
    ForeignCase{"ct_mxfp4_bf16", {}},
    ForeignCase{"ct_mxfp8_bf16", {}},
};

std::string name_of(const ForeignCase& one) {
  const auto [bits, group_size, symmetric] = one.parameters;
  std::string name(one.codec);
  if (bits != 0) name += " int" + std::to_string(bits);
  if (group_size != 0) name += " groups of " + std::to_string(group_size);
  return name + (symmetric ? " symmetric" : "");
}

void add_foreign(std::vector<Kernel>& kernels, Buffers& buffers, const ForeignCase& one) {
  const Encoding encoding = {find_codec(one.codec), one.parameters};
  if (!is_valid(encoding)) return;
  const bool is_bfloat16 = one.codec.ends_with("_bf16");
  const std::span<const float> original = is_bfloat16 ? buffers.bfloats : buffers.original;
  Planes planes;
  size_t at = 0;
  for (size_t i = 0; i < encoding.codec->plane_count; ++i) {
    const auto bytes = static_cast<size_t>(plane_bytes(encoding, i, original.size()));
    planes[i] = std::span(buffers.encoded).subspan(at, bytes);
    at += (bytes + 15) / 16 * 16;
  }
  EncodeContext context;
  context.parameters = one.parameters;
  context.row_weights = kColumns;
  context.range = &buffers.range;
  context.weights_type = is_bfloat16 ? ElementType::kBF16 : ElementType::kF32;
  const auto add_encode = [&](const std::string& which, Codec::Encode encode) {
    kernels.push_back({"encode " + name_of(one) + which, original.size_bytes(),
                       [=] { sink = encode(original, planes, context).position; }});
  };
  add_encode("", encoding.codec->encode);
  add_encode(" (reference)", reference_of(*encoding.codec).encode);
  const ConstPlanes encoded = {planes[0], planes[1], planes[2], planes[3]};
  kernels.push_back({"decode " + name_of(one), original.size_bytes(),
                     [=, &buffers] { encoding.codec->decode(encoded, encoding.parameters, buffers.restored); }});
}

void add_others(std::vector<Kernel>& kernels, Buffers& buffers) {
  const size_t bytes = buffers.original.size() * sizeof(float);
  kernels.push_back({"scan", bytes, [&buffers] {
                       WeightRange range;
                       sink = scan_range(buffers.original, range).position;
                     }});
  kernels.push_back({"encode int4 with a known scale", bytes, [&buffers] {
                       const auto packed = std::span(buffers.encoded).first(buffers.original.size() / 2);
                       sink = encode_affine_scaled(buffers.original, 4, {0.01F, 7}, packed).position;
                     }});
  kernels.push_back({"F16 to F32", bytes, [&buffers] { half_to_float(buffers.halves.data(), buffers.restored); }});
  kernels.push_back({"BF16 to F32", bytes, [&buffers] { bfloat16_to_float(buffers.halves.data(), buffers.restored); }});
  kernels.push_back({"F32 to F16", bytes, [&buffers] { float_to_half(buffers.original, buffers.encoded.data()); }});
  kernels.push_back(
      {"F32 to BF16", bytes, [&buffers] { float_to_bfloat16(buffers.original, buffers.encoded.data()); }});
  kernels.push_back({"compare values", bytes, [&buffers] {
                       sink = static_cast<uint64_t>(compare_values(buffers.original, buffers.restored).equal);
                     }});
  kernels.push_back({"measure error", bytes, [&buffers] {
                       sink = static_cast<uint64_t>(measure_error(buffers.original, buffers.restored).squared_error);
                     }});
}

void print(const std::vector<Kernel>& kernels, size_t weights) {
  const double memcpy_seconds = median(kernels.front().seconds);
  const double memcpy_rate = static_cast<double>(kernels.front().input_bytes) / memcpy_seconds;
  std::printf("{\n  \"weights\": %zu,\n  \"kernels\": [", weights);
  const char* separator = "\n";
  for (const Kernel& kernel : kernels) {
    const double rate = static_cast<double>(kernel.input_bytes) / median(kernel.seconds);
    std::printf("%s    {\"name\": \"%s\", \"gigabytesPerSecond\": %.3f, \"timesMemcpy\": %.3f}", separator,
                kernel.name.c_str(), rate / 1e9, rate / memcpy_rate);
    separator = ",\n";
  }
  std::printf("\n  ]\n}\n");
}

int run(size_t weights, size_t rounds, const std::string& part) {
  Buffers buffers(weights);
  std::vector<Kernel> kernels;
  kernels.push_back({"memcpy", weights * sizeof(float), [&buffers, weights] {
                       std::memcpy(buffers.restored.data(), buffers.original.data(), weights * sizeof(float));
                       sink = static_cast<uint64_t>(buffers.restored[weights / 2] != 0);
                     }});
  for (const uint32_t bits : {8U, 4U, 2U}) {
    for (const bool symmetric : {false, true}) add_affine(kernels, buffers, {bits, 128, symmetric});
  }
  for (const uint32_t group_size : {32U, 64U}) add_affine(kernels, buffers, {4, group_size, false});
  add_others(kernels, buffers);
  for (const ForeignCase& one : kForeignCases) add_foreign(kernels, buffers, one);
  for (const Codec* codec : codecs()) {
    if (codec->encode != nullptr && !codec->foreign && codec->block_weights > 1)
      add_block_codec(kernels, buffers, *codec);
  }

  const auto unwanted = [&](const Kernel& kernel) { return kernel.name.find(part) == std::string::npos; };
  kernels.erase(std::remove_if(kernels.begin() + 1, kernels.end(), unwanted), kernels.end());

  for (Kernel& kernel : kernels) warm_up(kernel);
  for (size_t round = 0; round < rounds; ++round) {
    for (Kernel& kernel : kernels) kernel.seconds.push_back(time_once(kernel));
  }
  print(kernels, weights);
  return 0;
}

}  // namespace
}  // namespace arrowquant

int main(int argc, char** argv) {
  const size_t weights = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 262144;
  const size_t rounds = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 15;
  if (weights == 0 || weights % 256 != 0 || rounds == 0) {
    std::fprintf(stderr, "usage: kernels [weights, a multiple of 256] [rounds, at least 1] [part of a name]\n");
    return 2;
  }
  return arrowquant::run(weights, rounds, argc > 3 ? argv[3] : "");
}
