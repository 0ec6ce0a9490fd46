/** What is to be done for the tensors of a rewritten model. */

import { traitsOf, type Codec } from '../../codecs/codec.js';
import { elementCount } from '../../containers/dtypes.js';
import { dataTypeName, elementBits, rawBytes } from '../../containers/onnx/data-types.js';
import type { Encoding, Model as Graphs, OnnxTensor } from '../../containers/onnx/graph.js';
import { entryOf } from '../../containers/onnx/opened-files.js';
import { isRoom } from '../../containers/onnx/write/tensor.js';
import { namesOf, tensorsOfModel, type PlacedTensor } from '../../containers/onnx/tensors.js';
import { packed } from '../../codecs/packed.js';
import { QuantizeError } from '../../errors.js';
import { TransposedSource } from '../../io/transposed-source.js';
import type { TensorParts } from '../../layouts/layout.js';
import { plain } from '../../layouts/plain.js';
import { storedBytes, type CodedTensor, type Target, type Tensor } from '../../layouts/tensor.js';
import type { Model } from '../../models/model.js';
import { codecTarget } from '../plan.js';
import type { PlannedStep } from '../report.js';

/** A step, and the tensors of the output's graph that are its entries, in their order. */
export interface GraphStep {
  readonly step: PlannedStep;
  readonly entries: readonly OnnxTensor[];
  /** What the entries are made of; null where they are the planes in their order. */
  readonly parts: TensorParts | null;
}

/** What the steps are made with. */
export interface StepContext {
  /** What was opened, and the graphs in it before they were rewritten. */
  readonly model: Model;
  readonly graphs: Graphs;
  /** Why weights stay what they are, where a rule says so. */
  readonly kept: ReadonlyMap<OnnxTensor, string>;
  /** Whether zero points fill up the last byte of a column. */
  readonly fillsWithZeroPoints: boolean;
}

/** The steps that make all tensors of `output` but small ones in attributes of nodes. */
export function stepsOf(output: Graphs, context: StepContext): readonly GraphStep[] {
  const stored = new StoredTensors(context);
  const tensors = tensorsOfModel(output);
  const halved = halvedEncodings(tensors);
  const encoded = new Map<Encoding, OnnxTensor[]>();
  const steps: GraphStep[] = [];
  for (const placed of tensors) {
    const { tensor } = placed;
    const { data } = tensor;
    if (data.kind === 'plane') {
      const encoding = halved.get(data.encoding) ?? data.encoding;
      stored.add(encoding.weights, placed);
      encoded.set(encoding, [...(encoded.get(encoding) ?? []), tensor]);
    } else if (data.kind === 'stored' || (data.kind === 'bytes' && isRoom(data, placed.node === null))) {
      steps.push(copyStep(tensor, stored.add(tensor, placed), context));
    }
  }
  for (const [encoding, entries] of encoded) {
    steps.push(encodingStep(encoding, entries, stored.of(encoding.weights), context));
  }
  return withOwnNames(steps);
}

/** Encodings some of whose planes became f16: with those, the others are made, too. */
function halvedEncodings(tensors: readonly PlacedTensor[]): ReadonlyMap<Encoding, Encoding> {
  const halved = new Map<Encoding, Encoding>();
  for (const { tensor } of tensors) {
    if (tensor.data.kind !== 'plane') continue;
    const { encoding } = tensor.data;
    if (encoding.halvedFrom !== undefined) halved.set(encoding.halvedFrom, encoding);
  }
  return halved;
}

/** The tensors that the file lists, by what they are in its graphs; others are made of tensors in attributes. */
class StoredTensors {
  readonly #tensors = new Map<OnnxTensor, Tensor>();
  readonly #model: Model;

  constructor({ model, graphs }: StepContext) {
    this.#model = model;
    const byName = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
    for (const [tensor, name] of namesOf(graphs)) {
      const stored = byName.get(name);
      if (stored !== undefined) this.#tensors.set(tensor, stored);
    }
  }

