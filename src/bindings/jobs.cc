/// Operations on heap memory, for callers that read files straight into it.

#include <emscripten/bind.h>
#include <emscripten/heap.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bindings/library.h"
#include "bindings/runtime.h"
#include "engine/job.h"

/// Where what can be allocated begins; the linker knows.
extern "C" const uint8_t __heap_base;

namespace arrowquant {
namespace {

using emscripten::val;

constexpr size_t kAlignment = 64;

constexpr std::array<std::string_view, 7> kOperations = {
    "encode-affine", "encode-affine-scaled", "scan-affine", "decode-affine", "encode-block", "decode-block", "convert"};
constexpr std::array<std::string_view, 5> kFloatTypes = {"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"};

template <size_t N>
std::optional<uint8_t> index_of(const std::array<std::string_view, N>& names, const std::string& name) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<uint8_t>(i);
  }
  return std::nullopt;
}

uint8_t* address(const val& job, const char* field) {
  return reinterpret_cast<uint8_t*>(static_cast<uintptr_t>(job[field].as<double>()));
}

bool decodes(Operation operation) {
  return operation == Operation::kDecodeAffine || operation == Operation::kDecodeBlock;
}

bool is_block(Operation operation) {
  return operation == Operation::kEncodeBlock || operation == Operation::kDecodeBlock;
}

bool is_affine(Operation operation) { return !is_block(operation) && operation != Operation::kConvert; }

/// Whether the heap has `bytes` there that are no variables of this program, as at the address 0.
bool is_in_heap(const void* address, uint64_t bytes) {
  const uint64_t begin = reinterpret_cast<uintptr_t>(address);
  return bytes == 0 ||
         (begin >= reinterpret_cast<uintptr_t>(&__heap_base) && begin + bytes <= emscripten_get_heap_size());
}

bool is_in_heap(const Work& work) {
  const NeededBytes bytes = needed_bytes(work);
  return is_in_heap(work.input, bytes.input) && is_in_heap(work.output, bytes.output) &&
         is_in_heap(work.encoded, bytes.encoded) && is_in_heap(work.scales, bytes.scales) &&
         is_in_heap(work.zero_points, bytes.zero_points);
}

/// Reads how `work` is affine; false when it cannot be so.
bool read_affine(const val& job, Work& work) {
  const auto zero_point = job["zeroPoint"].as<uint32_t>();
  work.affine = {job["bits"].as<uint32_t>(), job["groupSize"].as<uint32_t>(), job["symmetric"].as<bool>()};
  work.scale = {job["scale"].as<float>(), static_cast<uint8_t>(zero_point)};
  if (work.operation == Operation::kEncodeAffineScaled &&
      (!std::isnormal(work.scale.scale) || zero_point > UINT8_MAX)) {
    return false;
  }
  // Chunks are encoded apart; the one scale of several chunks has to be known before.
  const bool one_scale = work.operation == Operation::kEncodeAffine && work.affine.group_size == 0;
  return is_valid(work.affine) && (!one_scale || work.weights <= kChunkWeights);
}

/// Whether it is `weights` weights of whole blocks, or no block format.
bool is_whole(const BlockFormat* format, size_t weights) {
  return format == nullptr || weights % format->block_weights == 0;
}

