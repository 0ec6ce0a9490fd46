/** Ways to damage the files of a checkpoint, the same in every run. */
import { modelFile, readModel } from '../../support/models/safetensors.mjs';

/** Written as they are: JSON.stringify would not. */
const RAW = '\u0001raw:';
const NUMBERS = [
  ...['-1', '0', '1', '3', '0.5', '-0', '2147483648', '4294967296', '9007199254740993', '18446744073709551616'],
  ...['1e999', '-1e999', '1e-400', 'NaN', 'Infinity', '-Infinity', '123456789012345678901234567890', '1E3', '64.0'],
];
const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', '\ud800', 'length', '0', '../config'];
const TEXTS = [
  '',
  '\ud800',
  '\u0000',
  '▁',
  'Ġ',
  '<0xZZ>',
  '<unk>',
  '../../etc/passwd',
  'x'.repeat(1000),
  '[PAD7]',
  'é',
];

const raw = (text) => `${RAW}${text}`;

function others(value) {
  const values = [null, true, false, [], {}, [null], { '': 0 }, raw('1'), 'a text'];
  if (typeof value === 'number') values.push(...NUMBERS.map(raw), ...NUMBERS.map(raw));
  if (typeof value === 'string') values.push(...TEXTS, ...TEXTS);
  if (Array.isArray(value))
    values.push([...value, ...value], value.slice(0, 1), value.slice(1), value.toReversed(), [value]);
  return values;
}

/** All places in a value that have another value in them: [holder, key]. */
function placesIn(value, places = []) {
  for (const key of Object.keys(value)) {
    places.push([value, key]);
    if (typeof value[key] === 'object' && value[key] !== null) placesIn(value[key], places);
  }
  return places;
}

function renamed(holder, key, name) {
  const value = holder[key];
  delete holder[key];
  // An own key, whatever its name means elsewhere.
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
}

function mutateAt([holder, key], upTo) {
  const kind = upTo(8);
  const isArray = Array.isArray(holder);
  if (kind === 0) return isArray ? void holder.splice(Number(key), 1) : delete holder[key];
  if (kind === 1 && !isArray) return renamed(holder, key, NAMES[upTo(NAMES.length)]);
  if (kind === 1) return void holder.splice(Number(key), 0, holder[key]);
  if (kind === 2) {
    const keys = Object.keys(holder);
    const other = keys[upTo(keys.length)];
    [holder[key], holder[other]] = [holder[other], holder[key]];
    return undefined;
  }
  const values = others(holder[key]);
  holder[key] = values[upTo(values.length)];
  return undefined;
}

/** Another JSON text: one to three of its values are others, gone, or elsewhere. */
function mutatedJson(text, upTo) {
  const value = JSON.parse(text);
  for (let times = 1 + upTo(3); times > 0; --times) {
    const places = placesIn(value);
    if (places.length === 0) break;
    // Half of them near the top: vocabularies are nearly all of a tokenizer.json.
    const shallow = upTo(2) === 0 ? placesIn({ '': value }).filter(([holder]) => holder === value) : places;
    mutateAt((shallow.length > 0 ? shallow : places)[upTo(shallow.length || places.length)], upTo);
  }
  return JSON.stringify(value).replace(/"\\u0001raw:([^"]*)"/gu, '$1');
}

const deep = (levels) => `${'['.repeat(levels)}${']'.repeat(levels)}`;

/** A JSON text with a value somewhere that is nested deeper than a stack. */
function nestedJson(text, upTo) {
  const colons = [...text.matchAll(/:\s*/gu)];
  if (colons.length === 0) return deep(100_000);
  const { index, 0: colon } = colons[upTo(colons.length)];
  const rest = text.slice(index).search(/[,}]/u);
  return `${text.slice(0, index)}${colon}${deep(100_000)}${text.slice(index + Math.max(rest, 1))}`;
}

/** Other bytes: flipped, overwritten, cut out, doubled, or cut off. */
function mutatedBytes(bytes, upTo) {
  const own = Buffer.from(bytes);
  const at = upTo(own.length);
  switch (upTo(6)) {
    case 0:
      own[at] ^= 1 << upTo(8);
      return own;
    case 1:
      for (let times = 0; times < 4; ++times) own[upTo(own.length)] = upTo(256);
      return own;
    case 2:
      return Buffer.concat([own.subarray(0, at), own.subarray(at + 1 + upTo(40))]);
    case 3:
      return own.subarray(0, at);
    case 4:
      return Buffer.concat([own.subarray(0, at), own.subarray(at - Math.min(at, 30))]);
    default:
      own[at] = '{}[]",:0123456789-.eE\\nul'.charCodeAt(upTo(24));
      return own;
  }
}

const SAME_SIZE = { BF16: ['F16', 'I16'], F16: ['BF16', 'U16'], F32: ['I32', 'U32'] };

/** Other shapes of as many weights. */
const shapesOf = (shape) => [
  shape.toReversed(),
  [shape.reduce((count, extent) => count * extent, 1)],
  [1, ...shape],
  shape.length === 2 && shape[0] % 2 === 0 ? [shape[0] / 2, shape[1] * 2] : [...shape, 1],
];

const otherNames = (name) => [
  name.replace('model.', ''),
  name.replace(/\d+/u, (digits) => String(Number(digits) + 1)),
  name.replace('.weight', '.bias'),
  `${name}x`,
  '__proto__',
];

/** A right file whose tensors are not those of the model: one is gone, or has another name, shape or type, or another's. */
function mutatedTensors(bytes, upTo) {
  const { tensors, metadata } = readModel(bytes);
  const list = [...tensors.values()];
  const at = upTo(list.length);
  const tensor = list[at];
  const among = (values) => values[upTo(values.length)];
  const kind = upTo(6);
  if (kind === 0) list.splice(at, 1);
  else if (kind === 1) tensor.name = among(otherNames(tensor.name));
  else if (kind === 2) tensor.shape = among(shapesOf(tensor.shape));
  else if (kind === 3) tensor.dtype = among(SAME_SIZE[tensor.dtype] ?? ['F64']);
  else if (kind === 4) {
    const other = among(list);
    [tensor.name, other.name] = [other.name, tensor.name];
  } else {
    const [rows, ...rest] = tensor.shape;
    const fewer = Math.max(1, rows >> 1);
    tensor.bytes = tensor.bytes.subarray(0, (tensor.bytes.length / rows) * fewer);
    tensor.shape = [fewer, ...rest];
  }
  return modelFile(list, metadata);
}

/**
 * A variant of a file's bytes.
 *
 * @param {string} name What tells how it is read.
 * @param {Buffer} bytes
 * @param {() => number} random
 */
export function mutated(name, bytes, random) {
  const upTo = (limit) => Math.floor(random() * limit);
  if (name.endsWith('.safetensors')) return mutatedTensors(bytes, upTo);
  const isJson = name.endsWith('.json');
  const kind = upTo(100);
  if (isJson && kind < 70) return Buffer.from(mutatedJson(bytes.toString('utf8'), upTo));
  if (isJson && kind < 72) return Buffer.from(nestedJson(bytes.toString('utf8'), upTo));
  return mutatedBytes(bytes, upTo);
}
