#!/usr/bin/env node
/**
 * Writes a safetensors file with the structure and the statistics of a small text-to-image model: a UNet in F16, a
 * transformer in BF16 and a text encoder in F32, with the tensor names of diffusers. The weights are random with a fixed
 * seed: heavy-tailed, every output channel with its own spread, one in a hundred an outlier, as trained weights are.
 *
 *   node tools/make-sample-model.mjs [FILE] [--size MB] [--shards N] [--seed N]
 */
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fillWeights } from './sample/weights.mjs';
import { bytesOf, kElementBytes, sampleTensors } from './sample/structure.mjs';

const kDefaultMegabytes = 64;
const kDefaultSeed = 20240117;

/**
 * Writes the model to `file`, or with `shards` > 1 to files beside it with `file` (which should end with
 * `.safetensors.index.json`) as their index. Files appear under their names only when complete. Returns the tensors.
 */
export function makeSampleModel(file, { megabytes = kDefaultMegabytes, shards = 1, seed = kDefaultSeed } = {}) {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  const tensors = sampleTensors(megabytes * 1e6);
  if (shards === 1) {
    writeModel(file, tensors, seed);
    return tensors;
  }
  const stem = path.basename(file).replace(/\.safetensors(\.index\.json)?$/, '');
  const weightMap = {};
  for (const [index, part] of split(tensors, shards).entries()) {
    const number = (value) => String(value).padStart(5, '0');
    const name = `${stem}-${number(index + 1)}-of-${number(shards)}.safetensors`;
    writeModel(path.join(path.dirname(file), name), part, seed);
    for (const tensor of part) weightMap[tensor.name] = name;
  }
  const index = {
    metadata: { total_size: tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0) },
    weight_map: weightMap,
  };
  writeFileSync(file, `${JSON.stringify(index, null, 2)}\n`);
  return tensors;
}

/** Runs of about the same size. */
function split(tensors, shards) {
  const total = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  const parts = Array.from({ length: shards }, () => []);
  let reached = 0;
  for (const tensor of tensors) {
    parts[Math.min(shards - 1, Math.floor((reached / total) * shards))].push(tensor);
    reached += bytesOf(tensor);
  }
  return parts;
}

function writeModel(file, tensors, seed) {
  // As the format's own writer does: larger elements first, so that everything is aligned; then by name.
  const sorted = [...tensors].sort(
    (a, b) => kElementBytes[b.dtype] - kElementBytes[a.dtype] || (a.name < b.name ? -1 : Number(a.name > b.name)),
  );
  const temporary = `${file}.${process.pid}.partial`;
  const handle = openSync(temporary, 'w');
  try {
    writeSync(handle, header(sorted));
    for (const tensor of sorted) writeSync(handle, fillWeights(tensor, bytesOf(tensor), seed));
    closeSync(handle);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function header(tensors) {
  const entries = { __metadata__: { format: 'pt' } };
  let reached = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    const end = reached + bytesOf(tensor);
    entries[name] = { dtype, shape, data_offsets: [reached, end] };
    reached = end;
  }
  const text = Buffer.from(JSON.stringify(entries));
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = Buffer.alloc(8 + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length));
  text.copy(bytes, 8);
  return bytes;
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { size: { type: 'string' }, shards: { type: 'string' }, seed: { type: 'string' } },
  });
  const { size = kDefaultMegabytes, shards = 1, seed = kDefaultSeed } = values;
  const [file = Number(shards) > 1 ? 'sample-model.safetensors.index.json' : 'sample-model.safetensors'] = positionals;
  const tensors = makeSampleModel(file, { megabytes: Number(size), shards: Number(shards), seed: Number(seed) });
  const megabytes = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0) / 1e6;
  console.log(`${file}: ${tensors.length} tensors, ${megabytes.toFixed(1)} MB`);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) main();
