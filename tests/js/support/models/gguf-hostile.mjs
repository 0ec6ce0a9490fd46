/** GGUF files that are wrong in one way each. */
import { array, ggufFile, ggufTensor, string } from './gguf.mjs';

const kTensor = ggufTensor('a.weight', [4], 0);
const oneTensor = (change) => ggufFile({ tensors: [{ ...kTensor, ...change }] });
const onePair = (...pair) => ggufFile({ pairs: [pair], tensors: [kTensor] });
const kRight = ggufFile({ pairs: [['general.name', 'string', 'x']], tensors: [kTensor] });

/** The top byte of the key's length, which lies behind the 24 bytes of the preamble, is changed: 1 + 2^60. */
const longKey = onePair('k', 'u8', 1);
longKey[31] = 0x10;

const u32 = (value) => Buffer.from(Uint32Array.of(value).buffer);
const deep = (levels) => {
  const levelsOfArrays = Array.from({ length: levels - 1 }, () =>
    Buffer.concat([u32(9), Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])]),
  );
  return Buffer.concat([...levelsOfArrays, array({ of: 'u8', values: [] })]);
};

const kInvalidUtf8 = {
  'a lone continuation': [0x80],
  'a cut sequence': [0xe2, 0x82],
  'an overlong form': [0xc0, 0xaf],
  'a surrogate': [0xed, 0xa0, 0x80],
  'a code beyond Unicode': [0xf4, 0x90, 0x80, 0x80],
};

