import { planeBytes, sameCodec, traitsOf } from '../../codecs/codec.js';
import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { QuantizeError } from '../../errors.js';
import { byName, fileBytes, sourceOf, type CodedTensor, type Tensor } from '../../layouts/tensor.js';
import { droppedTensor, type DroppedTensor } from '../../plan/report.js';
import { UNUSED, type MlcModel } from './models.js';

/** A tensor of the output, before it is quantized. */
export interface MlcWeight {
  readonly name: string;
  readonly stored: Tensor;
}

export interface MlcWeights {
  readonly weights: readonly MlcWeight[];
  readonly dropped: readonly DroppedTensor[];
}

/**
 * The tensors under MLC-LLM's names, in its order: file by file, by name in each; those that are put together come with the
 * first of their parts. Throws `missing_tensor` where one is not there, `unsupported_model` where parts cannot be put together.
 */
export function mlcWeights(tensors: readonly Tensor[], rules: MlcModel, isTied: boolean): MlcWeights {
  const known = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const dropped: DroppedTensor[] = [];
  const weights = new Map<string, Tensor>();
  for (const tensor of inOrder(tensors)) {
    const { name } = tensor;
    if (UNUSED.test(name)) dropped.push(droppedTensor(tensor, 'rotary frequencies, which are computed'));
    else if (isTied && name === 'lm_head.weight')
      dropped.push(droppedTensor(tensor, 'the output projection is the embedding'));
    else {
      const place = placeOf(name, rules);
      const renamed = nameFor(place?.whole ?? name, rules);
      if (!weights.has(renamed)) weights.set(renamed, place === null ? tensor : together(place, known, tensor));
    }
  }
  return { weights: [...weights].map(([name, stored]) => ({ name, stored })), dropped };
}

/** What MLC-LLM calls a tensor. */
export const nameFor = (name: string, { renames = [] }: MlcModel): string =>
  renames.reduce((text, [pattern, by]) => text.replace(pattern, by), name);

/** File by file, and by name within each. */
function inOrder(tensors: readonly Tensor[]): readonly Tensor[] {
  const files = new Map([...new Set(tensors.map(sourceOf))].map((file, index) => [file, index]));
  const fileOf = (tensor: Tensor): number => files.get(sourceOf(tensor)) ?? 0;
  return [...tensors].sort((a, b) => fileOf(a) - fileOf(b) || byName(a, b));
}

interface Place {
  /** Name of the tensor that it is a part of. */
  readonly whole: string;
  /** The names of all parts. */
  readonly parts: readonly string[];
}

function placeOf(name: string, { joined }: MlcModel): Place | null {
  const [, before, module = '', parameter = ''] = /^(.*\.)([^.]+)\.(weight|bias)$/u.exec(name) ?? [];
  const found = joined.find(({ parts }) => parts.includes(module));
  if (before === undefined || found === undefined) return null;
  const named = (part: string): string => `${before}${part}.${parameter}`;
  return { whole: named(found.whole), parts: found.parts.map(named) };
}

/** One tensor of all parts' rows. */
function together({ whole, parts }: Place, known: ReadonlyMap<string, Tensor>, first: Tensor): CodedTensor {
  const all = parts.map((part) => {
    const tensor = known.get(part);
    if (tensor === undefined) throw new QuantizeError('missing_tensor', { file: sourceOf(first).name, layer: part });
    return tensor;
  });
  const [lead] = all;
  const coded = all.flatMap((tensor) => (tensor.codec === null ? [] : [tensor]));
  const isAlike = coded.every((tensor) => lead !== undefined && goesWith(tensor, lead));
  if (lead === undefined || lead.codec === null || coded.length < all.length || !isAlike) {
    const detail = `tensors ${parts.map(quoted).join(', ')} are one in MLC-LLM, and differ in type or columns`;
    throw invalidFile(sourceOf(first), detail, { layer: first.name });
  }
  const { codec, dtype, shape, planes, scale, format } = lead;
  return {
    ...{ name: whole, codec, dtype, partNames: parts },
    ...(scale !== undefined && { scale }),
    ...(format !== undefined && { format }),
    shape: [coded.reduce((rows, tensor) => rows + (tensor.shape[0] ?? 0), 0), ...shape.slice(1)],
    elements: coded.reduce((sum, { elements }) => sum + elements, 0),
    planes: planes.map((_, plane) => coded.flatMap((tensor) => tensor.planes[plane] ?? [])),
    fileBytes: coded.reduce((sum, tensor) => sum + fileBytes(tensor), 0),
  };
}

const goesWith = (tensor: CodedTensor, lead: Tensor): boolean =>
  lead.codec !== null &&
  sameCodec(tensor.codec, lead.codec) &&
  tensor.scale === lead.scale &&
  tensor.shape.length > 0 &&
  String(tensor.shape.slice(1)) === String(lead.shape.slice(1)) &&
  tensor.originalShape === undefined &&
  isWhole(tensor);

/** Whether each of its planes ends with a whole unit and byte, so that others can follow. */
const isWhole = ({ codec, elements }: CodedTensor): boolean =>
  traitsOf(codec).planes.every(
    (_, plane) => planeBytes(codec, plane, 2 * elements) === 2 * planeBytes(codec, plane, elements),
  );
