import type { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import type { Entry, FilePart } from '../container.js';
import { MAX_RANK, elementCount, knownBytes } from '../dtypes.js';
import { CUT_OFF } from '../foreign-files.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { decodeUtf8 } from '../utf8.js';
import { CheckpointMeaning, RESAVE } from './meaning.js';
import { PickleEnd } from './pickle-machine.js';
import { readPickle } from './pickle.js';
import { tensorsIn, type NamedTensor } from './state-dict.js';
import type { PickleValue, Storage } from './values.js';
import { locate, readBytes, readZip, type ZipEntry } from './zip.js';

/** What a state dict of 100,000 tensors takes. */
const MOST_PICKLE_BYTES = 2 ** 25;
/** Tensors may lie in the same bytes, but a small file is no large model. */
const MOST_REPEATED = 64;

/** A storage as a file has it. */
interface StoredBytes {
  readonly begin: number;
  readonly bytes: number;
}

/** Reads and checks all of a checkpoint but the tensors' bytes (docs/formats.md). Rejects with `invalid_file`. */
export async function readCheckpoint(source: ByteSource): Promise<FilePart> {
  const archive = new Archive(source, await readZip(source));
  const meaning = new CheckpointMeaning(source);
  const tensors = tensorsIn(await archive.pickle(meaning), source);
  const storages = await archive.storages(new Set(tensors.map(({ tensor }) => tensor.storage)));
  const entries = tensors.map((named) => entryOf(named, storages, source));
  checkRepeated(entries, source);
  return { source, entries, texts: new Map() };
}

/** The entries of what torch.save has written (torch/serialization.py, `_save`). */
class Archive {
  readonly #source: ByteSource;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  /** What goes before all names. */
  readonly #folder: string;

  constructor(source: ByteSource, entries: readonly ZipEntry[]) {
    const pickles = entries.filter(({ name }) => /^(?:.*\/)?data\.pkl$/su.test(name));
    const [first] = pickles;
    if (first === undefined || pickles.length > 1) {
      const count = first === undefined ? 'no' : 'more than one';
      throw invalidFile(source, `it is a zip archive with ${count} PyTorch checkpoint in it; unpack it first`);
    }
    this.#source = source;
    this.#folder = first.name.slice(0, -'data.pkl'.length);
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
    const isScript = entries.some(({ name }) => name.startsWith(`${this.#folder}code/`));
    if (isScript || this.#entries.has(`${this.#folder}constants.pkl`)) {
      throw invalidFile(source, `it is a TorchScript program, not a state dict; ${RESAVE}`);
    }
  }

  async pickle(meaning: CheckpointMeaning): Promise<PickleValue> {
    const entry = this.#stored('data.pkl');
    if (entry.bytes > MOST_PICKLE_BYTES) {
      throw meaning.fault(`its ${entry.bytes} bytes are over the limit of ${MOST_PICKLE_BYTES}`);
    }
    const bytes = await this.#read(entry);
    await this.#checkByteOrder();
    try {
      return readPickle(bytes, 0, meaning).value;
    } catch (error) {
      throw error instanceof PickleEnd ? meaning.fault('it ends early') : error;
    }
  }

  /** Where storages lie, by their keys. */
  async storages(storages: ReadonlySet<Storage>): Promise<ReadonlyMap<string, StoredBytes>> {
    const found = [...storages].map(({ key, dtype, elements }) => {
      const entry = this.#stored(`data/${key}`);
      const bytes = knownBytes(dtype, elements);
      if (entry.bytes === bytes) return { key, entry };
      const detail = `its storage ${quoted(key)} has ${entry.bytes} bytes instead of ${bytes}`;
      throw invalidFile(this.#source, detail);
    });
    found.sort((a, b) => a.entry.header - b.entry.header);
    const begins = await locate(
      this.#source,
      found.map(({ entry }) => entry),
    );
    return new Map(found.map(({ key, entry }, index) => [key, { begin: begins[index] ?? 0, bytes: entry.bytes }]));
  }

  /** Only since torch 2.1 it is said. */
  async #checkByteOrder(): Promise<void> {
    if (!this.#entries.has(`${this.#folder}byteorder`)) return;
    const entry = this.#stored('byteorder');
    const order = entry.bytes < MAX_RANK ? decodeUtf8(await this.#read(entry)) : '';
    if (order === 'little') return;
    throw invalidFile(this.#source, `its byte order is ${quoted(order)}, only "little" can be read; ${RESAVE}`);
  }

  #stored(name: string): ZipEntry {
    const entry = this.#entries.get(this.#folder + name);
    if (entry === undefined)
      throw invalidFile(this.#source, `it has no entry ${quoted(this.#folder + name)}; ${CUT_OFF}`);
    if (entry.obstacle === null) return entry;
    const detail = `its entry ${quoted(entry.name)} is ${entry.obstacle}, which torch.save never does; ${RESAVE}`;
    throw invalidFile(this.#source, detail);
  }

  async #read(entry: ZipEntry): Promise<Uint8Array> {
    const [begin = 0] = await locate(this.#source, [entry]);
    return readBytes(this.#source, begin, entry.bytes);
  }
}

function entryOf({ name, tensor }: NamedTensor, storages: ReadonlyMap<string, StoredBytes>, source: ByteSource): Entry {
  const { storage, dtype, offset, shape, strides } = tensor;
  const fault = (detail: string): QuantizeError =>
    invalidFile(source, `tensor ${quoted(name)} ${detail}`, { layer: name });
  const elements = shape.length > MAX_RANK ? Number.NaN : elementCount(shape);
  const bytes = knownBytes(dtype, elements);
  const [width, stored] = [knownBytes(dtype, 1), storages.get(storage.key)];
  if (Number.isNaN(elements) || bytes === undefined || width === undefined) throw fault('has no valid shape');
  const begin = offset * width;
  if (stored === undefined || (elements > 0 && begin + bytes > stored.bytes)) throw fault('reaches beyond its storage');
  if (!isContiguous(shape, strides)) {
    throw fault(`is a view with the strides [${strides.join(', ')}]; make it contiguous() and save it again`);
  }
  const range = { source, begin: stored.begin + (elements > 0 ? begin : 0), bytes };
  return { name, type: { name: dtype }, shape, elements, data: [range] };
}

/** Whether elements lie one after the other, the last dimension's first. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let dimension = shape.length - 1; dimension >= 0; --dimension) {
    const size = shape[dimension] ?? 0;
    if (size === 0) return true;
    if (size > 1 && strides[dimension] !== step) return shape.includes(0);
    step *= size;
  }
  return true;
}

function checkRepeated(entries: readonly Entry[], source: ByteSource): void {
  const bytes = entries.reduce((sum, { data }) => sum + (data[0]?.bytes ?? 0), 0);
  if (bytes <= source.size * MOST_REPEATED) return;
  throw invalidFile(source, `its tensors take ${bytes} bytes, over ${MOST_REPEATED} times as many as the file has`);
}