export const kHostileGguf = [
  { title: 'nothing in it', file: Buffer.alloc(0), says: /it has 0 bytes, too few/ },
  { title: 'its magic only', file: Buffer.from('GGUF'), says: /it has 4 bytes, too few/ },
  { title: 'another magic', file: ggufFile({ magic: 'GGML' }), says: /does not begin with "GGUF"/ },
  { title: 'version 0', file: ggufFile({ version: 0 }), says: /GGUF version 0, only versions 2 and 3/ },
  { title: 'version 1', file: ggufFile({ version: 1 }), says: /GGUF version 1, only versions 2 and 3/ },
  { title: 'version 4', file: ggufFile({ version: 4 }), says: /GGUF version 4, only versions 2 and 3/ },
  { title: 'big-endian order', file: ggufFile({ version: 3 << 24 }), says: /big-endian order/ },

  {
    title: '2^63 tensors',
    file: ggufFile({ tensorCount: 2n ** 63n }),
    says: /announces 9223372036854775808 tensors, but only \d+/,
  },
  {
    title: '2^64 - 1 pairs',
    file: ggufFile({ pairCount: 2n ** 64n - 1n }),
    says: /announces 18446744073709551615 key-value pairs/,
  },
  {
    title: 'a pair too many',
    file: ggufFile({ tensors: [kTensor], pairCount: 1 }),
    says: /the name of tensor 1 is empty/,
  },
  {
    title: 'a tensor too many',
    file: ggufFile({ tensors: [kTensor], tensorCount: 2 }),
    says: /announces \d+ bytes of the name of tensor 2, but only 24/,
  },
  { title: 'a header that ends early', file: kRight.subarray(0, 60), says: /it (ends at byte 60, within|announces)/ },

  { title: 'a key of 2^60 bytes', file: longKey, says: /announces 1152921504606846977 bytes of key 1, but only/ },
  {
    title: 'a key of 65,536 bytes',
    file: onePair('k'.repeat(65_536), 'u8', 1),
    says: /its 65536 bytes of key 1 are over the limit of 65535/,
  },
  { title: 'an empty key', file: onePair('', 'u8', 1), says: /key 1 is empty/ },
  {
    title: 'a key twice',
    file: ggufFile({
      pairs: [
        ['k', 'u8', 1],
        ['k', 'u8', 1],
      ],
    }),
    says: /the key "k" occurs twice/,
  },
  {
    title: 'a value of an unknown type',
    file: onePair('k', 13, Buffer.alloc(8)),
    says: /the value of "k" has the unknown type 13/,
  },
  { title: 'a boolean of 2', file: onePair('k', 'bool', Buffer.from([2])), says: /the value of "k" has the boolean 2/ },
  {
    title: 'a boolean of 255 in an array',
    file: onePair('k', 'array', { of: 'bool', values: [1, 0, 255] }),
    says: /has the boolean 255/,
  },
  {
    title: 'a string of 2^60 bytes',
    file: onePair('k', 'string', string('x', 2n ** 60n)),
    says: /announces 1152921504606846976 bytes of a string in the value of "k"/,
  },
  {
    title: 'an array of 2^60 bytes',
    file: onePair('k', 'array', { of: 'u8', values: [], count: 2n ** 60n }),
    says: /announces 1152921504606846976 elements in the value of "k"/,
  },
  {
    title: 'an array of 2^61 u64, whose bytes are 2^64',
    file: onePair('k', 'array', { of: 'u64', values: [], count: 2n ** 61n }),
    says: /announces 2305843009213693952 elements/,
  },
  {
    title: 'an array of strings with one too few',
    file: onePair('k', 'array', { of: 'string', values: ['a'], count: 30 }),
    says: /announces 30 elements in the value of "k"/,
  },
  {
    title: 'an array of an unknown type',
    file: onePair('k', 'array', { of: 99, values: [] }),
    says: /the value of "k" has the unknown type 99/,
  },
  { title: 'arrays nested five deep', file: onePair('k', 'array', deep(5)), says: /nests arrays deeper than 4/ },
  { title: 'arrays nested 1000 deep', file: onePair('k', 'array', deep(1000)), says: /nests arrays deeper than 4/ },
  ...Object.entries(kInvalidUtf8).flatMap(([what, bytes]) => [
    {
      title: `a key with ${what}`,
      file: onePair(Buffer.from([0x61, ...bytes]), 'u8', 1),
      says: /key 1 is not valid UTF-8/,
    },
    {
      title: `a string with ${what}`,
      file: onePair('k', 'string', string(Buffer.from(bytes))),
      says: /a string in the value of "k" is not valid UTF-8/,
    },
  ]),
  {
    title: 'a token that is no UTF-8',
    file: onePair('k', 'array', { of: 'string', values: ['a', string([0xff])] }),
    says: /a string in the value of "k" is not valid UTF-8/,
  },
  {
    title: 'a name that is no UTF-8',
    file: oneTensor({ name: Buffer.from([0xff]) }),
    says: /the name of tensor 1 is not valid UTF-8/,
  },

  {
    title: 'an alignment of another type',
    file: onePair('general.alignment', 'u64', 32),
    says: /"general.alignment" is no u32/,
  },
  {
    title: 'an alignment of 0',
    file: onePair('general.alignment', 'u32', 0),
    says: /"general.alignment" is 0, must be a power of two/,
  },
  {
    title: 'an alignment of 48',
    file: onePair('general.alignment', 'u32', 48),
    says: /"general.alignment" is 48, must be a power of two/,
  },
  {
    title: 'an alignment of 2^31',
    file: onePair('general.alignment', 'u32', 2 ** 31),
    says: /is 2147483648, must be a power of two up to 65536/,
  },

  {
    title: 'a tensor twice',
    file: ggufFile({ tensors: [kTensor, kTensor] }),
    says: /tensor "a.weight" occurs twice/,
    tensor: 'a.weight',
  },
  { title: 'a tensor without a name', file: oneTensor({ name: '' }), says: /the name of tensor 1 is empty/ },
  {
    title: 'six dimensions',
    file: oneTensor({ ne: [4, 1, 1, 1, 1, 1] }),
    says: /has 6 dimensions/,
    tensor: 'a.weight',
  },
  {
    title: '2^32 - 1 dimensions',
    file: oneTensor({ rank: 2 ** 32 - 1 }),
    says: /has 4294967295 dimensions/,
    tensor: 'a.weight',
  },
  {
    title: 'an extent of 2^63',
    file: oneTensor({ ne: [2n ** 63n] }),
    says: /impossible extents 9223372036854775808/,
    tensor: 'a.weight',
  },
  {
    title: '2^80 elements',
    file: oneTensor({ ne: [2 ** 40, 2 ** 40] }),
    says: /impossible extents/,
    tensor: 'a.weight',
  },
  {
    title: '2^64 elements, which is 0 in 64 bits',
    file: oneTensor({ ne: [2 ** 32, 2 ** 32] }),
    says: /impossible extents/,
    tensor: 'a.weight',
  },
  {
    title: '2^52 elements of 8 bytes',
    file: oneTensor({ ne: [2 ** 52], type: 28 }),
    says: /impossible extents/,
    tensor: 'a.weight',
  },
  {
    title: 'half a block a row',
    file: oneTensor({ ne: [16, 2], type: 2 }),
    says: /rows of 16, no whole number of blocks of 32 as Q4_0 needs/,
    tensor: 'a.weight',
  },
  {
    title: 'an offset that is not aligned',
    file: oneTensor({ offset: 4 }),
    says: /begins at byte 4 of the data, no multiple of 32/,
    tensor: 'a.weight',
  },
  {
    title: 'an offset beyond the end',
    file: oneTensor({ offset: 2n ** 64n - 32n }),
    says: /ends at byte 18446744073709551600 of the data, but there are only 32/,
    tensor: 'a.weight',
  },
  {
    title: 'a tensor cut off',
    file: kRight.subarray(0, kRight.length - 17),
    says: /ends at byte 16 of the data, but there are only 15/,
    tensor: 'a.weight',
  },
  {
    title: 'tensors that overlap',
    file: ggufFile({ tensors: [ggufTensor('a', [9], 0), { ...kTensor, offset: 32 }] }),
    says: /the bytes of tensor "a.weight" overlap those of "a"/,
    tensor: 'a.weight',
  },
  {
    title: 'a gap before the first tensor',
    file: ggufFile({ tensors: [{ ...kTensor, offset: 32 }], data: Buffer.alloc(64) }),
    says: /the 32 bytes before tensor "a.weight" belong to no tensor/,
    tensor: 'a.weight',
  },
  {
    title: 'a gap between tensors',
    file: ggufFile({ tensors: [ggufTensor('a', [8], 0), { ...kTensor, offset: 64 }], data: Buffer.alloc(96) }),
    says: /the 32 bytes before tensor "a.weight"/,
    tensor: 'a.weight',
  },
  {
    title: 'bytes behind the last tensor',
    file: Buffer.concat([kRight, Buffer.alloc(32)]),
    says: /its last 48 bytes belong to no tensor/,
  },
];
