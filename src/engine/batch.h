#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/activity.h"
#include "engine/slots.h"

namespace arrowquant {

/// What is to be done with a layer: its weights are transcoded. One of both sides must be floats, and none need rows.
struct LayerSpec {
  Encoding source = {&kF32, {}};
  Encoding target = {&kF32, {}};
  uint64_t weights = 0;
  Effort effort = Effort::kReference;
};

/// The other side of a batch: owns the arrays. All calls come on the calling thread.
class BatchClient {
 public:
  BatchClient() = default;
  BatchClient(const BatchClient&) = delete;
  BatchClient& operator=(const BatchClient&) = delete;
  virtual ~BatchClient() = default;

  /// Fills `to` from byte `offset` of a plane of the layer's source; kDetached when the array is gone.
  [[nodiscard]] virtual StatusCode copy_in(size_t layer, size_t plane, uint64_t offset, std::span<uint8_t> to) = 0;
  /// The reverse for its target, to an array of `total` bytes; kOutOfMemory when there is no room for it.
  [[nodiscard]] virtual StatusCode copy_out(size_t layer, size_t plane, uint64_t total, uint64_t offset,
                                            std::span<const uint8_t> from) = 0;
  /// Layers are reported in their order, each once, until the first failure (with continue_on_error: all of them).
  virtual void layer_done(size_t layer, Status status) = 0;
  /// The last call. A failed status names the layer: the first failed one, whatever the threads' timing was.
  virtual void finished(Status status, size_t layer) = 0;
  [[nodiscard]] virtual bool cancelled() = 0;
};

/// Cuts layers into chunks, takes them in order through the slots, and puts the results back together.
class Batch final : public Activity {
 public:
  Batch(const std::vector<LayerSpec>& layers, std::unique_ptr<BatchClient> client, bool continue_on_error,
        SlotRing& slots);

  /// Memory that a batch keeps for each of its layers.
  [[nodiscard]] static constexpr size_t bytes_per_layer() noexcept { return sizeof(Layer); }

  [[nodiscard]] bool submit_one(ThreadPool& pool) override;
  [[nodiscard]] bool try_finish() override;
  void task_done(Task& task) override;

 private:
  struct Layer {
    LayerSpec spec;
    uint64_t chunks_left = 0;
    size_t in_flight = 0;
    Status status;
    bool done = false;
    bool scanning = false;            ///< the first of two passes: one group spans several chunks
    WeightRange range;                ///< what that pass found
    std::vector<WeightRange> ranges;  ///< one a chunk, while scanning
  };

  [[nodiscard]] bool find_chunk();
  [[nodiscard]] Status copy_inputs(const Slot& slot);
  [[nodiscard]] Status copy_outputs(const Slot& slot);
  [[nodiscard]] Status prepare_work(Slot& slot) const;
  void begin_layer(Layer& layer);
  void advance(size_t index);
  void end_scan(Layer& layer);
  void fail(size_t index, Status status);
  void report();
  [[nodiscard]] bool is_cancelled();

  std::vector<Layer> layers_;
  std::unique_ptr<BatchClient> client_;
  SlotRing& slots_;
  const bool continue_on_error_;
  size_t next_layer_ = 0;
  uint64_t next_chunk_ = 0;
  bool layer_begun_ = false;
  size_t reported_ = 0;
  size_t in_flight_ = 0;
  bool stopped_ = false;
  bool cancelled_ = false;
  bool finished_ = false;
};

}  // namespace arrowquant
