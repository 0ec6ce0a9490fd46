#include "engine/parcel.h"

#include <gtest/gtest.h>

#include <limits>
#include <queue>

#include "tensor.h"
#include "test_host.h"

namespace arrowquant {
namespace {

using testing::affine_encoding;
using testing::bytes_of;
using testing::MemoryClient;
using testing::Record;
using testing::sample_weights;
using testing::TestHost;

constexpr size_t kSlots = 5;

/// A parcel in memory: what an ArrayBuffer is to the module.
class MemoryParcel final : public Parcel {
 public:
  std::vector<uint8_t> bytes = std::vector<uint8_t>(kParcelBytes);

  void read(size_t offset, std::span<uint8_t> to) override { std::memcpy(to.data(), bytes.data() + offset, to.size()); }

  void write(size_t offset, std::span<const uint8_t> from) override {
    std::memcpy(bytes.data() + offset, from.data(), from.size());
  }
};

/// Takes slots' memory away, has another slot execute it, and brings back only what has been written to the parcel.
class ParcelPost final : public Remote {
 public:
  std::vector<uint8_t> memory = std::vector<uint8_t>(kSlots * kSlotBytes);

  void submit(Task& task) noexcept override {
    Slot& slot = static_cast<Slot&>(task);
    EXPECT_TRUE(slot.remote);
    held_.push(&slot);
  }

  void flush(bool /*quick*/) noexcept override {
    for (; !held_.empty(); held_.pop()) sent_.push(held_.front());
  }

  /// Whether there was anything to deliver.
  bool deliver(Scheduler& scheduler) {
    const bool any = !sent_.empty();
    for (; !sent_.empty(); sent_.pop()) {
      Slot& slot = *sent_.front();
      execute_elsewhere(slot);
      scheduler.complete(slot);
    }
    return any;
  }

 private:
  void execute_elsewhere(Slot& slot) {
    MemoryParcel parcel;
    const ParcelLabel label = label_of(slot);
    parcel.write(0, {slot.memory, kSlotBytes});
    parcel.write(kSlotBytes, {reinterpret_cast<const uint8_t*>(&label), sizeof(label)});
    std::memset(slot.memory, 0xAA, kSlotBytes);
    execute_parcel(parcel, there_, scratch_);
    ParcelLabel returned;
    parcel.read(kSlotBytes, {reinterpret_cast<uint8_t*>(&returned), sizeof(returned)});
    EXPECT_EQ(returned.slot, &slot);
    parcel.read(0, {slot.memory, kSlotBytes});
    slot.outcome = returned.outcome;
  }

  std::queue<Slot*> held_;
  std::queue<Slot*> sent_;
  SlotRing elsewhere_{1};
  Slot& there_ = *elsewhere_.acquire();
  Scratch scratch_;
};

struct Layers {
  std::vector<LayerSpec> specs;
  std::vector<MemoryClient::PlaneBytes> inputs;

  void add(const LayerSpec& spec, MemoryClient::PlaneBytes planes) {
    specs.push_back(spec);
    inputs.push_back(std::move(planes));
  }

  [[nodiscard]] std::unique_ptr<Batch> batch(Record& record, SlotRing& slots) const {
    return std::make_unique<Batch>(specs, std::make_unique<MemoryClient>(specs, inputs, record), false, slots);
  }

  [[nodiscard]] Record execute_here() const {
    Record record;
    TestHost host;
    Scheduler scheduler(0, kSlots, host);
    scheduler.add(batch(record, scheduler.slots()));
    host.run_until(scheduler, [&] { return record.ended; });
    return record;
  }

  [[nodiscard]] Record execute_remotely() const {
    Record record;
    TestHost host;
    ParcelPost post;
    Scheduler scheduler(post, kSlots, post.memory.data(), host);
    scheduler.add(batch(record, scheduler.slots()));
    do {
      scheduler.pump();
      // A pump ends early where the machine is slow, and wants another turn.
    } while (!record.ended && (post.deliver(scheduler) || host.take_scheduled()));
    EXPECT_TRUE(record.ended) << "a task was held back";
    EXPECT_EQ(scheduler.slots().free_count(), kSlots);
    return record;
  }
};

constexpr std::array kSizes = {size_t{1}, size_t{4096}, kChunkWeights, 3 * kChunkWeights + 333};

LayerSpec affine_spec(size_t weights, uint32_t bits, uint32_t group_size, bool symmetric) {
  LayerSpec spec;
  spec.target = affine_encoding(bits, group_size, symmetric);
  spec.weights = weights;
  return spec;
}

void expect_same(const Record& a, const Record& b) {
  EXPECT_EQ(a.outputs, b.outputs);
  EXPECT_EQ(a.status.code, b.status.code);
  EXPECT_EQ(a.status.position, b.status.position);
  EXPECT_EQ(a.failed_layer, b.failed_layer);
  EXPECT_EQ(a.reports.size(), b.reports.size());
}

/// The inverse of `spec`, fed with what it gave.
LayerSpec decoding(LayerSpec spec) {
  std::swap(spec.source, spec.target);
  return spec;
}

void expect_same_both_ways(const Layers& layers) {
  const Record here = layers.execute_here();
  expect_same(layers.execute_remotely(), here);
  Layers back;
  for (size_t i = 0; i < layers.specs.size(); ++i) back.add(decoding(layers.specs[i]), here.outputs[i]);
  expect_same(back.execute_remotely(), back.execute_here());
}

TEST(Parcel, AffineBatchesComeBackAsTheyWouldFromHere) {
  Layers layers;
  uint32_t seed = 1;
  for (const size_t size : kSizes) {
    for (const uint32_t bits : {2U, 4U, 8U}) {
      for (const uint32_t group_size : {0U, 32U, 256U}) {
        layers.add(affine_spec(size, bits, group_size, seed % 2 == 0), {bytes_of(sample_weights(size, seed))});
        ++seed;
      }
    }
  }
  expect_same_both_ways(layers);
}

TEST(Parcel, BlocksAndFloatsComeBackAsTheyWouldFromHere) {
  Layers layers;
  for (const Codec* codec : codecs()) {
    if (codec->encode == nullptr || !codec->bits.empty()) continue;
    LayerSpec spec;
    spec.target = {codec, {.group_size = codec->group_sizes.empty() ? 0 : codec->group_sizes.back()}};
    spec.weights = kChunkWeights + 512;
    layers.add(spec, {bytes_of(sample_weights(static_cast<size_t>(spec.weights), 7))});
  }
  expect_same_both_ways(layers);
}

TEST(Parcel, FailuresNameTheSameLayerAndWeight) {
  Layers layers;
  std::vector<float> weights = sample_weights(3 * kChunkWeights, 3);
  layers.add(affine_spec(weights.size(), 4, 128, false), {bytes_of(weights)});
  weights[2 * kChunkWeights + 5] = std::numeric_limits<float>::infinity();
  weights[kChunkWeights + 77] = std::numeric_limits<float>::quiet_NaN();
  for (const uint32_t group_size : {0U, 64U}) {
    layers.add(affine_spec(weights.size(), 4, group_size, false), {bytes_of(weights)});
  }
  const Record record = layers.execute_remotely();
  EXPECT_EQ(record.failed_layer, 1U);
  EXPECT_EQ(record.status.code, StatusCode::kNotFinite);
  EXPECT_EQ(record.status.position, kChunkWeights + 77);
  EXPECT_EQ(record.reports.size(), 1U);
}

}  // namespace
}  // namespace arrowquant
