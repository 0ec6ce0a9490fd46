import { QuantizeError } from '../../errors.js';
import {
  groupCount,
  packedBytes,
  type Container,
  type ContainerName,
  type FileLayout,
  type Model,
  type OutputContents,
  type PlannedTensor,
} from '../container.js';
import { dtypeBytes, type DType } from '../dtypes.js';
import { readHead } from '../foreign-files.js';
import type { ByteSource } from '../../io/byte-io.js';
import { AFFINE_KEY, affineMetadata, SCALES_SUFFIX, ZERO_POINTS_SUFFIX } from '../../layouts/affine.js';
import { LENGTH_BYTES, MAX_HEADER_BYTES, METADATA_NAME, looksLikeSafetensors } from './header.js';
import { looksLikeIndex, openIndexed, openNumberedShards } from './shards.js';

const CONTAINER: ContainerName = 'safetensors';
/** The data begins at a multiple of this, so that every tensor is aligned to its elements. */
const ALIGNMENT = 8;

/** What becomes of another program's key that has the name of ours: a GGUF may have any. */
const FOREIGN_KEY = `gguf.${AFFINE_KEY}`;

/** safetensors, one file or shards with an index, and our affine quantization in it (docs/formats.md). */
export const safetensors: Container = {
  name: CONTAINER,
  extension: '.safetensors',
  recognizes,
  open,
  layout,
};

function recognizes(head: Uint8Array): boolean {
  return looksLikeIndex(head) || looksLikeSafetensors(head);
}

async function open(source: ByteSource): Promise<Model> {
  const head = await readHead(source, recognizes);
  const files = await (looksLikeIndex(head) ? openIndexed(source) : openNumberedShards(source));
  const metadata = new Map(files.metadata);
  metadata.delete(AFFINE_KEY);
  return {
    container: CONTAINER,
    name: source.name,
    sources: files.sources,
    tensors: files.tensors,
    metadata,
    keyValues: [],
    close: async () => {
      await Promise.all(files.sources.map((file) => file.close()));
    },
  };
}

/** One entry of the header to be written. */
interface Part {
  readonly name: string;
  readonly dtype: string;
  /** What its place has to be a multiple of, in bytes. */
  readonly alignment: number;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly tensor: number;
  readonly role: 'data' | 'scales' | 'zeroPoints';
}

/**
 * Lays the parts out by falling element size and then by name, as the reference writer does: every part is aligned to
 * its elements, which some readers require. What is only copied lies where its bytes keep that up, whatever its elements.
 */
function layout({ tensors, metadata, file, splitBytes }: OutputContents): FileLayout {
  if (splitBytes !== undefined) throw new RangeError('safetensors output is one file');
  const parts = tensors.flatMap(partsOf).sort(byAlignmentThenName);
  checkNames(parts, file);
  const affine = affineMetadata(tensors);
  const texts = new Map(metadata);
  const foreign = texts.get(AFFINE_KEY);
  if (foreign !== undefined) texts.delete(AFFINE_KEY);
  if (foreign !== undefined && !texts.has(FOREIGN_KEY)) texts.set(FOREIGN_KEY, foreign);
  if (affine !== undefined) texts.set(AFFINE_KEY, affine);
  const entries: string[] = [];
  if (texts.size > 0) {
    const pairs = [...texts].map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
    entries.push(`"${METADATA_NAME}":{${pairs.join(',')}}`);
  }
  const offsets = new Map<Part, number>();
  let reached = 0;
  for (const part of parts) {
    offsets.set(part, reached);
    const { name, dtype, shape, bytes } = part;
    entries.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [reached, reached + bytes] })}`,
    );
    reached += bytes;
  }
  const header = encodeHeader(`{${entries.join(',')}}`, file);
  const places = tensors.map(() => ({ file: 0, data: 0, scales: 0, zeroPoints: 0 }));
  for (const [part, offset] of offsets) {
    const place = places[part.tensor];
    if (place !== undefined) place[part.role] = header.length + offset;
  }
  return { files: [{ name: file, header, fileBytes: header.length + reached }], places };
}

function partsOf({ name, shape, elements, target }: PlannedTensor, tensor: number): Part[] {
  if (target.kind === 'block') throw new RangeError('safetensors has no ggml types');
  if (target.kind === 'opaque') {
    const { type: dtype, bytes } = target;
    return [{ name, dtype, alignment: commonFactor(bytes), shape, bytes, tensor, role: 'data' }];
  }
  if (target.kind === 'plain') {
    const alignment = dtypeBytes(target.dtype);
    return [{ name, dtype: target.dtype, alignment, shape, bytes: elements * alignment, tensor, role: 'data' }];
  }
  const flat = (suffix: string, dtype: DType, count: number, role: Part['role']): Part => {
    const alignment = dtypeBytes(dtype);
    return { name: name + suffix, dtype, alignment, shape: [count], bytes: count * alignment, tensor, role };
  };
  const groups = groupCount(elements, target.groupSize);
  return [
    flat('', 'U8', packedBytes(elements, target.bits), 'data'),
    flat(SCALES_SUFFIX, 'F32', groups, 'scales'),
    flat(ZERO_POINTS_SUFFIX, 'U8', groups, 'zeroPoints'),
  ];
}

/** The largest power of two up to the data's alignment that `bytes` is a multiple of. */
function commonFactor(bytes: number): number {
  let factor = ALIGNMENT;
  while (bytes % factor !== 0) factor /= 2;
  return factor;
}

function byAlignmentThenName(a: Part, b: Part): number {
  const bySize = b.alignment - a.alignment;
  if (bySize !== 0) return bySize;
  return a.name < b.name ? -1 : Number(a.name > b.name);
}

function checkNames(parts: readonly Part[], file: string): void {
  const names = new Set<string>([METADATA_NAME]);
  for (const { name } of parts) {
    if (names.has(name)) throw new QuantizeError('duplicate_layer', { file, layer: name });
    names.add(name);
  }
}

function encodeHeader(json: string, file: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = Math.ceil((LENGTH_BYTES + text.length) / ALIGNMENT) * ALIGNMENT - LENGTH_BYTES;
  if (length > MAX_HEADER_BYTES) {
    const detail = `its header would take ${length} bytes, over the limit of ${MAX_HEADER_BYTES}`;
    throw new QuantizeError('unwritable_output', { file, detail });
  }
  const header = new Uint8Array(LENGTH_BYTES + length).fill(' '.charCodeAt(0));
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, LENGTH_BYTES);
  return header;
}
