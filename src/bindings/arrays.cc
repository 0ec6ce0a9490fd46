/// Operations on the caller's arrays: the batch API, and encoding and decoding of single tensors.

#include <emscripten/bind.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/library.h"
#include "bindings/result_preparer.h"
#include "bindings/runtime.h"
#include "engine/batch.h"

namespace arrowquant {
namespace {

using emscripten::val;

/// Brings a request's arrays to the batch.
class RequestClient final : public BatchClient {
 public:
  explicit RequestClient(val request) : request_(std::move(request)) {}

  StatusCode copy_in(size_t layer, size_t plane, uint64_t offset, std::span<uint8_t> to) override {
    return static_cast<StatusCode>(
        aq_copy_in(request_.as_handle(), layer, plane, static_cast<double>(offset), to.data(), to.size()));
  }

  StatusCode copy_out(size_t layer, size_t plane, uint64_t total, uint64_t offset,
                      std::span<const uint8_t> from) override {
    return static_cast<StatusCode>(aq_copy_out(request_.as_handle(), layer, plane, static_cast<double>(total),
                                               static_cast<double>(offset), from.data(), from.size()));
  }

  void layer_done(size_t layer, Status status) override {
    aq_layer_done(request_.as_handle(), layer, static_cast<int>(status.code), static_cast<double>(status.position));
  }

  void finished(Status status, size_t layer) override {
    aq_finish(request_.as_handle(), static_cast<int>(status.code), static_cast<double>(status.position), layer);
  }

  bool cancelled() override { return aq_is_cancelled(request_.as_handle()); }

 private:
  val request_;
};

bool has_room_for_layers(const val& request, double layers) {
  constexpr uint64_t kBytes = 2 * sizeof(double) + sizeof(LayerSpec) + Batch::bytes_per_layer();
  return has_room(request, static_cast<uint64_t>(layers) * kBytes);
}

void run(const val& request, const std::vector<LayerSpec>& layers, bool continue_on_error) {
  Scheduler& all = scheduler();
  if (all.pool().threads() > 0) {
    auto preparer = std::make_unique<ResultPreparer>(request, layers);
    if (!preparer->empty()) all.add(std::move(preparer));
  }
  auto client = std::make_unique<RequestClient>(request);
  all.add(std::make_unique<Batch>(layers, std::move(client), continue_on_error, all.slots()));
}

Encoding affine_of(const val& request) {
  return {find_codec("affine"),
          {request["bits"].as<uint32_t>(), request["groupSize"].as<uint32_t>(), request["symmetric"].as<bool>()}};
}

Encoding floats_of(bool halves) { return {halves ? find_codec("F16") : &kF32, {}}; }

val quantize_batch(const val& weights, const val& bits, const val& callback, const val& options) {
  const val request = val::take_ownership(
      aq_open_batch(weights.as_handle(), bits.as_handle(), callback.as_handle(), options.as_handle()));
  const val promise = request["promise"];
  if (!aq_is_open(request.as_handle())) return promise;
  if (!has_room_for_layers(request, request["lengths"]["length"].as<double>())) return promise;
  const auto lengths = emscripten::vecFromJSArray<double>(request["lengths"]);
  const auto halves = emscripten::vecFromJSArray<double>(request["halves"]);
  LayerSpec spec;
  spec.target = affine_of(request);
  spec.effort = static_cast<Effort>(request["effort"].as<uint8_t>());
  std::vector<LayerSpec> layers;
  layers.reserve(lengths.size());
  for (size_t i = 0; i < lengths.size(); ++i) {
    spec.weights = static_cast<uint64_t>(lengths[i]);
    spec.source = floats_of(halves[i] != 0);
    layers.push_back(spec);
  }
  run(request, layers, request["continueOnError"].as<bool>());
  return promise;
}

/// Runs a request about one tensor; it fails when an input has not the length that `spec` needs.
void run_single(const val& request, const LayerSpec& spec) {
  const val inputs = request["inputs"][0];
  for (size_t i = 0; i < spec.source.codec->plane_count; ++i) {
    const uint64_t wanted = plane_bytes(spec.source, i, spec.weights);
    if (inputs[i]["byteLength"].as<double>() == static_cast<double>(wanted)) continue;
    aq_reject(request.as_handle(), "shape_mismatch", "an array has not the length that the shape asks for");
    return;
  }
  run(request, {spec}, false);
}

val dequantize(const val& layer, const val& cancellation) {
  const val request = val::take_ownership(aq_open_dequantize(layer.as_handle(), cancellation.as_handle()));
  const val promise = request["promise"];
  if (!aq_is_open(request.as_handle()) || !has_room_for_layers(request, 1)) return promise;
  LayerSpec spec;
  spec.source = affine_of(request);
  spec.weights = static_cast<uint64_t>(request["weights"].as<double>());
  run_single(request, spec);
  return promise;
}

/// Encodes or decodes blocks. `array` holds weights or blocks.
val run_blocks(const val& array, const val& type, const val& cancellation, bool encodes) {
  const val request =
      val::take_ownership(aq_open_blocks(array.as_handle(), type.as_handle(), cancellation.as_handle(), encodes));
  const val promise = request["promise"];
  if (!aq_is_open(request.as_handle()) || !has_room_for_layers(request, 1)) return promise;
  const auto name = request["type"].as<std::string>();
  const Codec* const codec = find_codec(name);
  if (codec == nullptr || codec->ggml_type < 0 || codec->block_weights == 1 || codec->needs_rows) {
    aq_reject(request.as_handle(), "unknown_type", name.c_str());
    return promise;
  }
  const Encoding blocks = {codec, {}};
  const auto length = static_cast<uint64_t>(request["length"].as<double>());
  const uint64_t unit = encodes ? codec->block_weights : plane_bytes(blocks, 0, codec->block_weights);
  if (length % unit != 0) {
    aq_reject(request.as_handle(), "row_not_whole_blocks", name.c_str());
    return promise;
  }
  LayerSpec spec;
  spec.weights = length / unit * codec->block_weights;
  (encodes ? spec.target : spec.source) = blocks;
  if (encodes) spec.source = floats_of(request["halves"].as<bool>());
  run_single(request, spec);
  return promise;
}

val encode_blocks(const val& data, const val& type, const val& cancellation) {
  return run_blocks(data, type, cancellation, true);
}

val decode_blocks(const val& blocks, const val& type, const val& cancellation) {
  return run_blocks(blocks, type, cancellation, false);
}

}  // namespace

EMSCRIPTEN_BINDINGS(arrowquant_arrays) {
  emscripten::function("quantizeBatchWithProgress", &quantize_batch);
  emscripten::function("dequantize", &dequantize);
  emscripten::function("encodeBlocks", &encode_blocks);
  emscripten::function("decodeBlocks", &decode_blocks);
}

}  // namespace arrowquant
