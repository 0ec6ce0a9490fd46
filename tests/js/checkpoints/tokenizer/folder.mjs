/** Checkpoints for tests of tokenizers: folders in memory, of which the golden set's are copies. */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import {
  CheckpointFiles,
  Companions,
  Hparams,
  KeyList,
  MemorySource,
  parseJson,
  QuantizeError,
} from '../../support/internals.mjs';

const kGolden = new URL('../../../golden/checkpoints/', import.meta.url);

/** A table of the golden set. */
export const table = (name) => JSON.parse(readFileSync(new URL(`tables/${name}.json`, kGolden), 'utf8'));

export const caseNames = () =>
  readdirSync(kGolden).filter((name) => !['tables', 'tokens'].includes(name) && !name.includes('.'));

export const caseNamed = (name) => JSON.parse(readFileSync(new URL(`${name}/case.json`, kGolden), 'utf8'));

/** The files of a case that are no weights, by their names in its folder. */
export function filesOf(name) {
  const { folder, files } = caseNamed(name);
  const names = Object.keys(files).filter((file) => !file.endsWith('.safetensors'));
  return new Map(names.map((file) => [file, readFileSync(path.join(kGolden.pathname, name, folder, file))]));
}

/** A folder with such files: bytes, texts, or what becomes JSON. */
export function checkpointOf(files, { options = {}, onWarning = () => {} } = {}) {
  const contents = new Map([...files].map(([name, content]) => [name, bytesOf(content)]));
  const source = (name) => new MemorySource(name, contents.get(name));
  const anchor = {
    sibling: (name) =>
      contents.has(name)
        ? Promise.resolve(source(name))
        : Promise.reject(new QuantizeError('missing_shard', { file: name })),
    list: (folder) =>
      Promise.resolve(
        [...contents.keys()].filter((name) => name.startsWith(`${folder}/`)).map((name) => path.basename(name)),
      ),
  };
  const config = parseJson(Buffer.from(contents.get('config.json') ?? '{}').toString());
  const hparams = new Hparams(new Map([...config, ...(config.get('text_config') ?? [])]), { name: 'config.json' });
  return {
    name: 'model',
    files: new CheckpointFiles(new Companions(anchor)),
    hparams,
    options: { via: null, name: null, pre: null, chatTemplate: true, keyValues: [], ...options },
    warn: onWarning,
  };
}

function bytesOf(content) {
  if (content instanceof Uint8Array) return content;
  return Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
}

/** The pairs that `write` writes of a checkpoint, by key: the value, or length and hash of a long one, as in case.json. */
export async function pairsOf(write, checkpoint) {
  const pairs = new KeyList();
  const found = await write(pairs, checkpoint);
  return { found, pairs: pairs.pairs };
}

/** A pair as case.json has it, so far as it tells values apart. */
export function described({ key, type, value, array, encoded }) {
  if (type === 'array') return { key, type: `array<${shortType(array.type)}>`, sha256: sha256(encoded.subarray(12)) };
  return { key, type: shortType(type), sha256: type === 'string' ? sha256(encoded.subarray(8)) : String(value) };
}

/** The same of an entry of case.json. */
export function expectedOf({ key, type, value, sha256: hash }) {
  if (hash !== undefined) return { key, type, sha256: hash };
  if (type.startsWith('array')) return { key, type, sha256: sha256(arrayBytes(type, value)) };
  return { key, type, sha256: type === 'str' ? sha256(Buffer.from(value)) : String(value) };
}

function arrayBytes(type, values) {
  if (type !== 'array<str>') throw new Error(`no short ${type} is in the golden set`);
  const parts = values.flatMap((value) => {
    const [length, text] = [Buffer.alloc(8), Buffer.from(value)];
    length.writeBigUInt64LE(BigInt(text.length));
    return [length, text];
  });
  return Buffer.concat(parts);
}

const shortType = (type) => (type === 'string' ? 'str' : type);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
