"""Writes the Arrow files beside this script. What they hold is in README.md, and in tests/js/arrow/support/golden.mjs."""

import pathlib

import numpy as np
import pyarrow as pa

HERE = pathlib.Path(__file__).parent


def weights(row, count):
    """Multiples of 1/64 between -0.8 and 0.8, which both halves and floats hold."""
    return [((i * 37 + row * 11) % 101 - 50) / 64 for i in range(count)]


def write(name, batches, schema):
    path = str(HERE / name)
    opens = pa.ipc.new_file if name.endswith(".arrow") else pa.ipc.new_stream
    with opens(path, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def batch(schema, rows):
    columns = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return pa.record_batch(columns, schema=schema)


def table(names, values, shapes=None):
    fields = [("layer_name", names), ("weights", values)]
    return pa.schema(fields + ([("shape", shapes)] if shapes is not None else []))


def rows(counts, halves=False, shaped=None):
    made = []
    for row, count in enumerate(counts):
        values = weights(row, count)
        cells = [f"layer.{(row * 3) % 7}", np.array(values, np.float16) if halves else values]
        made.append(cells + ([shaped(count)] if shaped else []))
    return made


COUNTS = [130, 0, 1, 96, 1000]
FIXED = [96, 96, 96, 96, 96]


def pairs(count):
    return [2, count // 2] if count % 2 == 0 else [count]


plain = table(pa.utf8(), pa.list_(pa.float32()), pa.list_(pa.int64()))
made = rows(COUNTS, shaped=pairs)
write("list.arrow", [batch(plain, made[:2]), batch(plain, made[2:3]), batch(plain, []), batch(plain, made[3:])], plain)

large = table(pa.large_utf8(), pa.large_list(pa.float32()), pa.list_(pa.int32()))
write("large.arrows", [batch(large, made[:3]), batch(large, made[3:])], large)

fixed = table(pa.utf8(), pa.list_(pa.float32(), 96), pa.list_(pa.int64(), 2))
fixed_rows = rows(FIXED, shaped=pairs)
write("fixed.arrow", [batch(fixed, fixed_rows[:3]), batch(fixed, fixed_rows[3:])], fixed)

half = table(pa.utf8(), pa.list_(pa.float16()))
write("half.arrow", [batch(half, rows(COUNTS, halves=True))], half)

half_fixed = table(pa.utf8(), pa.list_(pa.float16(), 96))
write("half-fixed.arrows", [batch(half_fixed, rows(FIXED, halves=True))], half_fixed)

coded = table(pa.dictionary(pa.int32(), pa.utf8()), pa.list_(pa.float32()), pa.list_(pa.int64()))
write("dictionary.arrow", [batch(coded, made)], coded)

# A slice, whose rows begin in the middle of their columns.
write("sliced.arrows", [batch(plain, made).slice(3, 2)], plain)

# Each row but the first has a null somewhere else.
nulls = [
    ["fine", [0.5, -0.5], [2]],
    [None, [0.5, -0.5], [2]],
    ["no weights", None, [2]],
    ["a weight", [0.5, None], [2]],
    ["no shape", [0.5, -0.5], None],
    ["a size", [0.5, -0.5], [2, None]],
]
write("nulls.arrows", [batch(plain, nulls)], plain)

# What the system makes whose columns these are: a byte for every level, zero points as floats, bits as whole numbers of 64 bits.
quantized = pa.schema(
    [
        ("layer_name", pa.utf8()),
        ("quantized_data", pa.binary()),
        ("scales", pa.list_(pa.float32())),
        ("zero_points", pa.list_(pa.float32())),
        ("shape", pa.list_(pa.int64())),
        ("bit_width", pa.int64()),
    ]
)
levels = bytes(i % 16 for i in range(96))
quantized_rows = [
    ["whole", levels, [0.5], [3.0], [8, 12], 4],
    ["groups", levels, [0.5, 0.25, 2.0], [3.0, 0.0, 15.0], [96], 4],
    ["packed", bytes(range(48)), [0.5, 0.25, 2.0], [3.0, 0.0, 15.0], [96], 4],
    ["fraction", levels, [0.5, 0.3, 2.0], [3.5, -0.7, 300.1], [96], 4],
    ["packed fraction", bytes(range(48)), [0.5], [3.5], [96], 4],
    ["unclear", levels, [0.5] * 5, [3.0] * 5, [96], 4],
]
write("quantized.arrow", [batch(quantized, quantized_rows[:2]), batch(quantized, quantized_rows[2:])], quantized)