std::optional<Work> read_work(const val& job) {
  const auto operation = index_of(kOperations, job["operation"].as<std::string>());
  const auto source = index_of(kFloatTypes, job["source"].as<std::string>());
  const auto target = index_of(kFloatTypes, job["target"].as<std::string>());
  if (!operation || !source || !target || float_bytes(static_cast<FloatType>(*target)) == 1) return std::nullopt;
  Work work;
  work.operation = static_cast<Operation>(*operation);
  work.source = static_cast<FloatType>(*source);
  work.target = static_cast<FloatType>(*target);
  work.source_scale = job["sourceScale"].as<float>();
  work.measure = job["measure"].as<bool>();
  work.checked = job["checked"].as<bool>();
  work.format = find_block_format(job["format"].as<std::string>());
  if (work.format == nullptr && is_block(work.operation)) return std::nullopt;
  const auto source_format = job["sourceFormat"].as<std::string>();
  work.source_format = find_block_format(source_format);
  if (work.source_format == nullptr && !source_format.empty()) return std::nullopt;
  work.weights = static_cast<size_t>(job["weights"].as<double>());
  if (is_affine(work.operation) && !read_affine(job, work)) return std::nullopt;
  if (!is_whole(work.source_format, work.weights)) return std::nullopt;
  if (is_block(work.operation) && !is_whole(work.format, work.weights)) return std::nullopt;
  work.input = address(job, "input");
  work.output = address(job, "output");
  // A job has one input and one output; which of them holds the levels follows from the direction.
  work.encoded = decodes(work.operation) ? address(job, "input") : work.output;
  work.scales = reinterpret_cast<float*>(address(job, "scales"));
  work.zero_points = address(job, "zeroPoints");
  return is_in_heap(work) ? std::optional(work) : std::nullopt;
}

val outcome_object(const Outcome& outcome) {
  val result = val::object();
  result.set("code", static_cast<int>(outcome.status.code));
  result.set("position", static_cast<double>(outcome.status.position));
  result.set("squaredError", outcome.error.squared_error);
  result.set("squaredOriginal", outcome.error.squared_original);
  result.set("squaredRestored", outcome.error.squared_restored);
  result.set("dot", outcome.error.dot);
  result.set("maxError", outcome.error.max_error);
  result.set("lo", outcome.range.lo);
  result.set("hi", outcome.range.hi);
  result.set("extreme", outcome.range.extreme);
  return result;
}

class PromiseClient final : public JobClient {
 public:
  explicit PromiseClient(val request) : request_(std::move(request)) {}
  void finished(const Outcome& outcome) override {
    aq_resolve(request_.as_handle(), outcome_object(outcome).as_handle());
  }

 private:
  val request_;
};

val submit(const val& job) {
  const val request = val::take_ownership(aq_open_work(job.as_handle()));
  const val promise = request["promise"];
  if (!aq_is_open(request.as_handle())) return promise;
  const auto weights = static_cast<size_t>(request["job"]["weights"].as<double>());
  if (!has_room(request, uint64_t{job_tasks(weights)} * sizeof(Task))) return promise;
  const std::optional<Work> work = read_work(request["job"]);
  if (!work) {
    aq_reject(request.as_handle(), "invalid_option", "a job of unknown kind, or whose memory is not all in the heap");
    return promise;
  }
  scheduler().add(std::make_unique<Job>(*work, std::make_unique<PromiseClient>(request)));
  return promise;
}

double allocate(double bytes) {
  if (!(bytes >= 0 && bytes <= static_cast<double>(emscripten_get_heap_size()))) return 0;
  const size_t size = (static_cast<size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
  return static_cast<double>(reinterpret_cast<uintptr_t>(std::aligned_alloc(kAlignment, size)));
}

void release(double address) { std::free(reinterpret_cast<void*>(static_cast<uintptr_t>(address))); }

double packed_bytes(double weights, uint32_t bits) {
  return static_cast<double>(affine_packed_bytes(static_cast<uint64_t>(weights), bits));
}

val scale_of(const val& range, uint32_t bits, bool symmetric) {
  const AffineScale scale =
      affine_scale({range["lo"].as<float>(), range["hi"].as<float>(), range["extreme"].as<float>()}, bits, symmetric);
  val result = val::object();
  result.set("scale", scale.scale);
  result.set("zeroPoint", scale.zero_point);
  return result;
}

}  // namespace

EMSCRIPTEN_BINDINGS(arrowquant_jobs) {
  emscripten::function("submit", &submit);
  emscripten::function("allocate", &allocate);
  emscripten::function("release", &release);
  emscripten::function("affinePackedBytes", &packed_bytes);
  emscripten::function("affineScale", &scale_of);
}

}  // namespace arrowquant
