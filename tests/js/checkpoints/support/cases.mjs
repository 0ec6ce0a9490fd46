import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readModel } from '../../support/models/safetensors.mjs';

const kGolden = fileURLToPath(new URL('../../../golden/checkpoints', import.meta.url));
const json = (...names) => JSON.parse(readFileSync(path.join(kGolden, ...names), 'utf8'));

/** What tests/golden/checkpoints/README.md says of a case, and `input`, its checkpoint's folder. */
function caseOf(name) {
  const said = json(name, 'case.json');
  const input = path.join(kGolden, name, said.folder);
  // The hashes of small vocabularies are not in llama.cpp's table: the converter was told their name.
  const options = said.pre_source === 'patched' ? { pre: said.pre } : {};
  return { name, input, options, ...said };
}

/** The tiny checkpoints, each with what llama.cpp's own converter writes of it. */
export const kCases = readdirSync(kGolden)
  .filter((name) => existsSync(path.join(kGolden, name, 'case.json')))
  .map(caseOf);

export function caseNamed(name) {
  const found = kCases.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no case ${name}`);
  return found;
}

/** The types of files that llama.cpp's converter writes itself, by what case.json calls them. */
export const kOutTypes = { F32: 'f32', F16: 'f16', BF16: 'bf16', Q8_0: 'q8_0' };

/**
 * The type that a checkpoint's own weights have: what llama.cpp's converter finds by itself, but for weights of 32 bits, which it
 * makes F16 of.
 */
export function ownType({ auto, input }) {
  const halves = readdirSync(input)
    .filter((name) => name.endsWith('.safetensors'))
    .flatMap((name) => [...readModel(readFileSync(path.join(input, name))).tensors.values()])
    .filter(({ dtype, shape }) => ['F16', 'BF16'].includes(dtype) && shape.length > 1);
  return halves.length > 0 ? auto.toUpperCase() : 'F32';
}

/** Holds weights that overflow F16, to see that they are written as llama.cpp's converter writes them. */
export const kOverflowing = 'qwen3-f32';

/** Texts with their tokens by one tokenizer, for the cases that have them. */
export const tokensOf = (name) => json('tokens', `${name}.json`);
export const kTexts = json('tokens', 'strings.json').map(([, text]) => text);
export const kTokenized = readdirSync(path.join(kGolden, 'tokens'))
  .filter((name) => name !== 'strings.json')
  .map((name) => path.basename(name, '.json'));
