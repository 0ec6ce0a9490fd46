#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"
#include "codecs/weight_range.h"

namespace arrowquant {

/// Planes that a codec has at most.
inline constexpr size_t kMostPlanes = 4;

/// The most that aligned_weights gives.
inline constexpr size_t kMostAlignedWeights = 256;

/// The most bytes that a unit of a plane takes which is one over a whole tensor.
inline constexpr size_t kMostSharedBytes = 16;

/// Weights of a plane's unit, where it is one over a whole tensor, whatever the groups are.
inline constexpr uint32_t kWholeTensor = UINT32_MAX;

/// What a plane is an array of. kU8 are bytes of levels, blocks or small numbers.
enum class ElementType : uint8_t { kU8, kF32, kF16, kBF16, kF8E4M3, kF8E5M2 };

/// What a codec leaves to its user; parameters that it has not are 0 and false.
struct CodecParameters {
  uint32_t bits = 0;        ///< of a weight
  uint32_t group_size = 0;  ///< contiguous weights that share a scale; 0: all of a tensor's
  bool symmetric = false;
};

/// One of the arrays that encoded weights consist of: `unit_bits` for each `unit_weights` contiguous weights, the last
/// of which may be fewer. Units lie without gaps, the first in the lowest bits; the last byte is filled up with zeros.
struct Plane {
  std::string_view name;
  ElementType element = ElementType::kU8;
  uint32_t unit_weights = 1;  ///< kWholeTensor; 0: the parameter group_size, where 0 is one unit over everything
  uint32_t unit_bits = 8;     ///< 0: the parameter bits
};

/// What llama.cpp calls and numbers a GGUF file (`general.file_type`).
struct FileType {
  std::string_view name;
  uint32_t id = 0;
};

/// How hard an encoder searches.
enum class Effort : uint8_t {
  kReference = 0,  ///< what the codec's program writes, byte for byte
  kBetter = 1,     ///< a search that its program has, too, for who knows how much each column counts: with importance
                   ///< what kReference writes
  kBest = 2,       ///< the least weighted error that a search of our own finds
};

/// Memory of each plane; those that a codec has not are empty.
using Planes = std::array<std::span<uint8_t>, kMostPlanes>;
using ConstPlanes = std::array<std::span<const uint8_t>, kMostPlanes>;

/// What an encoding may know besides the weights. They are numbered through the tensor, row by row.
struct EncodeContext {
  CodecParameters parameters;
  /// How much an error in each column of a row counts, finite and not negative: row_weights of them for each matrix,
  /// one after the other, where a tensor has several; empty: all count the same. Where the codec works across rows: how
  /// much each of the tensor's rows counts.
  std::span<const float> importance;
  uint64_t matrix_rows = 0;  ///< rows that share their importance; 0: all of them
  size_t row_weights = 0;    ///< 0: nobody needs to know, or rows of one weight where the codec works across rows
  uint64_t first_row = 0;    ///< the row of the first weight
  size_t first_column = 0;   ///< its column; 0 where the codec needs rows
  Effort effort = Effort::kReference;
  /// Rows of the tensor, where the codec works across rows: those after them are zeros that fill up the last block. 0:
  /// there are none.
  uint64_t rows = 0;
  /// Where the codec works across rows: what its first plane has of the same columns in the block of rows above, or
  /// nullptr where that is not known. Only a last block that is filled up may need it.
  const uint8_t* above = nullptr;
  /// A float type that all weights are numbers of, because they come from it; kU8: nobody knows.
  ElementType weights_type = ElementType::kU8;
  /// The extent of the whole tensor, where needs_range asks for it; else it may be nullptr.
  const WeightRange* range = nullptr;
  /// Weights and scales that the codec cannot hold become infinite, or NaN, as gguf-py has them, which llama.cpp's
  /// converter writes with; a codec that has no such way refuses them all the same.
  bool overflows = false;
};

/// How weights become bytes. The contract of all codecs:
///
/// - `encode` takes whole blocks, which begin at a whole unit of every plane and at whole bytes, or all that is left of
/// a
///   tensor; with `needs_rows` whole rows. Its planes are exactly as long as plane_bytes says. What it gives for a part
///   of a tensor are the bytes of that part: pieces may be encoded in any order, on any thread.
/// - With `across_rows` groups run down the columns. It takes whole blocks of group_size rows, and its units lie in the
///   order [block of rows][column]; what `decode` gives is in that order, too: group after group.
/// - kNotFinite: `position` is the index of the first NaN or infinity among the weights. kScaleOverflow: that of the
///   first weight of a block whose scale the codec cannot hold. After an error the planes are unspecified.
/// - `decode` is the inverse, takes such pieces too, and accepts any bytes that `check` lets pass.
/// - A CodecReference has the scalar instances of both, which agree with them on every input.
/// - What aligned_weights gives for it is a power of two, at most kMostAlignedWeights: pieces and chunks are multiples.
/// - None of them allocates, throws, or keeps anything.
struct Codec {
  std::string_view name;
  uint32_t block_weights = 1;  ///< rows must be whole numbers of them
  std::array<Plane, kMostPlanes> planes = {};
  uint32_t plane_count = 1;
  /// What the parameters can be; empty where it has none.
  std::span<const uint32_t> bits = {};
  std::span<const uint32_t> group_sizes = {};
  bool symmetric = false;
  bool searches = false;  ///< Encoding tries many scales for each block, which takes some twenty times as long.
  bool needs_rows = false;
  bool across_rows = false;
  bool needs_range = false;  ///< with any parameters; without it, one group over everything does
  bool uses_importance = false;
  Effort weighs_from = Effort::kReference;  ///< with less nobody may give importance
  bool needs_importance = false;            ///< with the least effort it cannot do without
  bool needs_rows_to_weigh = false;         ///< as needs_rows, but only with importance, or to be better
  bool foreign = false;                     ///< only other programs' formats hold it: nobody chooses it by its name
  Effort most_effort = Effort::kReference;  ///< more than that changes nothing
  int32_t ggml_type = -1;                   ///< its number among ggml's types; -1: it is none of them
  std::array<FileType, 3> file_types = {};  ///< of files most of whose matrices it holds; the rest have no name

