// Speed of the affine kernels from memory, beside reading and copying it: each thread has its own part of arrays that
// no cache holds, and all threads work at once. Prints JSON.
//
//   bandwidth [mebibytes of each thread] [rounds]

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "codecs/affine/affine.h"
#include "measure.h"

namespace arrowquant {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kThreads = 2;
constexpr uint32_t kGroupSize = 128;

/// What one thread reads and writes; all of it touched before the first measurement.
struct Part {
  explicit Part(size_t weights)
      : original(sample_weights(weights)),
        copied(weights, 1.0F),
        scales(weights / kGroupSize),
        zero_points(weights / kGroupSize) {}

  std::vector<float> original;
  std::vector<float> copied;
  std::vector<float> scales;
  std::vector<uint8_t> zero_points;
};

/// Keeps results alive that nothing else reads.
std::atomic<uint64_t> sink;

void read(const Part& part) {
  std::array<uint64_t, 8> sums{};
  const auto* words = reinterpret_cast<const uint64_t*>(part.original.data());
  for (size_t i = 0; i < part.original.size() / 2; i += sums.size()) {
    for (size_t k = 0; k < sums.size(); ++k) sums[k] += words[i + k];
  }
  for (const uint64_t sum : sums) sink += sum;
}

void copy(Part& part) {
  std::memcpy(part.copied.data(), part.original.data(), part.original.size() * sizeof(float));
  sink += static_cast<uint64_t>(part.copied[part.copied.size() / 2] != 0);
}

void encode(Part& part, uint32_t bits) {
  const std::span<uint8_t> packed(reinterpret_cast<uint8_t*>(part.copied.data()), part.original.size() * bits / 8);
  sink += encode_affine(part.original, {bits, kGroupSize, false}, {packed, part.scales, part.zero_points}).position;
}

struct Case {
  std::string name;
  std::function<void(Part&)> run;
  std::array<std::vector<double>, kThreads> seconds = {};  ///< by number of threads − 1
};

/// From the moment that all threads are there to the moment that the last one is done.
double time_together(const Case& item, std::vector<Part>& parts, size_t threads) {
  std::atomic<size_t> waiting{threads};
  std::array<Clock::time_point, kThreads> begins;
  std::array<Clock::time_point, kThreads> ends;
  const auto work = [&](size_t i) {
    --waiting;
    while (waiting.load() > 0) {
    }
    begins[i] = Clock::now();
    item.run(parts[i]);
    ends[i] = Clock::now();
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads; ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& other : others) other.join();
  const auto count = static_cast<ptrdiff_t>(threads);
  const auto elapsed =
      *std::max_element(ends.begin(), ends.begin() + count) - *std::min_element(begins.begin(), begins.begin() + count);
  return std::chrono::duration<double>(elapsed).count();
}

void run(size_t weights, size_t rounds) {
  std::vector<Part> parts;
  for (size_t i = 0; i < kThreads; ++i) parts.emplace_back(weights);
  std::vector<Case> cases = {{"read", read}, {"memcpy", copy}};
  for (const uint32_t bits : {8U, 4U, 2U}) {
    cases.push_back({"int" + std::to_string(bits), [bits](Part& part) { encode(part, bits); }});
  }
  for (size_t round = 0; round <= rounds; ++round) {
    for (Case& item : cases) {
      for (size_t threads = 1; threads <= kThreads; ++threads) {
        const double seconds = time_together(item, parts, threads);
        if (round > 0) item.seconds[threads - 1].push_back(seconds);
      }
    }
  }
  const char* separator = "";
  std::printf("[");
  for (const Case& item : cases) {
    for (size_t threads = 1; threads <= kThreads; ++threads) {
      const double bytes = static_cast<double>(threads * weights * sizeof(float));
      std::printf("%s\n  {\"name\": \"%s\", \"threads\": %zu, \"gigabytesPerSecond\": %.3f}", separator,
                  item.name.c_str(), threads, bytes / median(item.seconds[threads - 1]) / 1e9);
      separator = ",";
    }
  }
  std::printf("\n]\n");
}

}  // namespace
}  // namespace arrowquant

int main(int argc, char** argv) {
  const size_t mebibytes = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 128;
  const size_t rounds = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 9;
  if (mebibytes == 0 || rounds == 0) {
    std::fprintf(stderr, "usage: bandwidth [mebibytes of each thread] [rounds]\n");
    return 2;
  }
  arrowquant::run(mebibytes << 18U, rounds);
  return 0;
}
