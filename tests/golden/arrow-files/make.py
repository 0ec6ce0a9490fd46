"""Makes the golden files of tests/golden/arrow-files; needs pyarrow and polars."""
import sys, numpy as np, pyarrow as pa, pyarrow.ipc as ipc, polars as pl, pyarrow.feather as feather

out = sys.argv[1]

def values(count, seed):
    """Exact in float16, and the same in every version of every library."""
    state, found = seed, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        found.append(((state >> 12) % 2048 - 1024) / 512)
    return np.array(found, dtype=np.float32)

NAMES = ["model.embed.weight", "model.layers.0.weight", "naïve.bias", "model.norm.weight", "empty"]
SHAPES = [[6, 64], [2, 3, 32], [5], [7], [0, 4]]
WEIGHTS = [values(int(np.prod(s)), i + 1) for i, s in enumerate(SHAPES)]

def table(list_type, name_type=pa.string(), shape_type=pa.list_(pa.int64()), item=np.float32):
    return pa.table({
        "step": pa.array(range(len(NAMES)), pa.int64()),
        "layer_name": pa.array(NAMES).cast(name_type),
        "weights": pa.array([w.astype(item) for w in WEIGHTS], list_type),
        "shape": pa.array(SHAPES, shape_type),
        "note": pa.array(["first", None, "third", None, "last"]),
    }, metadata={"format": "pt"})

def file(name, data, batch=None, **options):
    with pa.OSFile(f"{out}/{name}", "wb") as sink, ipc.new_file(sink, data.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(data, max_chunksize=batch)

def stream(name, batches, schema, **options):
    with pa.OSFile(f"{out}/{name}", "wb") as sink, ipc.new_stream(sink, schema, options=ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)

plain = table(pa.list_(pa.float32()))
file("list.arrow", plain, 2)
# Of a table that begins in the middle of another one's buffers.
file("slice.arrow", plain.slice(1, 3))
large = table(pa.large_list(pa.float32()), pa.large_string(), pa.large_list(pa.int32()))
stream("large.arrows", large.to_batches(max_chunksize=3), large.schema)

half = table(pa.list_(pa.float16()), item=np.float16)
half = half.set_column(1, "layer_name", half["layer_name"].dictionary_encode())
file("half.arrow", half)
# A dictionary that grows from batch to batch.
grown = [pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([i], pa.int8()), pa.array(NAMES[: i + 1])),
                          pa.array([WEIGHTS[i]], pa.list_(pa.float32()))], names=["layer_name", "weights"]) for i in range(3)]
stream("delta.arrows", grown, grown[0].schema, emit_dictionary_deltas=True)
replaced = [pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array([NAMES[i]])),
                             pa.array([WEIGHTS[i]], pa.list_(pa.float32()))], names=["layer_name", "weights"]) for i in range(3)]
stream("replaced.arrows", replaced, replaced[0].schema)

fixed = pa.table({
    "layer_name": NAMES[:3],
    "weights": pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate([values(32, 9 + i) for i in range(3)])), 32),
    "shape": pa.array([[4, 8], [32], None], pa.list_(pa.int32())),
})
file("fixed.arrow", fixed)

feather.write_feather(plain, f"{out}/lz4.feather", compression="lz4")
file("zstd.arrow", plain, compression="zstd")

pl.DataFrame({"layer_name": NAMES, "weights": WEIGHTS, "shape": SHAPES},
             schema={"layer_name": pl.String, "weights": pl.List(pl.Float32), "shape": pl.List(pl.Int64)}
             ).write_ipc(f"{out}/polars.arrow")
if len(sys.argv) > 2:  # A file of ArrowQuant's, read and written again by both.
    ours = ipc.open_file(sys.argv[2]).read_all()
    pl.from_arrow(ours).write_ipc(f"{out}/quantized-polars.arrow")
    floats = pa.array(ours["zero_points"].to_pylist(), pa.list_(pa.float32()))
    first = ours.set_column(ours.column_names.index("zero_points"), "zero_points", floats)
    file("quantized-original.arrow", first.select(["layer_name", "quantized_data", "scales", "zero_points", "shape", "bit_width"]).slice(0, 2).combine_chunks())
