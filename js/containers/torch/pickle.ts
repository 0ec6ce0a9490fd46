import { Machine, type Meaning } from './pickle-machine.js';
import { OTHER, type PickleValue } from './values.js';

/** What a state dict of 100,000 tensors takes. */
export const MOST_PICKLE_BYTES = 2 ** 25;

const NEWEST_PROTOCOL = 5;

type Operation = (machine: Machine) => unknown;

/**
 * Reads one pickle, of protocol 2 to 5 (CPython's Lib/pickletools.py), from `begin` on. No code of it is run: what it names
 * and calls is for `meaning` to say, and what torch.save does not write is refused. Throws what `meaning` throws, and a
 * PickleEnd where the bytes end before it does.
 */
export function readPickle(bytes: Uint8Array, begin: number, meaning: Meaning): { value: PickleValue; end: number } {
  const machine = new Machine(bytes, begin, meaning);
  for (;;) {
    const code = machine.uint(1);
    const operation = OPERATIONS[code];
    if (operation === undefined) {
      throw machine.fault(`it has the operation 0x${code.toString(16)}, which torch.save does not write`);
    }
    if (operation === stop) return { value: machine.pop(), end: machine.position };
    operation(machine);
  }
}

const stop: Operation = () => undefined;

function checkProtocol(machine: Machine): void {
  const protocol = machine.uint(1);
  if (protocol > NEWEST_PROTOCOL) throw machine.fault(`it is of the unknown pickle protocol ${protocol}`);
}

/** Bytes and sets have no tensors in them. */
const other =
  (take: Operation): Operation =>
  (machine) => {
    take(machine);
    machine.push(OTHER);
  };

const tuple =
  (count: number): Operation =>
  (machine) =>
    machine.make('tuple', machine.popMany(count));

function nameOnStack(machine: Machine): void {
  const name = machine.pop();
  machine.named(machine.pop(), name);
}

/** By the byte that stands for each, which mostly is a letter. */
const TABLE: readonly (readonly [code: number | string, operation: Operation])[] = [
  // PROTO, FRAME and STOP
  [0x80, checkProtocol],
  [0x95, (machine) => machine.bytes(8)],
  ['.', stop],
  // MARK, POP, POP_MARK, DUP, and the memo: BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
  ['(', (machine) => machine.mark()],
  ['0', (machine) => machine.pop()],
  ['1', (machine) => machine.popMarked()],
  ['2', (machine) => machine.repeat()],
  ['q', (machine) => machine.remember(machine.uint(1))],
  ['r', (machine) => machine.remember(machine.uint(4))],
  [0x94, (machine) => machine.rememberNext()],
  ['h', (machine) => machine.recall(machine.uint(1))],
  ['j', (machine) => machine.recall(machine.uint(4))],
  // NONE, NEWTRUE, NEWFALSE, BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
  ['N', (machine) => machine.push(null)],
  [0x88, (machine) => machine.push(true)],
  [0x89, (machine) => machine.push(false)],
  ['J', (machine) => machine.push(machine.int32())],
  ['K', (machine) => machine.push(machine.uint(1))],
  ['M', (machine) => machine.push(machine.uint(2))],
  [0x8a, (machine) => machine.push(machine.long(machine.uint(1)))],
  [0x8b, (machine) => machine.push(machine.long(machine.uint(4)))],
  ['G', (machine) => machine.push(machine.float())],
  // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, and Python 2's BINSTRING and SHORT_BINSTRING
  ['X', (machine) => machine.push(machine.text(machine.uint(4)))],
  [0x8c, (machine) => machine.push(machine.text(machine.uint(1)))],
  [0x8d, (machine) => machine.push(machine.text(machine.uint(8)))],
  ['T', (machine) => machine.push(machine.text(machine.uint(4)))],
  ['U', (machine) => machine.push(machine.text(machine.uint(1)))],
  // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
  ['B', other((machine) => machine.bytes(machine.uint(4)))],
  ['C', other((machine) => machine.bytes(machine.uint(1)))],
  [0x8e, other((machine) => machine.bytes(machine.uint(8)))],
  [0x96, other((machine) => machine.bytes(machine.uint(8)))],
  // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE, EMPTY_LIST, LIST, EMPTY_DICT, DICT
  [')', tuple(0)],
  [0x85, tuple(1)],
  [0x86, tuple(2)],
  [0x87, tuple(3)],
  ['t', (machine) => machine.make('tuple', machine.popMarked())],
  [']', (machine) => machine.make('list', [])],
  ['l', (machine) => machine.make('list', machine.popMarked())],
  ['}', (machine) => machine.make('dict', [])],
  ['d', (machine) => machine.make('dict', machine.popMarked())],
  // APPEND, APPENDS, SETITEM, SETITEMS
  ['a', (machine) => machine.add('list', machine.popMany(1))],
  ['e', (machine) => machine.add('list', machine.popMarked())],
  ['s', (machine) => machine.add('dict', machine.popMany(2))],
  ['u', (machine) => machine.add('dict', machine.popMarked())],
  // EMPTY_SET, FROZENSET, ADDITEMS
  [0x8f, other(stop)],
  [0x91, other((machine) => machine.popMarked())],
  [0x90, (machine) => machine.popMarked()],
  // GLOBAL, STACK_GLOBAL, REDUCE, NEWOBJ, BUILD, BINPERSID
  ['c', (machine) => machine.named(machine.line(), machine.line())],
  [0x93, nameOnStack],
  ['R', (machine) => machine.call()],
  [0x81, (machine) => machine.call()],
  ['b', (machine) => machine.build()],
  ['Q', (machine) => machine.persistent()],
];

const OPERATIONS: readonly (Operation | undefined)[] = operationsByCode();

function operationsByCode(): (Operation | undefined)[] {
  const all: (Operation | undefined)[] = [];
  for (const [code, operation] of TABLE) all[typeof code === 'string' ? code.charCodeAt(0) : code] = operation;
  return all;
}
