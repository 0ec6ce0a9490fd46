import type { ByteSource } from '../../io/byte-io.js';
import { knownBytes } from '../dtypes.js';
import { CUT_OFF } from '../foreign-files.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { CheckpointMeaning, RESAVE } from './meaning.js';
import { PickleEnd } from './pickle-machine.js';
import { MOST_PICKLE_BYTES, readPickle } from './pickle.js';
import { tensorsIn, type StateDict, type StoredBytes } from './state-dict.js';
import { itemsOf, objectOf, type PickleValue } from './values.js';
import { readBytes } from './zip.js';

const FORMAT_VERSION = 1001;
const FIRST_READ_BYTES = 2 ** 17;
/** A storage comes behind its number of elements. */
const COUNT_BYTES = 8;

/** What comes before the storages: a magic number, the version, the system, the checkpoint, and the storages' keys. */
interface Pickles {
  readonly values: readonly PickleValue[];
  readonly end: number;
  readonly meaning: CheckpointMeaning;
}

/** Reads a file of torch.save before PyTorch 1.6, or of a later one that was told so (`_legacy_save`). */
export async function readOld(source: ByteSource): Promise<StateDict> {
  const { values, end, meaning } = await readPickles(source);
  const [, version, system, checkpoint = null, keys] = values;
  if (version !== FORMAT_VERSION) throw invalidFile(source, `it is a Python pickle of an unknown kind; ${RESAVE}`);
  if (isBigEndian(system)) throw invalidFile(source, `its byte order is big-endian; ${RESAVE}`);
  const found = tensorsIn(checkpoint, source);
  const storages = new Map<string, StoredBytes>();
  let reached = end;
  for (const key of itemsOf(keys) ?? []) {
    const storage = typeof key === 'string' ? meaning.storages.get(key) : undefined;
    const bytes = storage === undefined ? undefined : knownBytes(storage.dtype, storage.elements);
    if (storage === undefined || bytes === undefined || storages.has(storage.key)) {
      throw meaning.fault('its list of storages is not that of its tensors');
    }
    storages.set(storage.key, { begin: reached + COUNT_BYTES, bytes });
    reached += COUNT_BYTES + bytes;
  }
  const missing = [...meaning.storages.keys()].find((key) => !storages.has(key));
  if (missing !== undefined) throw meaning.fault(`its list of storages is without ${quoted(missing)}`);
  if (reached === source.size) return { ...found, storages };
  throw invalidFile(source, `its storages end at byte ${reached}, but it has ${source.size}; ${CUT_OFF}`);
}

function isBigEndian(system: PickleValue | undefined): boolean {
  const about = objectOf(system);
  const items = about?.kind === 'dict' ? about.items : [];
  return items[items.indexOf('little_endian') + 1] === false;
}

/** Nothing says how long they are: more is read until they end. */
async function readPickles(source: ByteSource): Promise<Pickles> {
  const most = Math.min(source.size, MOST_PICKLE_BYTES);
  for (let bytes = Math.min(most, FIRST_READ_BYTES); ; bytes = Math.min(most, bytes * 4)) {
    const meaning = new CheckpointMeaning(source);
    const read = await readBytes(source, 0, bytes);
    try {
      const values: PickleValue[] = [];
      let end = 0;
      while (values.length < 5) {
        const pickle = readPickle(read, end, meaning);
        values.push(pickle.value);
        end = pickle.end;
      }
      return { values, end, meaning };
    } catch (error) {
      if (!(error instanceof PickleEnd)) throw error;
      if (bytes === most) throw meaning.fault(`it has no end within ${most} bytes; ${CUT_OFF}`);
    }
  }
}
