// Makes the files of this folder from a folder of originals: `node tests/golden/onnx/make.mjs <folder>`, where the folder has
// manifest.json and onnx/<model>/… as README.md tells.
import { mkdirSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { modelFile } from '../../js/support/models/safetensors.mjs';
import { graphText } from '../../js/support/onnx/graph-text.mjs';

const kHere = import.meta.dirname;
const kModels = ['bert', 'bert_extdata', 'cnn', 'decoder', 'decoder_op21'];

function outputsOf(manifest, originals, model) {
  const prefix = `onnx/${model}/`;
  const files = manifest.files.filter(
    (file) => file.path.startsWith(prefix) && /\/[^/]+\/.*\.onnx(_data)?$/.test(file.path) && file.compare !== 'input',
  );
  return Object.fromEntries(
    files.map(({ path: name, bytes, sha256, compare }) => {
      const file = path.join(originals, name);
      const text = name.endsWith('.onnx') ? graphText(readFileSync(file), path.dirname(file)) : undefined;
      return [name.slice(prefix.length), { bytes, sha256, compare, text }];
    }),
  );
}

function ioOf(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.npy'));
  return names.sort().map((name) => ({ name: name.slice(0, -'.npy'.length), ...readNpy(path.join(folder, name)) }));
}

/** NumPy's format, version 1: a dictionary of Python's as text, then the elements in C's order. */
function readNpy(file) {
  const bytes = readFileSync(file);
  const begin = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, begin);
  const [, descr] = header.match(/'descr': '([^']+)'/);
  const [, shape] = header.match(/'shape': \(([^)]*)\)/);
  const dtype = { '<f4': 'F32', '<i8': 'I64' }[descr];
  if (dtype === undefined) throw new Error(`${file}: ${descr}`);
  return {
    dtype,
    shape: shape
      .split(',')
      .filter((it) => it.trim() !== '')
      .map(Number),
    bytes: bytes.subarray(begin),
  };
}

const originals = process.argv[2];
const manifest = JSON.parse(readFileSync(path.join(originals, 'manifest.json'), 'utf8'));
for (const model of kModels) {
  const from = path.join(originals, 'onnx', model);
  const to = path.join(kHere, model);
  mkdirSync(to, { recursive: true });
  copyFileSync(path.join(from, 'model.onnx'), path.join(to, 'model.onnx'));
  const outputs = JSON.stringify(outputsOf(manifest, originals, model));
  writeFileSync(path.join(to, 'outputs.json.gz'), gzipSync(outputs, { level: 9 }));
  writeFileSync(path.join(to, 'io.safetensors'), modelFile(ioOf(path.join(from, 'io'))));
}
