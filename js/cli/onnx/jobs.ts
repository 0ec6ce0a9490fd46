/** The files that `quantize` makes of ONNX models, under the names that transformers.js looks for. */

import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { isOnnxName } from '../../containers/registry.js';
import { QuantizeError, quoted } from '../../errors.js';
import { ONNX_TYPES, isOnnxType, type OnnxType } from '../../formats/names.js';
import { siblingName } from '../options.js';
import type { OnnxOptions } from './options.js';

/** What the types add to a file's name, as transformers.js looks for it. */
const SUFFIXES: Readonly<Partial<Record<OnnxType, string>>> = { q8: '_quantized', nf4: '_bnb4' };

const suffixOf = (type: OnnxType): string => SUFFIXES[type] ?? `_${type}`;

/** A file to be made. */
export interface OnnxJob {
  readonly input: string;
  readonly output: string;
  readonly type: OnnxType;
}

/** What says which files are made. */
export interface AskedOnnx extends OnnxOptions {
  readonly format?: string | undefined;
  readonly type?: string | undefined;
}

/** Whether an ONNX model is asked for. */
export const asksForOnnx = (input: string, output: string | undefined, asked: AskedOnnx): boolean =>
  asked.format === 'onnx' ||
  (asked.format === undefined &&
    (asked.types !== undefined ||
      isOnnxName(output ?? '') ||
      (output === undefined && isOnnxName(input) && isOnnxType((asked.type ?? 'q4').toLowerCase()))));

/** The files to be made. Throws `invalid_option` for what does not go together. */
export function onnxJobs(
  input: string,
  output: string | undefined,
  { types, type, outDir }: AskedOnnx,
): readonly OnnxJob[] {
  const wanted = types ?? [typeNamed(type ?? 'q4')];
  if (output !== undefined && (wanted.length > 1 || outDir !== undefined)) {
    const what = wanted.length > 1 ? 'several types are several files' : '--out-dir says where the file goes';
    throw new QuantizeError('invalid_option', { detail: `${what}, so that ${quoted(output)} cannot be the output` });
  }
  return modelsIn(input).flatMap(({ file, folder }) =>
    wanted.map((one): OnnxJob => {
      const name = siblingName(file, `${suffixOf(one)}.onnx`);
      const beside = outDir === undefined ? name : path.join(outDir, folder, path.basename(name));
      return { input: file, output: output ?? beside, type: one };
    }),
  );
}

function typeNamed(type: string): OnnxType {
  const name = type.toLowerCase();
  if (isOnnxType(name)) return name;
  const detail = `type ${quoted(type)} is none of ONNX models; there are ${ONNX_TYPES.join(', ')}`;
  throw new QuantizeError('invalid_option', { detail });
}

/** A model, and the folder that its quantized files go to, from that of the output on. */
interface FoundModel {
  readonly file: string;
  readonly folder: string;
}

/** The models in a folder, or in the folder `onnx` in it, that are none of the types already; a file is itself. */
function modelsIn(input: string): readonly FoundModel[] {
  if (!existsSync(input) || !statSync(input).isDirectory()) return [{ file: input, folder: '' }];
  const folder = existsSync(path.join(input, 'onnx')) ? 'onnx' : '';
  const names = readdirSync(path.join(input, folder)).filter((name) => isOnnxName(name) && !isQuantized(name));
  if (names.length > 0) return names.sort().map((name) => ({ file: path.join(input, folder, name), folder }));
  throw new QuantizeError('unreadable_input', {
    file: input,
    detail: 'there is no ONNX model in it that is not quantized',
  });
}

const isQuantized = (name: string): boolean =>
  ONNX_TYPES.some((type) => name.toLowerCase().endsWith(`${suffixOf(type)}.onnx`));

/** Makes the folders that the files go to. */
export function makeFolders(jobs: readonly OnnxJob[], { outDir }: OnnxOptions): void {
  if (outDir === undefined) return;
  for (const folder of new Set(jobs.map(({ output }) => path.dirname(output)))) mkdirSync(folder, { recursive: true });
}

/** The folder of a model that has the files of `folder`: transformers.js looks for them in the folder `onnx` of it. */
export const rootOf = (folder: string): string => (path.basename(folder) === 'onnx' ? path.dirname(folder) : folder);
