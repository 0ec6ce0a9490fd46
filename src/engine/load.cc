#include "engine/load.h"

#include <algorithm>

namespace arrowquant {

bool is_plain(const Operand& operand) noexcept { return operand.encoding.codec == &kF32 && operand.scale == 1; }

Loaded load(const Operand& from, size_t first, size_t count, bool checks_planes, std::span<float> room) noexcept {
  if (is_plain(from)) return {{}, {reinterpret_cast<const float*>(from.planes[0]) + first, count}};
  const Codec& codec = *from.encoding.codec;
  const size_t before = first % aligned_weights(from.encoding);
  const size_t over = (before + count) % codec.block_weights;
  const size_t all = before + count + (over == 0 ? 0 : codec.block_weights - over);
  const Planes planes = planes_of(from, first - before, all);
  const ConstPlanes read = {planes[0], planes[1], planes[2], planes[3]};
  if (checks_planes && codec.check != nullptr) {
    const Status status = codec.check(read, from.encoding.parameters, all);
    if (!status.ok()) return {{status.code, std::max<uint64_t>(status.position, before) - before}, {}};
  }
  const std::span<float> weights = room.first(all);
  codec.decode(read, from.encoding.parameters, weights);
  if (from.scale != 1) {
    for (float& weight : weights) weight *= from.scale;
  }
  return {{}, weights.subspan(before, count)};
}

}  // namespace arrowquant
