#include "engine/batch.h"

#include <algorithm>
#include <utility>

namespace arrowquant {
namespace {

uint64_t chunk_count(const LayerSpec& spec) noexcept {
  return spec.weights / kChunkWeights + (spec.weights % kChunkWeights == 0 ? 0 : 1);
}

size_t weights_of(const LayerSpec& spec, uint64_t chunk) noexcept {
  return static_cast<size_t>(std::min<uint64_t>(kChunkWeights, spec.weights - chunk * kChunkWeights));
}

/// Offset of a chunk in a plane. What is one for the whole layer lies at 0 for every chunk.
uint64_t offset_of(const Encoding& encoding, size_t plane, uint64_t chunk) noexcept {
  return is_shared(encoding, plane) ? 0 : plane_bytes(encoding, plane, chunk * kChunkWeights);
}

}  // namespace

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
  Status status = prepare_work(slot);
  if (status.ok()) status = copy_inputs(slot);
  if (!status.ok()) {
    slots_.release(slot);
    fail(slot.layer, status);
    return true;
  }
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
  layer.scanning = needs_range(layer.spec.target) && layer.chunks_left > 1;
  if (layer.scanning) layer.ranges.resize(static_cast<size_t>(layer.chunks_left));
}

Status Batch::copy_inputs(const Slot& slot) {
  const Operand& source = slot.work.source;
  const Planes planes = planes_of(source, 0, slot.work.weights);
  for (size_t i = 0; i < source.encoding.codec->plane_count; ++i) {
    const StatusCode code = client_->copy_in(slot.layer, i, offset_of(source.encoding, i, slot.chunk), planes[i]);
    if (code != StatusCode::kOk) return {code, 0};
  }
  return {};
}

Status Batch::copy_outputs(const Slot& slot) {
  const Operand& target = slot.work.target;
  const uint64_t weights = layers_[slot.layer].spec.weights;
  const Planes planes = planes_of(target, 0, slot.work.weights);
  for (size_t i = 0; i < target.encoding.codec->plane_count; ++i) {
    if (!writes_plane(slot.work, i)) continue;
    const StatusCode code = client_->copy_out(slot.layer, i, plane_bytes(target.encoding, i, weights),
                                              offset_of(target.encoding, i, slot.chunk), planes[i]);
    if (code != StatusCode::kOk) return {code, 0};
  }
  return {};
}

Status Batch::prepare_work(Slot& slot) const {
  const Layer& layer = layers_[slot.layer];
  Work& work = slot.work;
  work = Work{};
  work.verb = layer.scanning ? Verb::kScan : Verb::kTranscode;
  work.has_range = !layer.ranges.empty();
  work.range = layer.range;
  work.begins_tensor = slot.chunk == 0;
  work.source.encoding = layer.spec.source;
  work.target.encoding = layer.spec.target;
  work.effort = layer.spec.effort;
  work.weights = weights_of(layer.spec, slot.chunk);
  return point_to_planes(slot) ? Status{} : Status{StatusCode::kInvalidArgument, 0};
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
      end_scan(layer);
    } else {
      layer.done = true;
    }
  }
  if (!layer.status.ok() && layer.in_flight == 0) layer.done = true;
  if (layer.done) report();
}

void Batch::end_scan(Layer& layer) {
  for (const WeightRange& chunk : layer.ranges) layer.range.merge(chunk);
  layer.scanning = false;
  layer.chunks_left = chunk_count(layer.spec);
  next_chunk_ = 0;
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
