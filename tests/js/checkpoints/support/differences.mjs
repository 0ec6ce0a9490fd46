import { ggufRecords, sha256 } from './gguf-records.mjs';

/** More than this is no help to who reads it. */
const MOST_LINES = 12;

const comparable = ({ type, length, sha256: digest, bits, value }) =>
  JSON.stringify([type, length, digest ?? bits ?? value]);

function shown({ type, length, value, first }) {
  const text = JSON.stringify(first ?? value) ?? 'a long text';
  const short = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  return `${type} ${short}${length === undefined ? '' : ` (${length})`}`;
}

/** The first place in which two lists of names differ, in words. */
function orderDifference(what, names, expected) {
  const at = expected.findIndex((name, i) => names[i] !== name);
  const place = at < 0 ? expected.length : at;
  if (names.length === expected.length && at < 0) return [];
  return [`${what} ${place}: ${names[place] ?? 'nothing'} where ${expected[place] ?? 'nothing'} should be`];
}

function pairDifferences(pairs, expected) {
  const lines = orderDifference(
    'pair',
    pairs.map(({ key }) => key),
    expected.map(({ key }) => key),
  );
  const found = new Map(pairs.map((pair) => [pair.key, pair]));
  const known = new Set(expected.map(({ key }) => key));
  for (const pair of expected) {
    const own = found.get(pair.key);
    if (own === undefined) lines.push(`${pair.key} is missing: ${shown(pair)}`);
    else if (comparable(own) !== comparable(pair)) lines.push(`${pair.key}: ${shown(own)}, should be ${shown(pair)}`);
  }
  for (const pair of pairs) if (!known.has(pair.key)) lines.push(`${pair.key} is one too many: ${shown(pair)}`);
  return lines;
}

function tensorDifferences(tensors, expected) {
  const names = (list) => list.map(([name]) => name);
  const lines = orderDifference('tensor', names(tensors), names(expected));
  const found = new Map(tensors.map((tensor) => [tensor[0], tensor]));
  for (const tensor of expected) {
    const own = found.get(tensor[0]);
    if (own === undefined || JSON.stringify(own) === JSON.stringify(tensor)) continue;
    const [header, wanted] = [own, tensor].map((one) => JSON.stringify(one.slice(1, 5)));
    lines.push(
      `tensor ${tensor[0]}: ${header === wanted ? `other data, ${header}` : `${header}, should be ${wanted}`}`,
    );
  }
  return lines;
}

/**
 * In what a file differs from what a case of tests/golden/checkpoints says of the output `outType`, in lines; none where it is
 * the same file.
 *
 * @param {Buffer} file
 */
export function caseDifferences(file, { kv, outputs }, outType) {
  const { bytes, sha256: digest, kv_differs: others = [], tensors } = outputs[outType];
  if (sha256(file) === digest) return [];
  const own = ggufRecords(file);
  const pairs = kv.map((pair) => others.find(({ key }) => key === pair.key) ?? pair);
  const lines = [...pairDifferences(own.pairs, pairs), ...tensorDifferences(own.tensors, tensors)];
  if (lines.length === 0) return [`bytes besides pairs and tensors: ${file.length} of them, should be ${bytes}`];
  return lines.slice(0, MOST_LINES);
}
