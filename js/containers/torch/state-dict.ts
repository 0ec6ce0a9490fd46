import type { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { RESAVE } from './meaning.js';
import { objectOf, type PickleValue, type Sequence, type TensorView } from './values.js';

/** A tensor of a model, under the name that it has there. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: TensorView;
}

/** Where a storage lies in a file. */
export interface StoredBytes {
  readonly begin: number;
  readonly bytes: number;
}

/** What a file has of a model. */
export interface StateDict {
  readonly tensors: readonly NamedTensor[];
  /** At least those that tensors lie in, by their keys. */
  readonly storages: ReadonlyMap<string, StoredBytes>;
}

/**
 * Under what programs put the model when they save more than that: PyTorch Lightning, Megatron and DeepSpeed, timm, BasicSR
 * (of its two, the one that its own programs use). The first one that is there counts.
 */
const MODEL_KEYS = ['state_dict', 'model_state_dict', 'model', 'module', 'params_ema', 'params'];

/** What is saved to go on with training, and is no part of the model. */
const OF_TRAINING = /optim|sched|scaler|callback|^loops$/iu;

/** How deep a model may lie, and how deep dicts may be nested in it. */
const MOST_DEPTH = 16;
/** A dict may be in several others, and then counts each time. */
const MOST_VISITED = 2 ** 20;

/**
 * The tensors of the model in what a checkpoint holds, in order. Where the model is one of several things, it is found by its
 * key; dicts in the model put their key before the names in them, and a dot between. What is neither a dict nor a tensor is
 * passed over. Throws `invalid_file` where there is no tensor, or one that cannot have a name.
 */
export function tensorsIn(value: PickleValue, source: ByteSource): readonly NamedTensor[] {
  const dict = modelIn(value);
  if (dict === null) {
    throw invalidFile(source, `it is a PyTorch checkpoint, but of something else than a dict of tensors; ${RESAVE}`);
  }
  const walk = new Walk(source);
  walk.enter(dict, '', 0);
  if (walk.tensors.size === 0) throw invalidFile(source, `it is a PyTorch checkpoint without tensors; ${RESAVE}`);
  return [...walk.tensors].map(([name, tensor]) => ({ name, tensor }));
}

function modelIn(value: PickleValue): Sequence | null {
  let dict = dictOf(value);
  for (let depth = 0; dict !== null && depth < MOST_DEPTH; ++depth) {
    const inner = innerDict(membersOf(dict));
    if (inner === null) return dict;
    dict = inner;
  }
  return dict;
}

/** The dict of the model, where it is one of several things; null where it is not. */
function innerDict(members: ReadonlyMap<PickleValue, PickleValue>): Sequence | null {
  for (const key of MODEL_KEYS) {
    const inner = dictOf(members.get(key));
    if (inner !== null) return inner;
  }
  const [only] = members.values();
  return members.size === 1 ? dictOf(only) : null;
}

function dictOf(value: PickleValue | undefined): Sequence | null {
  const object = objectOf(value);
  return object?.kind === 'dict' ? object : null;
}

/** Of what a key was given several times, the last counts. */
function membersOf({ items }: Sequence): ReadonlyMap<PickleValue, PickleValue> {
  const members = new Map<PickleValue, PickleValue>();
  for (let at = 0; at + 1 < items.length; at += 2) members.set(items[at] ?? null, items[at + 1] ?? null);
  return members;
}

class Walk {
  readonly tensors = new Map<string, TensorView>();
  readonly #source: ByteSource;
  #visited = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  enter(dict: Sequence, prefix: string, depth: number): void {
    if (depth > MOST_DEPTH) throw this.#fault(`its dicts are nested more than ${MOST_DEPTH} deep`);
    for (const [key, value] of membersOf(dict)) {
      if (++this.#visited > MOST_VISITED) throw this.#fault(`it has more than ${MOST_VISITED} entries`);
      const object = objectOf(value);
      if (typeof key !== 'string') {
        if (object?.kind === 'tensor') throw this.#fault(`a tensor in ${quoted(prefix)} has a key that is no text`);
      } else if (object?.kind === 'tensor') this.#take(prefix + key, object);
      else if (object?.kind === 'dict') {
        if (!(depth === 0 && OF_TRAINING.test(key))) this.enter(object, `${prefix}${key}.`, depth + 1);
      } else if (object?.kind === 'list' || object?.kind === 'tuple') this.#refuseTensors(object, prefix + key);
    }
  }

  #take(name: string, tensor: TensorView): void {
    if (name.includes('\ufffd')) throw this.#fault(`the name of tensor ${quoted(name)} is no UTF-8`);
    if (this.tensors.has(name)) throw this.#fault(`tensor ${quoted(name)} is there twice`);
    this.tensors.set(name, tensor);
  }

  /** They would be missed without a word. */
  #refuseTensors({ items }: Sequence, name: string): void {
    if (!items.some((item) => objectOf(item)?.kind === 'tensor')) return;
    throw this.#fault(`${quoted(name)} is a list of tensors, which no state dict has; ${RESAVE}`);
  }

  #fault(detail: string): QuantizeError {
    return invalidFile(this.#source, detail);
  }
}
