import type { QuantizeError } from '../../errors.js';
import type { ByteSource } from '../../io/byte-io.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { RESAVE } from './meaning.js';
import { MOST_PICKLE_BYTES } from './pickle.js';
import { objectOf, type PickleObject, type PickleValue, type Sequence, type TensorView } from './values.js';

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

/** What a checkpoint holds of a model. */
export interface FoundModel {
  readonly tensors: readonly NamedTensor[];
  /** Sentences on where it was found, and on what is left out. */
  readonly notes: readonly string[];
}

/** What a file has of a model. */
export interface StateDict extends FoundModel {
  /** At least those that tensors lie in, by their keys. */
  readonly storages: ReadonlyMap<string, StoredBytes>;
}

/**
 * Under what programs put the model when they save more than that: PyTorch Lightning, Megatron and DeepSpeed, timm, BasicSR
 * (of its two, the one that its own programs use). The first one that is there counts.
 */
const MODEL_KEYS = ['state_dict', 'model_state_dict', 'model', 'module', 'params_ema', 'params'];

/** What is saved to go on with training, and is no part of the model. */
const OF_TRAINING = /(?:^|_)(?:optim|sched|scaler|callback)|^loops$/iu;

/** How deep a model may lie, and how deep dicts may be nested in it. */
const MOST_DEPTH = 16;
/** Characters of names, and for each entry of a dict 32: it may be in several others, and then counts each time. */
const MOST_CHARACTERS = MOST_PICKLE_BYTES;
const ENTRY_CHARACTERS = 32;

type Members = ReadonlyMap<PickleValue, PickleValue>;

/**
 * The tensors of the model in what a checkpoint holds, in order. Where the model is one of several things, it is found by its
 * key; dicts in the model put their key before the names in them, and a dot between. What is neither a dict nor a tensor is
 * passed over, and notes say which tensors are. Throws `invalid_file` where there is no tensor, or one that cannot have a name.
 */
export function tensorsIn(value: PickleValue, source: ByteSource): FoundModel {
  const walk = new Walk(source);
  const dict = walk.modelIn(value);
  if (dict === null) {
    throw invalidFile(source, `it is a PyTorch checkpoint, but of something else than a dict of tensors; ${RESAVE}`);
  }
  walk.enter(dict, '', 0);
  if (walk.tensors.size === 0) throw invalidFile(source, `it is a PyTorch checkpoint without tensors; ${RESAVE}`);
  return { tensors: [...walk.tensors].map(([name, tensor]) => ({ name, tensor })), notes: walk.notes() };
}

/** The key of the model's dict, where it is one of several things; undefined where it is not. */
function modelKey(members: Members): string | undefined {
  const all = [...members];
  if (all.some(isOfModel)) return undefined;
  const keys = all.length === 1 ? all.map(([key]) => textOf(key)) : MODEL_KEYS;
  return keys.find((key) => dictOf(members.get(key))?.items.length);
}

/** Whether it can only be a tensor of a model's own, and none of the numbers and states that a training keeps. */
function isOfModel([key, value]: readonly [PickleValue, PickleValue]): boolean {
  const object = objectOf(value);
  return object?.kind === 'tensor' && (object.shape.length > 1 || (typeof key === 'string' && key.includes('.')));
}

function dictOf(value: PickleValue | undefined): Sequence | null {
  const object = objectOf(value);
  return object?.kind === 'dict' ? object : null;
}

const textOf = (key: PickleValue): string => (typeof key === 'string' ? key : '?');

const noteOn = (what: string, keys: readonly string[]): string[] =>
  keys.length === 0 ? [] : [`${what} ${quoted(keys.join(', '))}.`];

class Walk {
  readonly tensors = new Map<string, TensorView>();
  readonly #source: ByteSource;
  /** The keys under which the model is. */
  readonly #keys: string[] = [];
  /** What is no part of the model. */
  readonly #aside: Members[] = [];
  /** What has been searched for tensors. */
  readonly #searched = new Set<PickleObject>();
  #characters = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The dict that has the tensors; null where the checkpoint is no dict. */
  modelIn(value: PickleValue): Sequence | null {
    let dict = dictOf(value);
    while (dict !== null && this.#keys.length < MOST_DEPTH) {
      const members = this.#membersOf(dict);
      const key = modelKey(members);
      if (key === undefined) break;
      this.#keys.push(key);
      dict = dictOf(members.get(key));
      members.delete(key);
      this.#aside.push(members);
    }
    return dict;
  }

  enter(dict: Sequence, prefix: string, depth: number): void {
    if (depth > MOST_DEPTH) throw this.#fault(`its dicts are nested more than ${MOST_DEPTH} deep`);
    for (const [key, value] of this.#membersOf(dict)) {
      const object = objectOf(value);
      if (typeof key !== 'string') {
        if (this.#hasTensors(key) || this.#hasTensors(value)) {
          throw this.#fault(`a tensor in ${quoted(prefix)} has a key that is no text`);
        }
      } else if (object?.kind === 'tensor') this.#take(this.#named(prefix + key), object);
      else if (depth === 0 && OF_TRAINING.test(key)) this.#aside.push(new Map([[key, value]]));
      else if (object?.kind === 'dict') this.enter(object, this.#named(`${prefix}${key}.`), depth + 1);
      else if (this.#hasTensors(value)) {
        throw this.#fault(`${quoted(prefix + key)} is a list of tensors, which no state dict has; ${RESAVE}`);
      }
    }
  }

  notes(): string[] {
    for (const tensor of this.tensors.values()) this.#searched.add(tensor);
    const all = this.#aside.flatMap((members) => [...members]);
    const left = all.flatMap(([key, value]) => (this.#hasTensors(value) ? [textOf(key)] : []));
    return [
      ...noteOn('The model is what the checkpoint has under', this.#keys),
      ...noteOn('Tensors beside the model are left out, under', left),
    ];
  }

  /** Of what a key was given several times, the last counts. */
  #membersOf({ items }: Sequence): Map<PickleValue, PickleValue> {
    this.#spend((items.length / 2) * ENTRY_CHARACTERS);
    const members = new Map<PickleValue, PickleValue>();
    for (let at = 0; at + 1 < items.length; at += 2) members.set(items[at] ?? null, items[at + 1] ?? null);
    return members;
  }

  #named(name: string): string {
    this.#spend(name.length);
    return name;
  }

  #spend(characters: number): void {
    this.#characters += characters;
    if (this.#characters > MOST_CHARACTERS) throw this.#fault('it has more entries, or longer names, than any model');
  }

  #take(name: string, tensor: TensorView): void {
    if (name.includes('\ufffd')) throw this.#fault(`the name of tensor ${quoted(name)} is no UTF-8`);
    if (this.tensors.has(name)) throw this.#fault(`tensor ${quoted(name)} is there twice`);
    this.tensors.set(name, tensor);
  }

  /** Whether there are tensors anywhere in a value, as far as it has not been searched before. */
  #hasTensors(value: PickleValue): boolean {
    let found = false;
    for (const left = [value]; left.length > 0;) {
      const object = objectOf(left.pop());
      if (object === null || this.#searched.has(object)) continue;
      this.#searched.add(object);
      found ||= object.kind === 'tensor';
      if ('items' in object) for (const item of object.items) if (objectOf(item) !== null) left.push(item);
    }
    return found;
  }

  #fault(detail: string): QuantizeError {
    return invalidFile(this.#source, detail);
  }
}
