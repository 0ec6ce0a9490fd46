import type { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import { MAX_RANK } from '../dtypes.js';
import { invalidFile, quoted } from '../invalid-file.js';
import type { Meaning } from './pickle-machine.js';
import { OTHER, isCount, itemsOf, objectOf, type PickleValue, type Storage, type TensorView } from './values.js';

/** What can be done about a checkpoint that is more than a state dict. */
export const RESAVE = 'load it in the program that made it, and save its state dict as safetensors';

/** Element types as safetensors calls them, by what torch does (torch/storage.py, `_dtype_to_storage_type_map`). */
const STORAGES: Readonly<Record<string, string>> = {
  ...{ DoubleStorage: 'F64', FloatStorage: 'F32', HalfStorage: 'F16', BFloat16Storage: 'BF16', LongStorage: 'I64' },
  ...{ IntStorage: 'I32', ShortStorage: 'I16', CharStorage: 'I8', ByteStorage: 'U8', BoolStorage: 'BOOL' },
  ...{ ComplexFloatStorage: 'C64', UntypedStorage: 'U8', 'storage.UntypedStorage': 'U8' },
};
const DTYPES: Readonly<Record<string, string>> = {
  ...{ float64: 'F64', float32: 'F32', float16: 'F16', bfloat16: 'BF16', int64: 'I64', int32: 'I32', int16: 'I16' },
  ...{ int8: 'I8', uint8: 'U8', bool: 'BOOL', complex64: 'C64', uint64: 'U64', uint32: 'U32', uint16: 'U16' },
  ...{ float8_e4m3fn: 'F8_E4M3', float8_e5m2: 'F8_E5M2', float8_e4m3fnuz: 'F8_E4M3FNUZ' },
  ...{ float8_e5m2fnuz: 'F8_E5M2FNUZ', float8_e8m0fnu: 'F8_E8M0' },
};

/** What checkpoints have beside tensors, and what it makes is of no consequence: none of it has tensors in it. */
const INERT: readonly string[] = [
  ...['torch.device', 'collections.Counter', 'builtins.set', 'builtins.bytearray', 'builtins.complex'],
  ...['__builtin__.set', '__builtin__.bytearray', '__builtin__.complex', '_codecs.encode'],
  ...['numpy.dtype', 'numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar'],
  'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint',
];

/** What makes tensors (torch/_utils.py), and what goes through unchanged. */
const REBUILD = 'torch._utils._rebuild_';
const FROM_TYPE = 'torch._tensor._rebuild_from_type_v2';
const PARAMETER = 'torch.nn.parameter.Parameter';
const ORDERED_DICT = 'collections.OrderedDict';
const SIZE = 'torch.Size';
const KNOWN: readonly string[] = [
  ...['tensor', 'tensor_v2', 'tensor_v3', 'parameter', 'parameter_with_state'].map((name) => REBUILD + name),
  ...[FROM_TYPE, PARAMETER, 'torch.Tensor', ORDERED_DICT, SIZE, ...INERT],
];

const TORCH = 'torch.';
const NO_SHAPE = 'it has a tensor without a valid shape';

const ofTorch = (types: Readonly<Record<string, string>>, name: string): string | undefined => {
  const own = name.startsWith(TORCH) ? name.slice(TORCH.length) : '';
  return Object.hasOwn(types, own) ? types[own] : undefined;
};

/** What the names and calls in a checkpoint's pickle mean: a closed list. */
export class CheckpointMeaning implements Meaning {
  readonly #source: ByteSource;
  /** Every storage that was named, by its key. */
  readonly storages = new Map<string, Storage>();

  constructor(source: ByteSource) {
    this.#source = source;
  }

  fault(detail: string): QuantizeError {
    return invalidFile(this.#source, `the pickle in it cannot be read: ${detail}`);
  }

  named(name: string): PickleValue {
    if (KNOWN.includes(name) || ofTorch(STORAGES, name) !== undefined || ofTorch(DTYPES, name) !== undefined) {
      return { kind: 'global', name };
    }
    const what = `it has ${quoted(name)} in it, which is no part of a state dict, and no code of a checkpoint is ever run`;
    throw invalidFile(this.#source, `${what}; ${RESAVE}`);
  }

  called(callee: PickleValue, items: readonly PickleValue[]): PickleValue {
    const called = objectOf(callee);
    if (called?.kind !== 'global') throw this.fault('it calls what is no function');
    const { name } = called;
    if (INERT.includes(name)) return OTHER;
    if (name === ORDERED_DICT) return this.#dict(items);
    if (name === SIZE) return { kind: 'tuple', items: [...this.#sizes(items[0])] };
    if (name === FROM_TYPE) return this.#fromType(items);
    if (name.startsWith(`${REBUILD}parameter`)) return this.#tensorIn(items[0]);
    if (!name.startsWith(REBUILD)) throw this.fault(`it calls ${quoted(name)}`);
    return this.#tensor(items, name.endsWith('v3') ? items[6] : null);
  }

  /** A storage: its class, its key, where it was, and how many elements it has. */
  persistent(id: PickleValue): PickleValue {
    const [what, type, key, , elements, view = null] = itemsOf(id) ?? [];
    const storage = objectOf(type);
    const dtype = storage?.kind === 'global' ? ofTorch(STORAGES, storage.name) : undefined;
    if (what !== 'storage' || dtype === undefined || typeof key !== 'string' || !isCount(elements) || view !== null) {
      throw this.fault('it has a storage that is not described as one');
    }
    const named: Storage = { kind: 'storage', key, dtype, elements };
    const known = this.storages.get(key);
    if (known === undefined) this.storages.set(key, named);
    else if (known.dtype !== dtype || known.elements !== elements) {
      throw this.fault(`the storage ${quoted(key)} is described in two ways`);
    }
    return known ?? named;
  }

  /** Empty, or of a list of pairs, as Python 2 has it. */
  #dict([pairs]: readonly PickleValue[]): PickleValue {
    const items = (itemsOf(pairs) ?? []).flatMap((pair) => {
      const both = itemsOf(pair);
      if (both?.length !== 2) throw this.fault('it has a dict of what are no pairs');
      return both;
    });
    return { kind: 'dict', items };
  }

  #fromType([callee = null, type, given]: readonly PickleValue[]): PickleValue {
    const [made, items] = [objectOf(type), itemsOf(given)];
    const isKnown = made?.kind === 'global' && (made.name === PARAMETER || made.name === 'torch.Tensor');
    const called = objectOf(callee);
    if (!isKnown || items === null || (called?.kind === 'global' && called.name === FROM_TYPE)) {
      throw this.fault('it has a tensor of an unknown class');
    }
    return this.#tensorIn(this.called(callee, items));
  }

  #tensorIn(value: PickleValue | undefined): TensorView {
    const tensor = objectOf(value);
    if (tensor?.kind !== 'tensor') throw this.fault('it has a parameter that is no tensor');
    return tensor;
  }

  /** `type` is that of the elements where the storage's own is not; null where it is. */
  #tensor([of, offset, size, stride]: readonly PickleValue[], type: PickleValue | undefined): TensorView {
    const [storage, made] = [objectOf(of), objectOf(type)];
    const dtype = made?.kind === 'global' ? ofTorch(DTYPES, made.name) : undefined;
    if (storage?.kind !== 'storage' || !isCount(offset) || (type !== null && dtype === undefined)) {
      throw this.fault('it has a tensor that is not described as one');
    }
    const [shape, strides] = [this.#sizes(size), this.#sizes(stride)];
    if (shape.length !== strides.length) throw this.fault(NO_SHAPE);
    return { kind: 'tensor', storage, dtype: dtype ?? storage.dtype, offset, shape, strides };
  }

  /** A shape, or strides. A few bytes name the same ones again, so that long ones would take hours. */
  #sizes(value: PickleValue | undefined): readonly number[] {
    const items = itemsOf(value);
    if (items === null || items.length > MAX_RANK || !items.every(isCount)) throw this.fault(NO_SHAPE);
    return items;
  }
}
