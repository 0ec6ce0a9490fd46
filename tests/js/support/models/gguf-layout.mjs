/** A model that the tests of the writer lay out. */
import { f32, flag, i32, i32s, layoutGguf, text, texts, u16, u32 } from '../internals.mjs';

export const kPairs = [
  text('general.architecture', 'flux'),
  u32('general.file_type', 15),
  u16('small', 65535),
  i32('negative', -5),
  f32('a.third', 1 / 3),
  flag('yes', true),
  texts('tokens', ['<s>', 'Ġé🏹', '']),
  i32s('comfy.gguf.orig_shape.conv.weight', [64, -1, 3, 3]),
];

export const kTensors = [
  { name: 'conv.weight', type: 'F16', shape: [5, 4, 3, 3] },
  { name: 'blocks.0.weight', type: 'Q4_K', shape: [3, 512] },
  { name: 'blocks.0.bias', type: 'F32', shape: [7] },
  { name: 'scale', type: 'F32', shape: [] },
  { name: 'empty', type: 'BF16', shape: [0, 4] },
  { name: 'experts', type: 'Q8_0', shape: [2, 3, 32] },
];

/** The files of a layout by name, each tensor's bytes filled with its index + 1, so that padding shows. */
export function filesOf({ files, places }) {
  const buffers = files.map(({ header, fileBytes }) => {
    const buffer = Buffer.alloc(fileBytes);
    buffer.set(header);
    return buffer;
  });
  places.forEach(({ file, offset, bytes }, index) => buffers[file].fill(index + 1, offset, offset + bytes));
  return Object.fromEntries(files.map(({ name }, index) => [name, buffers[index]]));
}

export const layout = (change = {}) =>
  layoutGguf({ keyValues: kPairs, tensors: kTensors, file: 'out.gguf', ...change });
