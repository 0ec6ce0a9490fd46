#include "engine/batch.h"

#include <algorithm>
#include <array>
#include <utility>

namespace arrowquant {
namespace {

using StreamList = std::span<const Stream>;

constexpr std::array kWeightsOnly = {Stream::kWeights};
constexpr std::array kEncodedOnly = {Stream::kEncoded};
constexpr std::array kAffineStreams = {Stream::kEncoded, Stream::kScales, Stream::kZeroPoints};

bool decodes(Operation operation) noexcept {
  return operation == Operation::kDecodeAffine || operation == Operation::kDecodeBlock;
}

bool is_block(Operation operation) noexcept {
  return operation == Operation::kEncodeBlock || operation == Operation::kDecodeBlock;
}

uint64_t chunk_count(const LayerSpec& spec) noexcept {
  return spec.weights / kChunkWeights + (spec.weights % kChunkWeights == 0 ? 0 : 1);
}

size_t chunk_weights(const LayerSpec& spec, uint64_t chunk) noexcept {
  return static_cast<size_t>(std::min<uint64_t>(kChunkWeights, spec.weights - chunk * kChunkWeights));
}

/// Offset of a chunk in a stream. One scale for the whole layer lies at 0 for every chunk.
uint64_t stream_offset(const LayerSpec& spec, Stream stream, uint64_t chunk) noexcept {
  const bool shared = spec.affine.group_size == 0 && (stream == Stream::kScales || stream == Stream::kZeroPoints);
  return shared ? 0 : stream_bytes(spec, stream, chunk * kChunkWeights);
}

uint64_t group_entries(const LayerSpec& spec, uint64_t weights) noexcept {
  if (spec.affine.group_size == 0) return weights == 0 ? 0 : 1;
  return affine_group_count(weights, spec.affine.group_size);
}

}  // namespace

StreamList input_streams(Operation operation) noexcept {
  if (!decodes(operation)) return kWeightsOnly;
  return is_block(operation) ? StreamList(kEncodedOnly) : StreamList(kAffineStreams);
}

StreamList output_streams(Operation operation) noexcept {
  if (decodes(operation)) return kWeightsOnly;
  if (operation == Operation::kScanAffine) return {};
  const bool one = is_block(operation) || operation == Operation::kEncodeAffineScaled;
  return one ? StreamList(kEncodedOnly) : StreamList(kAffineStreams);
}

uint64_t stream_bytes(const LayerSpec& spec, Stream stream, uint64_t weights) noexcept {
  switch (stream) {
    case Stream::kWeights:
      return weights * float_bytes(spec.source);
    case Stream::kEncoded:
      if (is_block(spec.operation)) return weights / spec.format->block_weights * spec.format->block_bytes;
      return affine_packed_bytes(weights, spec.affine.bits);
    case Stream::kScales:
      return is_block(spec.operation) ? 0 : group_entries(spec, weights) * sizeof(float);
    case Stream::kZeroPoints:
      return is_block(spec.operation) ? 0 : group_entries(spec, weights);
  }
  return 0;
}

Batch::Batch(const std::vector<LayerSpec>& layers, std::unique_ptr<BatchClient> client, bool continue_on_error,
             SlotRing& slots)
    : layers_(layers.size()), client_(std::move(client)), slots_(slots), continue_on_error_(continue_on_error) {
  for (size_t i = 0; i < layers.size(); ++i) layers_[i].spec = layers[i];
}

bool Batch::submit_one(ThreadPool& pool) {
  if (stopped_ || slots_.free_count() == 0 || !pool.has_room() || is_cancelled() || !find_chunk()) return false;
  Slot& slot = *slots_.acquire();
  slot.owner = this;
  slot.layer = next_layer_;
  slot.chunk = next_chunk_++;
  if (const Status status = copy_inputs(slot); !status.ok()) {
    slots_.release(slot);
    fail(slot.layer, status);
    return true;
  }
  prepare_work(slot);
  ++in_flight_;
  ++layers_[slot.layer].in_flight;
  pool.submit(slot);
  return true;
}

/// Moves the cursor to the next chunk that can be submitted; false when there is none now.
bool Batch::find_chunk() {
  while (next_layer_ < layers_.size()) {
    Layer& layer = layers_[next_layer_];
    if (!layer_begun_) begin_layer(layer);
    if (layer.status.ok() && next_chunk_ < chunk_count(layer.spec)) return true;
    if (layer.status.ok() && layer.scanning) return false;
    ++next_layer_;
    next_chunk_ = 0;
    layer_begun_ = false;
    report();
    if (is_cancelled()) return false;
  }
  return false;
}

void Batch::begin_layer(Layer& layer) {
  layer_begun_ = true;
  layer.chunks_left = chunk_count(layer.spec);
  layer.done = layer.chunks_left == 0;
  layer.scanning =
      layer.spec.operation == Operation::kEncodeAffine && layer.spec.affine.group_size == 0 && layer.chunks_left > 1;
  if (layer.scanning) layer.ranges.resize(static_cast<size_t>(layer.chunks_left));
}

Status Batch::copy_inputs(const Slot& slot) {
  const LayerSpec& spec = layers_[slot.layer].spec;
  const size_t weights = chunk_weights(spec, slot.chunk);
  for (const Stream stream : input_streams(spec.operation)) {
    const std::span<uint8_t> to(stream_memory(slot, stream), static_cast<size_t>(stream_bytes(spec, stream, weights)));
    const StatusCode code = client_->copy_in(slot.layer, stream, stream_offset(spec, stream, slot.chunk), to);
    if (code != StatusCode::kOk) return {code, 0};
  }
  return {};
}

Status Batch::copy_outputs(const Slot& slot) {
  const LayerSpec& spec = layers_[slot.layer].spec;
  const size_t weights = chunk_weights(spec, slot.chunk);
  for (const Stream stream : output_streams(slot.work.operation)) {
    const std::span<const uint8_t> from(stream_memory(slot, stream),
                                        static_cast<size_t>(stream_bytes(spec, stream, weights)));
    const StatusCode code = client_->copy_out(slot.layer, stream, stream_bytes(spec, stream, spec.weights),
                                              stream_offset(spec, stream, slot.chunk), from);
    if (code != StatusCode::kOk) return {code, 0};
  }
  return {};
}

void Batch::prepare_work(Slot& slot) const {
  const Layer& layer = layers_[slot.layer];
  Work& work = slot.work;
  work = Work{};
  work.operation = layer.spec.operation;
  if (layer.scanning) {
    work.operation = Operation::kScanAffine;
  } else if (!layer.ranges.empty()) {
    work.operation = Operation::kEncodeAffineScaled;
    work.scale = layer.scale;
  }
  work.affine = layer.spec.affine;
  work.format = layer.spec.format;
  work.source = layer.spec.source;
  work.weights = chunk_weights(layer.spec, slot.chunk);
  point_to_streams(slot);
}

void Batch::task_done(Task& task) {
  Slot& slot = static_cast<Slot&>(task);
  const size_t index = slot.layer;
  Layer& layer = layers_[index];
  Status status = slot.outcome.status.offset_by(slot.chunk * kChunkWeights);
  if (status.ok() && !cancelled_) {
    if (layer.scanning) {
      layer.ranges[static_cast<size_t>(slot.chunk)] = slot.outcome.range;
    } else if (layer.status.ok()) {
      status = copy_outputs(slot);
    }
  }
  slots_.release(slot);
  --in_flight_;
  --layer.in_flight;
  --layer.chunks_left;
  if (!status.ok()) fail(index, status);
  advance(index);
}

void Batch::advance(size_t index) {
  Layer& layer = layers_[index];
  if (layer.status.ok() && layer.chunks_left == 0) {
    if (layer.scanning) {
      end_scan(index);
    } else {
      layer.done = true;
    }
  }
  if (!layer.status.ok() && layer.in_flight == 0) layer.done = true;
  if (layer.done) report();
}

void Batch::end_scan(size_t index) {
  Layer& layer = layers_[index];
  AffineRange range;
  for (const AffineRange& chunk : layer.ranges) range.merge(chunk);
  layer.scale = affine_scale(range, layer.spec.affine.bits, layer.spec.affine.symmetric);
  layer.scanning = false;
  layer.chunks_left = chunk_count(layer.spec);
  next_chunk_ = 0;
  const std::span scale(reinterpret_cast<const uint8_t*>(&layer.scale.scale), sizeof(float));
  StatusCode code = client_->copy_out(index, Stream::kScales, scale.size(), 0, scale);
  if (code == StatusCode::kOk) code = client_->copy_out(index, Stream::kZeroPoints, 1, 0, {&layer.scale.zero_point, 1});
  if (code != StatusCode::kOk) fail(index, {code, 0});
}

/// Keeps the failure with the lowest position: chunks end in any order, what is reported must not depend on it.
void Batch::fail(size_t index, Status status) {
  Layer& layer = layers_[index];
  if (layer.status.ok() || status.position < layer.status.position) layer.status = status;
  if (!continue_on_error_) stopped_ = true;
  if (layer.in_flight == 0) layer.done = true;
}

void Batch::report() {
  while (reported_ < layers_.size() && layers_[reported_].done && !is_cancelled()) {
    const Status status = layers_[reported_].status;
    if (!status.ok() && !continue_on_error_) return;
    client_->layer_done(reported_++, status);
  }
}

bool Batch::is_cancelled() {
  cancelled_ = cancelled_ || client_->cancelled();
  return cancelled_;
}

bool Batch::try_finish() {
  if (finished_) return true;
  if (in_flight_ > 0) return false;
  if (!is_cancelled() && !stopped_ && reported_ < layers_.size()) return false;
  finished_ = true;
  const auto failed = std::ranges::find_if(layers_, [](const Layer& layer) { return !layer.status.ok(); });
  if (cancelled_) {
    client_->finished({StatusCode::kCancelled, 0}, 0);
  } else if (stopped_ && failed != layers_.end()) {
    client_->finished(failed->status, static_cast<size_t>(failed - layers_.begin()));
  } else {
    client_->finished({}, 0);
  }
  return true;
}

}  // namespace arrowquant
