import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { caseNamed } from './cases.mjs';

const kFile = fileURLToPath(new URL('../../../golden/checkpoints/families.json', import.meta.url));

/** The families of models: what tests/golden/checkpoints/README.md says of families.json. */
export const kFamilies = JSON.parse(readFileSync(kFile, 'utf8'));

/** The name that their folders have: GGUFs get their names from it. */
const kFolder = 'Tiny-Model';

const kBytes = { F32: 4, F16: 2, BF16: 2, U8: 1 };

/** A seed for the weights of a tensor (FNV-1a of its name). */
function seedOf(name) {
  let seed = 0x811c9dc5;
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 0x01000193) >>> 0;
  return seed === 0 ? 1 : seed;
}

/** Any bytes. */
function* anyBytes(name) {
  let state = seedOf(name);
  for (;;) {
    state = (Math.imul(state, 0x0019660d) + 0x3c6ef35f) >>> 0;
    yield state >>> 24;
  }
}

/** Bits of weights of that type, of some size between 1/64 and 1, of both signs. */
function* bitsOf(name, dtype) {
  let state = seedOf(name);
  const exponent = dtype === 'F16' ? 9 : 121;
  const mantissa = { F32: 23, F16: 10, BF16: 7 }[dtype];
  for (;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const bits = state >>> 0;
    const sign = (bits & 1) * (dtype === 'F32' ? 2 ** 31 : 2 ** 15);
    yield sign + (exponent + ((bits >>> 1) & 3) + ((bits >>> 3) & 1)) * 2 ** mantissa + ((bits >>> 8) % 2 ** mantissa);
  }
}

function weightsOf(name, dtype, count) {
  const bits = dtype === 'U8' ? anyBytes(name) : bitsOf(name, dtype);
  const bytes = Buffer.alloc(count * kBytes[dtype]);
  for (let index = 0; index < count; ++index)
    bytes.writeUIntLE(bits.next().value, index * kBytes[dtype], kBytes[dtype]);
  return bytes;
}

/** Names with `#` and `@` stand for those of all layers, and of all experts in them. */
function namesOf(pattern, layers, experts) {
  const each = (names, mark, count) =>
    names.flatMap((name) =>
      name.includes(mark) ? Array.from({ length: count }, (_, index) => name.replace(mark, index)) : [name],
    );
  return each(each([pattern], '#', layers), '@', experts);
}

/** Names, types and shapes of a family's tensors. */
const tensorsOf = ({ tensors, layers, experts = 0 }) =>
  tensors.flatMap((line) => {
    const [pattern, dtype, shape] = line.split(' ');
    return namesOf(pattern, layers, experts).map((name) => ({ name, dtype, shape: shape.split('x').map(Number) }));
  });

function safetensorsOf(tensors) {
  let at = 0;
  const parts = [];
  const header = {};
  for (const { name, dtype, shape } of tensors) {
    const part = weightsOf(
      name,
      dtype,
      shape.reduce((count, size) => count * size, 1),
    );
    header[name] = { dtype, shape, data_offsets: [at, at + part.length] };
    at += part.length;
    parts.push(part);
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}

/** The tensors in files of a few each, with an index. */
function writeShards(folder, tensors, shards) {
  const weight_map = {};
  for (let shard = 0; shard < shards; ++shard) {
    const file = `model-0000${shard + 1}-of-0000${shards}.safetensors`;
    const own = tensors.filter((_, index) => index % shards === shard);
    for (const { name } of own) weight_map[name] = file;
    writeFileSync(path.join(folder, file), safetensorsOf(own));
  }
  writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
}

/** Copies the tokenizer of a case, with some texts in its files replaced. */
function copyTokenizer(like, folder, replaced = []) {
  const { input } = caseNamed(like);
  const files = readdirSync(input, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name !== 'config.json' && !/safetensors|README/u.test(entry.name),
  );
  for (const { name } of files) {
    cpSync(path.join(input, name), path.join(folder, name));
    const changes = replaced.filter(([file]) => file === name);
    if (changes.length === 0) continue;
    const text = changes.reduce(
      (now, [, from, to]) => now.replaceAll(from, to),
      readFileSync(path.join(folder, name), 'utf8'),
    );
    writeFileSync(path.join(folder, name), text);
  }
}

/**
 * Writes a checkpoint of a family into a folder of its own.
 *
 * @returns {string} The folder.
 */
export function writeFamily(family, parent) {
  const folder = path.join(parent, family.name, kFolder);
  mkdirSync(folder, { recursive: true });
  const tensors = tensorsOf(family);
  copyTokenizer(family.like, folder, family.replaced);
  if (family.card !== undefined) writeFileSync(path.join(folder, 'README.md'), family.card);
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(family.config, null, 2));
  if (family.shards === undefined) writeFileSync(path.join(folder, 'model.safetensors'), safetensorsOf(tensors));
  else writeShards(folder, tensors, family.shards);
  return folder;
}
