/** Files that are wrong in one way each, with what has to be said of them. */
import { float32Tensor, modelFile, rawFile } from './safetensors.mjs';

const entry = (dtype, shape, begin, end) => JSON.stringify({ dtype, shape, data_offsets: [begin, end] });
const oneTensor = (description, bytes = 4096) => rawFile(`{"a.weight":${description}}`, new Uint8Array(bytes));

/** `tensor` is what the error's `layer` has to be, where it is about one. */
export const kHostileFiles = [
  { title: 'an empty file', file: Buffer.alloc(0), says: /too few/ },
  { title: 'a file that ends in the header length', file: Buffer.from([1, 0, 0]), says: /3 bytes, too few/ },
  {
    title: 'a header that ends beyond the file',
    file: rawFile('{}', [], 1000),
    says: /header of 1000 bytes, but only 2 /,
  },
  {
    title: 'a header length of 2^63',
    file: Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x80]), Buffer.from('{}')]),
    says: /9223372036854775808/,
  },
  { title: 'a truncated file', file: truncated(), tensor: 'b.weight', says: /"b\.weight" ends at byte/ },
  { title: 'a header that is no JSON', file: rawFile('{"a.weight": oops}'), says: /not valid JSON/ },
  { title: 'a header that is no object', file: rawFile('[]'), says: /begin with "\{"/ },
  { title: 'a header that is cut off', file: rawFile('{"a.weight":{"dtype":"F32","sha'), says: /not valid JSON/ },
  { title: 'a header that is no UTF-8', file: rawFile(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), says: /UTF-8/ },
  { title: 'brackets without end', file: rawFile(`{"a":${'['.repeat(100_000)}`), says: /deeper than 16/ },
  { title: 'quotes without end', file: rawFile(`{"a":"${'\\"'.repeat(200_000)}`), says: /not valid JSON/ },
  {
    title: 'a name twice',
    file: rawFile(
      `{"a.weight":${entry('U8', [0], 0, 0)},"a.weight":${entry('F32', [1024], 0, 4096)}}`,
      Buffer.alloc(4096),
    ),
    tensor: 'a.weight',
    says: /"a\.weight" twice/,
  },
  {
    title: 'a name twice, once with escapes',
    file: rawFile(`{"a":${entry('U8', [1], 0, 1)},"\\u0061":${entry('U8', [1], 1, 2)}}`, Buffer.alloc(2)),
    tensor: 'a',
    says: /"a" twice/,
  },
  {
    title: 'a field twice',
    file: rawFile('{"a":{"dtype":"U8","shape":[1],"shape":[2],"data_offsets":[0,1]}}', Buffer.alloc(1)),
    says: /"shape" twice/,
  },
  {
    title: 'a dtype that is no word',
    file: oneTensor(entry('F 12', [1024], 0, 4096)),
    tensor: 'a.weight',
    says: /has "F 12" for a dtype/,
  },
  { title: 'no dtype', file: oneTensor('{"shape":[1],"data_offsets":[0,1]}', 1), tensor: 'a.weight', says: /no dtype/ },
  { title: 'a tensor that is a number', file: oneTensor('7', 0), tensor: 'a.weight', says: /not described/ },
  { title: 'no shape', file: oneTensor('{"dtype":"U8","data_offsets":[0,1]}', 1), tensor: 'a.weight', says: /shape/ },
  { title: 'a negative extent', file: oneTensor(entry('U8', [-1, -1], 0, 1), 1), tensor: 'a.weight', says: /shape/ },
  { title: 'a fractional extent', file: oneTensor(entry('U8', [0.5, 2], 0, 1), 1), tensor: 'a.weight', says: /shape/ },
  {
    title: 'more elements than 2^53',
    file: oneTensor(entry('U8', [2 ** 40, 2 ** 40], 0, 1), 1),
    tensor: 'a.weight',
    says: /shape/,
  },
  {
    title: 'a thousand dimensions',
    file: oneTensor(entry('U8', Array(1000).fill(1), 0, 1), 1),
    tensor: 'a.weight',
    says: /shape/,
  },
  {
    title: 'shape × dtype ≠ bytes',
    file: oneTensor(entry('F32', [1023], 0, 4096)),
    tensor: 'a.weight',
    says: /\[1023\] of F32 needs 4092/,
  },
  { title: 'reversed offsets', file: oneTensor(entry('U8', [4], 8, 4)), tensor: 'a.weight', says: /impossible/ },
  { title: 'negative offsets', file: oneTensor(entry('U8', [4], -4, 0)), tensor: 'a.weight', says: /impossible/ },
  { title: 'fractional offsets', file: oneTensor(entry('U8', [4], 0.5, 4.5)), tensor: 'a.weight', says: /impossible/ },
  {
    title: 'three offsets',
    file: oneTensor('{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}'),
    tensor: 'a.weight',
    says: /data_offsets/,
  },
  {
    title: 'offsets beyond the file',
    file: oneTensor(entry('U8', [8192], 0, 8192)),
    tensor: 'a.weight',
    says: /ends at byte 8192/,
  },
  {
    title: 'overlapping tensors',
    file: rawFile(`{"a":${entry('U8', [64], 0, 64)},"b":${entry('U8', [64], 32, 96)}}`, Buffer.alloc(96)),
    tensor: 'b',
    says: /"b" overlap those of "a"/,
  },
  {
    title: 'a gap between tensors',
    file: rawFile(`{"a":${entry('U8', [64], 0, 64)},"b":${entry('U8', [64], 72, 136)}}`, Buffer.alloc(136)),
    tensor: 'b',
    says: /8 bytes before tensor "b"/,
  },
  { title: 'bytes behind the last tensor', file: oneTensor(entry('U8', [4000], 0, 4000)), says: /last 96 bytes/ },
  { title: 'metadata that is no object', file: rawFile('{"__metadata__":[]}'), says: /__metadata__/ },
  { title: 'metadata that is no string', file: rawFile('{"__metadata__":{"format":1}}'), says: /"format"/ },
  {
    title: 'something else altogether',
    name: 'in.bin',
    file: Buffer.from('GIF89a, as we all know'),
    says: /no format/,
  },
];

function truncated() {
  const file = modelFile([float32Tensor('a.weight', [32, 32]), float32Tensor('b.weight', [32, 32])]);
  return file.subarray(0, file.length - 100);
}