  using Encode = Status (*)(std::span<const float> weights, const Planes& planes,
                            const EncodeContext& context) noexcept;
  using Decode = void (*)(const ConstPlanes& planes, const CodecParameters& parameters,
                          std::span<float> weights) noexcept;
  Encode encode = nullptr;  ///< nullptr: it is read only
  Decode decode = nullptr;
  /// Where `encode` takes anything: whether all weights are finite and stay so, else kNotFinite or kFloatOverflow with
  /// the first that does not. nullptr: `encode` refuses by itself what it cannot hold.
  Status (*fits)(std::span<const float> weights) noexcept = nullptr;
  /// Whether planes from elsewhere can be, for `weights` weights; else kInvalidPlanes with the index of the first
  /// weight that is hurt. nullptr: any bytes can be.
  Status (*check)(const ConstPlanes& planes, const CodecParameters& parameters, size_t weights) noexcept = nullptr;
};

/// The scalar instances of a codec's functions, for tests: programs that do not ask for them do not contain them.
struct CodecReference {
  Codec::Encode encode = nullptr;
  Codec::Decode decode = nullptr;
};

/// Those of a codec that is not in codecs.def are its own functions.
[[nodiscard]] CodecReference reference_of(const Codec& codec) noexcept;

/// Plain floats: what all others are encoded from and decoded to.
extern const Codec kF32;

/// Every codec, in the order of codecs.def.
[[nodiscard]] std::span<const Codec* const> codecs() noexcept;

/// Whether `encode` takes whole rows only.
[[nodiscard]] constexpr bool needs_rows(const Codec& codec, bool has_importance, Effort effort) noexcept {
  return codec.needs_rows || (codec.needs_rows_to_weigh && (has_importance || effort == Effort::kBetter));
}

/// nullptr when the name is unknown.
[[nodiscard]] const Codec* find_codec(std::string_view name) noexcept;

/// What weights are stored as: a codec with its parameters.
struct Encoding {
  const Codec* codec = nullptr;
  CodecParameters parameters;
};

/// Whether there is a codec, and it takes these parameters.
[[nodiscard]] bool is_valid(const Encoding& encoding) noexcept;

/// Bytes of the first `weights` weights in one of the planes; 0 for one that the codec has not. As all sizes that may
/// come from a file, 64 bits also where addresses have 32: those of weights that no memory can hold must not look
/// small.
[[nodiscard]] uint64_t plane_bytes(const Encoding& encoding, size_t plane, uint64_t weights) noexcept;

/// Whether a plane is one unit over all weights of a tensor.
[[nodiscard]] bool is_shared(const Encoding& encoding, size_t plane) noexcept;

/// Whether the extent of a whole tensor must be known before any of it is encoded.
[[nodiscard]] bool needs_range(const Encoding& encoding) noexcept;

/// The least number of weights whose multiples are whole blocks and begin, in every plane, with a whole unit and a
/// byte.
[[nodiscard]] size_t aligned_weights(const Encoding& encoding) noexcept;

}  // namespace arrowquant
