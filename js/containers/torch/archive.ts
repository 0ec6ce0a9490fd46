import type { ByteSource } from '../../io/byte-io.js';
import { knownBytes } from '../dtypes.js';
import { CUT_OFF } from '../foreign-files.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { decodeUtf8 } from '../utf8.js';
import { CheckpointMeaning, RESAVE } from './meaning.js';
import { PickleEnd } from './pickle-machine.js';
import { MOST_PICKLE_BYTES, readPickle } from './pickle.js';
import { tensorsIn, type StateDict, type StoredBytes } from './state-dict.js';
import type { PickleValue, Storage } from './values.js';
import { locate, readBytes, readZip, type ZipEntry } from './zip.js';

const MOST_ORDER_BYTES = 64;

/** Reads a file of torch.save. */
export async function readArchive(source: ByteSource): Promise<StateDict> {
  const archive = new Archive(source, await readZip(source));
  const found = tensorsIn(await archive.pickle(new CheckpointMeaning(source)), source);
  const storages = await archive.storages(new Set(found.tensors.map(({ tensor }) => tensor.storage)));
  return { ...found, storages };
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
    const order = entry.bytes < MOST_ORDER_BYTES ? decodeUtf8(await this.#read(entry)) : '';
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
