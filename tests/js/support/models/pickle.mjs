/**
 * Writes pickles as CPython's pickler does (Lib/pickle.py), of protocol 2 to 5, for the tests. Arrays are lists and Maps are
 * dicts; the functions below stand for what JavaScript has not.
 */

export const tuple = (...items) => ({ kind: 'tuple', items });
/** A function or a class. One object for each: what is named again is taken from the memo. */
export const global = (module, name) => ({ kind: 'global', module, name });
export const call = (callee, items, { dict, state } = {}) => ({
  kind: 'call',
  callee,
  items: tuple(...items),
  dict,
  state,
});
/** What is kept elsewhere, by what it is known. */
export const persistent = (id) => ({ kind: 'persistent', id });
/** Bytes of a pickle as they are, which leave one value on the stack. */
export const raw = (...parts) => ({
  kind: 'raw',
  bytes: Buffer.concat(parts.map((part) => Buffer.from(part, 'latin1'))),
});
export const long = (value) => ({ kind: 'long', value });

const kBatch = 1000;

export function pickle(value, protocol = 2) {
  const pickler = new Pickler(protocol);
  pickler.save(value);
  pickler.write('.');
  const body = Buffer.concat(pickler.chunks);
  const frame = Buffer.alloc(9, 0x95);
  frame.writeBigUInt64LE(BigInt(body.length), 1);
  return Buffer.concat([Buffer.from([0x80, protocol]), ...(protocol >= 4 ? [frame] : []), body]);
}

class Pickler {
  chunks = [];
  #protocol;
  #memo = new Map();

  constructor(protocol) {
    this.#protocol = protocol;
  }

  write(...parts) {
    for (const part of parts)
      this.chunks.push(typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part, 'latin1'));
  }

  save(value) {
    if (value === null) this.write('N');
    else if (typeof value === 'boolean') this.write(value ? 0x88 : 0x89);
    else if (typeof value === 'number') this.#number(value);
    else if (this.#memo.has(value)) this.#recall(this.#memo.get(value));
    else if (typeof value === 'string') this.#text(value);
    else if (Array.isArray(value)) this.#list(value);
    else if (value instanceof Map) this.#dict(value);
    else this.#object(value);
  }

  #object(value) {
    if (value.kind === 'tuple') this.#tuple(value);
    else if (value.kind === 'global') this.#global(value);
    else if (value.kind === 'persistent') {
      this.save(value.id);
      this.write('Q');
    } else if (value.kind === 'raw') this.write(value.bytes);
    else if (value.kind === 'long') this.#long(value.value);
    else this.#call(value);
  }

  #remember(value) {
    const index = this.#memo.size;
    this.#memo.set(value, index);
    if (this.#protocol >= 4) this.write(0x94);
    else if (index < 256) this.write('q', index);
    else this.write('r', u32(index));
  }

  #recall(index) {
    if (index < 256) this.write('h', index);
    else this.write('j', u32(index));
  }

  #number(value) {
    if (!Number.isInteger(value)) {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(value);
      this.write('G', bytes);
    } else if (value >= 0 && value < 256) this.write('K', value);
    else if (value >= 0 && value < 65536) this.write('M', u32(value).subarray(0, 2));
    else if (value >= -(2 ** 31) && value < 2 ** 31) this.write('J', u32(value >>> 0));
    else this.#long(BigInt(value));
  }

  #long(value) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    this.write(0x8a, 8, bytes);
  }

  #text(value) {
    const bytes = Buffer.from(value);
    if (this.#protocol >= 4 && bytes.length < 256) this.write(0x8c, bytes.length, bytes);
    else this.write('X', u32(bytes.length), bytes);
    this.#remember(value);
  }

  #tuple(value) {
    const { items } = value;
    if (items.length === 0) {
      this.write(')');
      return;
    }
    if (items.length > 3) this.write('(');
    for (const item of items) this.save(item);
    this.write(items.length > 3 ? 't' : 0x84 + items.length);
    this.#remember(value);
  }

  #list(value) {
    this.write(']');
    this.#remember(value);
    this.#batches(
      value,
      (item) => {
        this.save(item);
      },
      'a',
      'e',
    );
  }

  #dict(value) {
    this.write('}');
    this.#remember(value);
    this.#items(value);
  }

  #items(dict) {
    this.#batches(
      [...dict],
      ([key, item]) => {
        this.save(key);
        this.save(item);
      },
      's',
      'u',
    );
  }

  #batches(items, save, one, many) {
    for (let at = 0; at < items.length; at += kBatch) {
      const batch = items.slice(at, at + kBatch);
      if (batch.length > 1) this.write('(');
      for (const item of batch) save(item);
      this.write(batch.length > 1 ? many : one);
    }
  }

  #global(value) {
    const { module, name } = value;
    if (this.#protocol >= 4) {
      this.save(module);
      this.save(name);
      this.write(0x93);
    } else this.write('c', `${module}\n${name}\n`);
    this.#remember(value);
  }

  #call(value) {
    this.save(value.callee);
    this.save(value.items);
    this.write('R');
    this.#remember(value);
    if (value.dict !== undefined) this.#items(value.dict);
    if (value.state === undefined) return;
    this.save(value.state);
    this.write('b');
  }
}

function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