  add(tensor: OnnxTensor, { node }: PlacedTensor): Tensor {
    const known = this.#tensors.get(tensor);
    if (known !== undefined) return known;
    const [output = ''] = node?.outputs ?? [];
    const name = tensor.name === undefined || tensor.name === '' ? output : tensor.name;
    const entry = entryOf(tensor, name, this.#model);
    const source = this.#model.sources[0];
    if (entry === null || source === undefined) throw new RangeError(`the tensor ${name} has no elements`);
    const [made] = plain.read({ source, entries: [entry], texts: new Map() }, 'onnx').tensors;
    if (made === undefined) throw new RangeError(`the tensor ${name} is in no layout`);
    this.#tensors.set(tensor, made);
    return made;
  }

  of(tensor: OnnxTensor): Tensor {
    const stored = this.#tensors.get(tensor);
    if (stored === undefined) throw new RangeError(`the tensor ${tensor.name ?? ''} is not among those of the model`);
    return stored;
  }
}

/** A tensor as it is. What is raw stays the codec that it is, so that reports can say what it is. */
function copyStep(tensor: OnnxTensor, stored: Tensor, { kept }: StepContext): GraphStep {
  const { name, shape, elements, dtype } = stored;
  const type = { name: dataTypeName(tensor.dataType) };
  const target: Target =
    stored.codec === null
      ? { kind: 'copied', type, container: 'onnx', bytes: storedBytes(stored) }
      : codecTarget(stored.codec);
  const step = {
    stored,
    planned: { name, dtype, shape, elements, target },
    rule: kept.get(tensor) ?? null,
    kept: true,
  };
  return { step, entries: [tensor], parts: null };
}

function encodingStep(
  encoding: Encoding,
  entries: readonly OnnxTensor[],
  weights: Tensor,
  { fillsWithZeroPoints }: StepContext,
): GraphStep {
  const { codec, view, rule } = encoding;
  if (weights.codec === null) throw notReadable(weights);
  const [rows = 0, columns = 0] = weights.shape.slice(-2);
  const stored = view === 'transposed' ? transposed(weights, rows, columns) : weights;
  const { name, dtype, shape, elements } = stored;
  const perByte = codec.bits === 0 ? 1 : 8 / codec.bits;
  const encodedRows = fillsWithZeroPoints ? Math.ceil(rows / perByte) * perByte : rows;
  const order = codec.bits === 0 ? 'rows' : 'columns';
  const step: PlannedStep = {
    ...{ stored, planned: { name, dtype, shape, elements, target: codecTarget(codec) }, rule, kept: false },
    ...(stored !== weights && { origin: weights }),
    ...(view === 'columns' && { columns: { rows, columns, order, encodedRows } }),
    writtenBytes: entries.reduce((sum, entry) => sum + bytesOf(entry), 0),
  };
  return { step, entries, parts: view === 'columns' ? null : partsOf(codec, entries) };
}

/** Null where the entries are all planes in their order. Bytes that the output has as int4 are packed when all are there. */
function partsOf(codec: Codec, entries: readonly OnnxTensor[]): TensorParts | null {
  const { planes } = traitsOf(codec);
  const numbers = entries.map(({ data }) => planeNumber(codec, data));
  const kept = numbers.filter((plane, entry) => planes[plane]?.unitBits === 8 && isInt4(entries[entry]));
  if (kept.length === 0 && numbers.length === planes.length && numbers.every((plane, index) => plane === index)) {
    return null;
  }
  return {
    contents: numbers.map((plane) => (kept.includes(plane) ? 'made' : plane)),
    kept,
    make: (bytes) => Promise.resolve(bytes.map((one) => packed(one, 4))),
  };
}

const isInt4 = (tensor: OnnxTensor | undefined): boolean => tensor !== undefined && elementBits(tensor.dataType) === 4;

function planeNumber(codec: Codec, data: OnnxTensor['data']): number {
  const plane = data.kind === 'plane' ? data.plane : '';
  const index = traitsOf(codec).planes.findIndex(({ name }) => name === plane);
  if (index < 0) throw new RangeError(`the codec ${codec.name} has no plane ${plane}`);
  return index;
}

/** Bytes of a tensor that is a plane. */
export const bytesOf = ({ dataType, dims }: OnnxTensor): number => rawBytes(dataType, elementCount(dims)) ?? 0;

/** The matrix with rows and columns exchanged, as it is read. */
function transposed(weights: CodedTensor, rows: number, columns: number): CodedTensor {
  const width = storedBytes(weights) / weights.elements === 2 ? 2 : 4;
  const source = new TransposedSource(weights.planes[0] ?? [], { rows, columns, width });
  return {
    ...weights,
    shape: [columns, rows],
    planes: [[{ source, begin: 0, bytes: source.size }]],
    fileBytes: storedBytes(weights),
  };
}

/** What is worked on is told apart by its name: of tensors of one name, later ones get a number. */
function withOwnNames(steps: readonly GraphStep[]): readonly GraphStep[] {
  const counts = new Map<string, number>();
  return steps.map((one) => {
    const { stored } = one.step;
    const count = (counts.get(stored.name) ?? 0) + 1;
    counts.set(stored.name, count);
    if (count === 1) return one;
    const name = `${stored.name} (${count})`;
    return { ...one, step: { ...one.step, stored: { ...stored, name }, origin: one.step.origin ?? stored } };
  });
}

const notReadable = ({ name, dtype }: Tensor): QuantizeError =>
  new QuantizeError('unsupported_dtype', {
    layer: name,
    detail: dtype,
    advice: 'its numbers are not raw; save the model again with the package onnx',
  });
