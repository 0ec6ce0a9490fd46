/** What mlx-lm changes in tensors besides their names. */

import { codecNamed, planeBytes, traitsOf } from '../../codecs/codec.js';
import { invalidFile } from '../../containers/invalid-file.js';
import { MemorySource } from '../../io/memory-source.js';
import { sourceOf, type CodedTensor, type Tensor } from '../../layouts/tensor.js';
import { decodeRange } from '../../models/read-tensor.js';
import type { PipelineTools } from '../../pipeline/pipeline.js';
import { rangesOf } from '../../pipeline/stretches.js';
import type { MlxModel, Split } from './models.js';
import type { Weight } from './weights.js';

/** Most published models have some hundred experts a layer. */
export const MOST_EXPERTS = 65_536;

/** Far more than any model's norms have. */
const MOST_SHIFTED = 2 ** 20;

/** The parts that a tensor of all experts of a layer is cut into, along its rows; null where it is none. */
export function cutTensor(name: string, stored: Tensor, splits: readonly Split[]): readonly Weight[] | null {
  for (const { part, whole } of splits) {
    const [, before] = part.exec(name) ?? [];
    if (before === undefined) continue;
    const [experts = 0, rows = 0, row = 0] = stored.shape;
    const own = rows / whole.length;
    if (
      stored.shape.length !== 3 ||
      stored.codec === null ||
      experts > MOST_EXPERTS ||
      !Number.isInteger(own) ||
      !isCuttable(stored, own * row)
    ) {
      throw invalidFile(sourceOf(stored), 'the matrices of its experts cannot be told apart', { layer: stored.name });
    }
    return whole.map((template, index) => ({
      ...{ name: template.replace('$1', () => before), isStack: true },
      stored: cutOut(stored, index, { experts, rows: own, row, of: whole.length }),
    }));
  }
  return null;
}

/** Whether stretches of so many weights are whole bytes of every plane, and stand for themselves. */
const isCuttable = ({ codec, scale }: CodedTensor, weights: number): boolean =>
  scale === undefined &&
  traitsOf(codec).planes.every(
    ({ unitWeights }, plane) =>
      unitWeights === 1 && planeBytes(codec, plane, 8 * weights) === 8 * planeBytes(codec, plane, weights),
  );

function cutOut(
  stored: CodedTensor,
  index: number,
  {
    experts,
    rows,
    row,
    of,
  }: { readonly experts: number; readonly rows: number; readonly row: number; readonly of: number },
): CodedTensor {
  const { codec } = stored;
  const weights = rows * row;
  const planes = stored.planes.map((ranges, plane) => {
    const bytes = planeBytes(codec, plane, weights);
    const all = Array.from({ length: experts }, (_, expert) => (expert * of + index) * bytes);
    return all.flatMap((begin) => rangesOf(ranges, { begin, bytes }));
  });
  const bytes = planes.flat().reduce((sum, range) => sum + range.bytes, 0);
  return {
    ...{ ...stored, planes, shape: [experts, rows, row], elements: experts * weights, fileBytes: bytes },
    name: `${stored.name}[${index}]`,
    partNames: [stored.name],
  };
}

/** Kernels of convolutions have their length before the one channel that they see. */
export function turned({ name, stored, ...others }: Weight): Weight {
  const [channels = 0, seen = 0, length = 0] = stored.shape;
  if (!isUnturned({ name, stored })) return { name, stored, ...others };
  if (seen !== 1) throw invalidFile(sourceOf(stored), 'its kernels see several channels', { layer: stored.name });
  return { name, stored: { ...stored, shape: [channels, length, seen] }, ...others };
}

const isUnturned = ({ name, stored: { shape } }: Pick<Weight, 'name' | 'stored'>): boolean =>
  name.endsWith('conv1d.weight') && shape.length === 3 && shape[2] !== 1;

/** Norms to whose weights mlx-lm adds 1, of which the file has what is beyond that. */
export function shiftedNorms(weights: readonly Weight[], { shifts }: MlxModel): readonly Weight[] {
  if (shifts === undefined || (shifts.needsKernels && !weights.some(isUnturned))) return [];
  return weights.filter(({ name, stored }) => shifts.norms.test(name) && stored.shape.length === 1);
}

/** The same with 1 added to each of its weights. Of what is no float, or has too many of them, rejects with `invalid_file`. */
export async function withOneMore(weight: Weight, tools: PipelineTools): Promise<Weight> {
  const { stored } = weight;
  if (stored.codec === null || stored.elements > MOST_SHIFTED) {
    throw invalidFile(sourceOf(stored), 'it is no weight of a norm', { layer: stored.name });
  }
  const values = await decodeRange(stored, 0, stored.elements, tools);
  const bytes = new Uint8Array(values.map((value) => value + 1).buffer);
  const source = new MemorySource(sourceOf(stored).name, bytes);
  const planes = [[{ source, begin: 0, bytes: bytes.length }]];
  return { ...weight, was: stored, stored: { ...stored, codec: codecNamed('F32'), planes } };
}
