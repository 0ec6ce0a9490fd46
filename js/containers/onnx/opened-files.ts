import type { ByteRange, ByteSource } from '../../io/byte-io.js';
import { MemorySource } from '../../io/memory-source.js';
import type { Carried, Entry, OpenedFiles } from '../container.js';
import { elementCount } from '../dtypes.js';
import { decodeUtf8 } from '../utf8.js';
import { dataTypeName, elementBits } from './data-types.js';
import type { Message, Model, OnnxTensor } from './graph.js';
import { unpackedVarints } from './read/message.js';
import { openOnnx } from './read/open.js';
import { namesOf } from './tensors.js';

/** The graph of an opened model, for an output of the same format. */
export interface CarriedModel extends Carried {
  readonly container: 'onnx';
  readonly model: Model;
}

export const carriesModel = (carried: Carried | null): carried is CarriedModel => carried?.container === 'onnx';

/** Opens the model in `source`. What it gives closes `source`; if this rejects, the caller does. */
export async function openedFiles(source: ByteSource): Promise<OpenedFiles> {
  const { model, sources } = await openOnnx(source);
  const texts = textsOf(model);
  const carried: CarriedModel = { container: 'onnx', model };
  return {
    ...{ container: 'onnx', name: source.name, sources, carried, texts, portableTexts: texts },
    parts: [{ source, entries: entriesOf(model, source), texts: new Map() }],
    fact: () => undefined,
    close: async () => {
      await Promise.all(sources.map((file) => file.close()));
    },
  };
}

/** Fields of a model that people read. */
const TEXT_FIELDS: Readonly<Record<number, string>> = {
  2: 'producer_name',
  3: 'producer_version',
  4: 'domain',
  6: 'doc_string',
};

function textsOf(model: Model): ReadonlyMap<string, string> {
  const texts = new Map<string, string>([
    ['ir_version', String(model.irVersion)],
    ...model.opsetImports.map(({ domain, version }): [string, string] => [
      `opset ${domain === undefined || domain === '' ? 'ai.onnx' : domain}`,
      String(version),
    ]),
  ]);
  for (const [number, key] of Object.entries(TEXT_FIELDS)) {
    const text = textOf(model, Number(number));
    if (text !== null && text !== '') texts.set(key, text);
  }
  return texts;
}

function textOf({ rest }: Message, number: number): string | null {
  const value = rest.find((field) => field.number === number)?.value;
  return value?.kind === 'bytes' ? decodeUtf8(value.bytes) : null;
}

function entriesOf(model: Model, source: ByteSource): readonly Entry[] {
  const entries: Entry[] = [];
  for (const [tensor, name] of namesOf(model)) {
    const entry = entryOf(tensor, name, source);
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/** What a file lists of a tensor, which is called `name`; null where it has no elements that could be read. */
export function entryOf(tensor: OnnxTensor, name: string, source: Pick<ByteSource, 'name'>): Entry | null {
  const data = rangeOf(tensor, source);
  return data === null ? null : typedEntry(tensor, name, data);
}

/** A tensor's elements, as files list them. */
interface RawData {
  readonly range: ByteRange;
  /** Whether they are little-endian numbers without gaps. */
  readonly isRaw: boolean;
}

/** Where the elements of a tensor are; null where they are strings, or there are none that could be read. */
function rangeOf({ data, dims }: OnnxTensor, source: Pick<ByteSource, 'name'>): RawData | null {
  if (data.kind === 'plane') return null;
  if (data.kind === 'none') {
    return elementCount(dims) === 0 ? { range: inMemory(source, new Uint8Array()), isRaw: true } : null;
  }
  const isRaw = data.field === 'raw_data' || data.field === 'float_data' || data.field === 'double_data';
  if (data.kind === 'stored') return { range: data.range, isRaw };
  if (isRaw) return { range: inMemory(source, data.bytes), isRaw };
  return { range: inMemory(source, data.bytes), isRaw: false };
}

function inMemory({ name }: Pick<ByteSource, 'name'>, bytes: Uint8Array): ByteRange {
  return { source: new MemorySource(name, bytes), begin: 0, bytes: bytes.length };
}

function typedEntry({ dataType, dims, data }: OnnxTensor, name: string, { range, isRaw }: RawData): Entry {
  const elements = elementCount(dims);
  const type = dataTypeName(dataType);
  const numbers = data.kind === 'bytes' && !isRaw ? unpackedNumbers(data.bytes, dataType, elements) : null;
  if (numbers !== null) {
    return { name, type: { name: type }, shape: dims, elements, data: [inMemory(range.source, numbers)] };
  }
  return {
    name,
    type: isRaw && elementBits(dataType) !== undefined ? { name: type } : { name: type, unknown: true },
    ...{ shape: dims, elements, data: [range] },
  };
}

/** Packed numbers as little-endian ones of their type; null where they are not as many as there should be. */
function unpackedNumbers(packed: Uint8Array, dataType: number, elements: number): Uint8Array | null {
  const bits = elementBits(dataType) ?? 0;
  const values = bits % 8 === 0 && bits <= 64 ? unpackedVarints(packed) : null;
  if (values?.length !== elements) return null;
  const width = bits / 8;
  const bytes = new Uint8Array(elements * width);
  for (const [index, value] of values.entries()) {
    for (let byte = 0; byte < width; ++byte) {
      bytes[index * width + byte] = Number(BigInt.asUintN(8, value >> BigInt(8 * byte)));
    }
  }
  return bytes;
}
