#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/batch.h"
#include "engine/parking.h"
#include "engine/scheduler.h"

namespace arrowquant::testing {

/// Pool sizes that this build can run; without threads only the one in which the calling thread does the work.
inline std::vector<uint32_t> pool_sizes() {
#if defined(__wasm__) && !defined(__wasm_atomics__)
  return {0};
#else
  return {0, 1, 2, 3};
#endif
}

/// An event loop of its own: sleeps until something is scheduled or a pool thread wakes it.
class TestHost final : public Host {
 public:
  void schedule() override { signal(); }
  void wake() noexcept override { signal(); }

  void run_until(Scheduler& scheduler, const std::function<bool()>& done) {
    while (!done()) {
      const uint32_t seen = signals_.load();
      if (seen == handled_) park(signals_, seen);
      handled_ = signals_.load();
      scheduler.pump();
    }
  }

  /// Whether something was scheduled since the last look.
  [[nodiscard]] bool take_scheduled() { return std::exchange(handled_, signals_.load()) != signals_.load(); }

 private:
  void signal() noexcept {
    signals_.fetch_add(1);
    unpark_one(signals_);
  }

  std::atomic<uint32_t> signals_{0};
  uint32_t handled_ = 0;
};

/// What a batch told its client.
struct Record {
  struct Report {
    size_t layer;
    Status status;
  };

  std::vector<Report> reports;
  bool ended = false;
  Status status;
  size_t failed_layer = 0;
  bool cancel = false;                                     ///< set by a test: the client answers that it is cancelled
  std::function<void(size_t layer)> on_layer_done;         ///< set by a test: runs inside the callback
  std::vector<std::vector<std::vector<uint8_t>>> outputs;  ///< by layer and plane of the target
};

/// Arrays in ordinary memory. An input plane that is too short counts as detached.
class MemoryClient final : public BatchClient {
 public:
  using PlaneBytes = std::vector<std::vector<uint8_t>>;

  MemoryClient(const std::vector<LayerSpec>& layers, std::vector<PlaneBytes> inputs, Record& record)
      : inputs_(std::move(inputs)), record_(record) {
    for (const LayerSpec& layer : layers) record_.outputs.emplace_back(layer.target.codec->plane_count);
  }

  StatusCode copy_in(size_t layer, size_t plane, uint64_t offset, std::span<uint8_t> to) override {
    const std::vector<uint8_t>& from = inputs_[layer][plane];
    if (from.size() < offset + to.size()) return StatusCode::kDetached;
    std::memcpy(to.data(), from.data() + offset, to.size());
    return StatusCode::kOk;
  }

  StatusCode copy_out(size_t layer, size_t plane, uint64_t total, uint64_t offset,
                      std::span<const uint8_t> from) override {
    std::vector<uint8_t>& to = record_.outputs[layer][plane];
    to.resize(static_cast<size_t>(total));
    if (to.size() < offset + from.size()) return StatusCode::kOutOfMemory;
    std::memcpy(to.data() + offset, from.data(), from.size());
    return StatusCode::kOk;
  }

  void layer_done(size_t layer, Status status) override {
    record_.reports.push_back({layer, status});
    if (record_.on_layer_done) record_.on_layer_done(layer);
  }

  void finished(Status status, size_t layer) override {
    record_.ended = true;
    record_.status = status;
    record_.failed_layer = layer;
  }

  bool cancelled() override { return record_.cancel; }

 private:
  std::vector<PlaneBytes> inputs_;
  Record& record_;
};

inline std::vector<uint8_t> bytes_of(const std::vector<float>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(float));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

inline std::vector<float> floats_of(const std::vector<uint8_t>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// Reproducible values around zero, each tensor with its own.
inline std::vector<float> sample_weights(size_t count, uint32_t seed) {
  std::vector<float> weights(count);
  uint32_t state = seed * 2654435761U + 12345U;
  for (float& weight : weights) {
    state = state * 1664525U + 1013904223U;
    weight = static_cast<float>(static_cast<int32_t>(state)) / 2147483648.0F;
  }
  return weights;
}

}  // namespace arrowquant::testing
