import { floatTensor, message, model, node, numbered, sized, value, varint } from './wire.mjs';

const kBranch = message(
  sized(1, node('Identity', ['w'], ['b'])),
  sized(2, 'branch'),
  sized(5, floatTensor('own', [1], [1])),
  sized(12, value('b')),
);
const kAttribute = (name, ...fields) => sized(5, message(sized(1, name), ...fields));
/** A small model with a field of every kind, and some that nobody knows. */
export const kRichModel = model(
  [
    sized(1, node('If', ['c'], ['y'], kAttribute('then_branch', sized(6, kBranch), numbered(20, 5)))),
    sized(
      1,
      node(
        'Constant',
        [],
        ['k'],
        kAttribute('value', sized(5, floatTensor('', [2], [1, NaN])), numbered(20, 4)),
        kAttribute('zero', numbered(3, 0), numbered(20, 2)),
        kAttribute('list', numbered(8, -1), numbered(8, 7), numbered(20, 7)),
        kAttribute('floats', varint(7 * 8 + 5), Buffer.from([1, 0, 160, 127]), numbered(20, 6)),
        kAttribute('text', sized(4, Buffer.from([255, 0])), sized(13, 'a text'), numbered(20, 3)),
        sized(6, 'about the node'),
        sized(7, 'a.domain'),
        sized(9, message(sized(1, 'key'), sized(2, 'value'))),
      ),
    ),
    sized(2, '\ufeffgraph'),
    sized(5, message(numbered(1, 3), numbered(2, 7), sized(7, Buffer.from([1, 2, 3])), sized(8, 'int64s'))),
    sized(5, message(numbered(1, 2), numbered(2, 8), sized(6, 'a'), sized(6, 'b'), sized(8, 'strings'))),
    sized(5, message(numbered(1, 0), numbered(2, 1), sized(8, 'empty'), sized(9, ''))),
    sized(5, message(numbered(2, 99), sized(8, 'unknown type'), sized(9, 'bytes'), numbered(14, 0))),
    sized(10, 'about the graph'),
    sized(11, value('c')),
    sized(12, value('y')),
    sized(13, message(sized(1, 'sequence'), sized(2, sized(4, sized(1, sized(1, numbered(1, 1))))))),
    sized(14, message(sized(1, 'quantization'))),
    sized(15, message(sized(1, floatTensor('sparse', [1], [2])))),
    sized(16, message(sized(1, 'k'), sized(2, 'v'))),
  ],
  [
    sized(14, message(sized(1, 'meta'), sized(2, 'data'))),
    sized(20, message(sized(1, 'training'))),
    sized(25, message(sized(1, 'function'), sized(7, node('Add', ['a', 'b'], ['c'])), sized(10, 'a.domain'))),
    sized(500, 'a field of a later version'),
    numbered(501, 2n ** 64n - 1n),
  ],
);
