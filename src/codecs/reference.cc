// By itself, so that only programs that call it are linked with the scalar instances.

#include <array>

#include "codecs/codec.h"

namespace arrowquant {

#define ARROWQUANT_CODEC(constant) \
  extern const Codec constant;     \
  extern const CodecReference constant##Reference;
#include "codecs/codecs.def"
#undef ARROWQUANT_CODEC

CodecReference reference_of(const Codec& codec) noexcept {
#define ARROWQUANT_CODEC(constant) \
  if (&codec == &(constant)) return constant##Reference;
#include "codecs/codecs.def"
#undef ARROWQUANT_CODEC
  return {codec.encode, codec.decode};
}

}  // namespace arrowquant
