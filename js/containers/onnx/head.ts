/** Numbers of the fields of a model that Google's writers put before its graph, and their wire types. */
const WIRE_TYPES: Readonly<Record<number, number>> = { 1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2 };

/** Whether a file begins as ONNX models do: the version of the format, and fields that a model has in rising order. */
export function looksLikeOnnx(head: Uint8Array): boolean {
  if (head[0] !== 0x08) return false;
  let at = 0;
  let last = 0;
  let fields = 0;
  while (at < head.length) {
    const tag = head[at++] ?? 0;
    const number = tag >> 3;
    if (WIRE_TYPES[number] !== (tag & 7) || number < last) return false;
    last = number;
    ++fields;
    const value = varintAt(head, at);
    // It goes on beyond what there is of the file.
    if (value === null) break;
    if (number === 1 && (value.value < 1 || value.value > 127)) return false;
    at = value.end + ((tag & 7) === 2 ? value.value : 0);
  }
  return fields > 1;
}

function varintAt(head: Uint8Array, begin: number): { readonly value: number; readonly end: number } | null {
  let value = 0;
  for (let at = begin, factor = 1; at < head.length; ++at, factor *= 128) {
    const byte = head[at] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end: at + 1 };
  }
  return null;
}
