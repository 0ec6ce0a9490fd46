/** Makes checkpoints as torch.save does (torch/serialization.py and torch/_tensor.py), sharing nothing with the package. */
import { call, global, persistent, pickle, raw, tuple } from './pickle.mjs';
import { zip } from './zip.mjs';

/** What torch calls element types. */
const kStorages = {
  ...{ F64: 'DoubleStorage', F32: 'FloatStorage', F16: 'HalfStorage', BF16: 'BFloat16Storage', I64: 'LongStorage' },
  ...{ I32: 'IntStorage', U8: 'ByteStorage', BOOL: 'BoolStorage' },
};
const kNewTypes = { F8_E4M3: 'float8_e4m3fn', F8_E5M2: 'float8_e5m2' };
const kBytes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, U8: 1, BOOL: 1, F8_E4M3: 1, F8_E5M2: 1 };

const globals = new Map();
/** The same object each time. */
function named(module, name) {
  const key = `${module} ${name}`;
  if (!globals.has(key)) globals.set(key, global(module, name));
  return globals.get(key);
}

export const kOrderedDict = named('collections', 'OrderedDict');

/** An OrderedDict, with attributes where `state` has some. */
export const ordered = (entries, state) => call(kOrderedDict, [], { dict: new Map(entries), ...(state && { state }) });

/** What `module.state_dict()` gives. */
export const stateDict = (entries) =>
  ordered(entries, new Map([['_metadata', ordered([['', new Map([['version', 1]])]])]]));

const stridesOf = (shape) =>
  shape.map((_, dimension) => shape.slice(dimension + 1).reduce((all, size) => all * size, 1));

/** Storages by key, and the tensors in them. */
export class Checkpoint {
  storages = [];
  counts = [];

  /** A storage of its own, of `{ dtype, bytes }`; gives its key. */
  storage({ dtype, bytes }) {
    this.storages.push(bytes);
    this.counts.push(bytes.length / kBytes[dtype]);
    return String(this.storages.length - 1);
  }

  /** A tensor `{ dtype, shape, bytes }` in a storage of its own, or in that of `key` from element `offset` on. */
  tensor(
    { dtype, shape, bytes },
    { key = this.storage({ dtype, bytes }), offset = 0, strides = stridesOf(shape), elements } = {},
  ) {
    const isNew = kStorages[dtype] === undefined;
    const stored = this.storages[Number(key)]?.length ?? 0;
    const count = elements ?? stored / (isNew ? 1 : kBytes[dtype]);
    const storageType = isNew ? named('torch.storage', 'UntypedStorage') : named('torch', kStorages[dtype]);
    const storage = persistent(tuple('storage', storageType, key, 'cpu', count));
    const args = [storage, offset, tuple(...shape), tuple(...strides), false, ordered([])];
    if (isNew) return call(named('torch._utils', '_rebuild_tensor_v3'), [...args, named('torch', kNewTypes[dtype])]);
    return call(named('torch._utils', '_rebuild_tensor_v2'), args);
  }

  parameter(tensor) {
    return call(named('torch._utils', '_rebuild_parameter'), [this.tensor(tensor), true, ordered([])]);
  }

  /** The archive with `value` in it. */
  save(value, { protocol = 2, folder = 'archive', byteOrder = 'little', more = [], data, ...options } = {}) {
    const entries = [
      { name: 'data.pkl', bytes: data ?? pickle(value, protocol) },
      ...(byteOrder === null ? [] : [{ name: 'byteorder', bytes: Buffer.from(byteOrder) }]),
      ...this.storages.map((bytes, key) => ({ name: `data/${key}`, bytes })),
      { name: 'version', bytes: Buffer.from('3\n') },
      ...more,
    ];
    return zip(
      entries.map((entry) => ({ ...entry, name: `${folder}/${entry.name}` })),
      options,
    );
  }
}

/** What the file of a torch before 1.6 begins with. */
const kMagic = raw([0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
const kSystem = new Map([
  ['protocol_version', 1001],
  ['little_endian', true],
  ['type_sizes', new Map([['short', 2]])],
]);

function countOf(elements) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(elements));
  return bytes;
}

/** The same before torch 1.6: five pickles, and the storages in the order of `keys`, each behind a count. */
export function oldFile(
  { storages, counts },
  value,
  { version = 1001, system = kSystem, keys = Object.keys(storages) } = {},
) {
  const pickles = [kMagic, version, system, value, keys].map((one) => pickle(one));
  const data = keys.flatMap((key) => [countOf(counts[key]), storages[key]]);
  return Buffer.concat([...pickles, ...data]);
}

/** A checkpoint of the tensors `{ name, dtype, shape, bytes }`; `wrap` may put their dict into something else. */
export function torchFile(tensors, { wrap = (dict) => dict, ...options } = {}) {
  const checkpoint = new Checkpoint();
  const dict = stateDict(tensors.map((tensor) => [tensor.name, checkpoint.tensor(tensor)]));
  return checkpoint.save(wrap(dict, checkpoint), options);
}
