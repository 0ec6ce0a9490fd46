import { choice, flag, invalidOption, nameIn } from '../../checks.js';
import { EFFORTS } from '../../codecs/codec.js';
import { QuantizeError } from '../../errors.js';
import { readEffort } from '../../plan/effort.js';
import type { RuntimeVersion } from '../../plan/onnx/blocks/options.js';
import type { FormatQuantization } from '../format.js';
import { ONNX_FORMS, ONNX_RUNTIMES, ONNX_TYPES, type OnnxType } from '../names.js';

/** What an ONNX model is asked to become. */
export interface OnnxOptions {
  readonly type: OnnxType;
  /** Of a weight, where it is in blocks; else 0. */
  readonly bits: number;
  /** Weights of a block; 0 where there are none. */
  readonly blockSize: number;
  readonly symmetric: boolean;
  readonly accuracyLevel: number;
  /**
   * Place in EFFORTS: with `better` scales and zero points of blocks are searched for as ONNX Runtime's k_quant does, with
   * `best` those that lose least are.
   */
  readonly effort: number;
  readonly form: 'operator' | 'qdq';
  readonly embeddings: boolean;
  readonly runtime: RuntimeVersion;
  readonly externalData: boolean | 'auto';
}

/** Whether the type has blocks, and floats of 16 bits besides. */
export const isHalved = (type: OnnxType): boolean => type === 'q4f16' || type === 'q2f16';

type Given = FormatQuantization['given'];
type Option = keyof Given;

/** Bits of the types that have blocks with whole numbers; 0: as many as are asked for. */
const BLOCK_BITS: Readonly<Partial<Record<OnnxType, number>>> = { q4: 4, q4f16: 4, q2: 2, q2f16: 2, nbits: 0 };
const NBITS = [2, 4, 8] as const;
const NBITS_DEFAULT = 8;
const BLOCK_SIZES = [16, 32, 64, 128, 256] as const;
const BLOCK_SIZE_DEFAULT = 32;
const BNB_BLOCK_SIZE = 64;
const BNB_TYPES: readonly OnnxType[] = ['bnb4', 'nf4', 'fp4'];
const MOST_ACCURACY_LEVEL = 4;
const BETTER = EFFORTS.indexOf('better');

/** What only types with blocks have. */
const BLOCK_OPTIONS = ['groupSize', 'symmetric', 'accuracyLevel', 'effort', 'embeddings', 'onnxForm'] as const;

const named = <Name extends string>(names: readonly Name[]): Readonly<Record<string, Name>> =>
  Object.fromEntries(names.map((name) => [name, name]));

/** Throws `invalid_option` for what an ONNX file cannot be, or what does not go together. */
export function readOnnxOptions({ given }: FormatQuantization): OnnxOptions {
  const type = choice('type', nameIn(ONNX_TYPES, given.type) ?? given.type, named(ONNX_TYPES)) ?? 'q4';
  const form = choice('onnxForm', given.onnxForm, named(ONNX_FORMS)) ?? 'operator';
  const hasBlocks = BLOCK_BITS[type] !== undefined;
  if (!hasBlocks) refuse(given, BLOCK_OPTIONS, `the type ${type}`);
  if (type !== 'nbits') refuse(given, ['bits'], `the type ${type}; the type nbits has it`);
  const bits = type === 'nbits' ? oneOf('bits', given.bits, NBITS, NBITS_DEFAULT) : (BLOCK_BITS[type] ?? 0);
  const embeddings = flag('embeddings', given.embeddings);
  const runtime = choice('onnxRuntime', given.onnxRuntime, named(ONNX_RUNTIMES)) ?? usualRuntime(type);
  if (form === 'qdq') refuse(given, ['accuracyLevel', 'effort', 'embeddings'], 'the form qdq');
  // Neither has scales of f16.
  if ((form === 'qdq' || embeddings) && (bits !== 4 || isHalved(type) || runtime !== '1.32')) {
    const what = form === 'qdq' ? 'the form qdq' : 'embeddings';
    throw new QuantizeError('invalid_option', {
      detail: `${what} has 4 bits and scales of f32, as ONNX Runtime 1.32 quantizes; ask for q4`,
    });
  }
  const effort = readEffort(given.effort);
  const symmetric = flag('symmetric', given.symmetric ?? effort === 0);
  if (effort === BETTER && symmetric) {
    const detail =
      'effort better finds zero points, which symmetric blocks have not; leave symmetric out, or give the effort best';
    throw new QuantizeError('invalid_option', { detail });
  }
  return {
    ...{ type, bits, form, embeddings, runtime, symmetric, effort },
    blockSize: blockSizeOf(given, type, hasBlocks),
    accuracyLevel: readAccuracyLevel(given.accuracyLevel),
    externalData: given.externalData === undefined ? 'auto' : flag('externalData', given.externalData),
  };
}

/** What transformers.js's own files of 8 bits were made with: newer ones leave branches as they are. */
const usualRuntime = (type: OnnxType): RuntimeVersion =>
  type === 'q8' || type === 'int8' || type === 'uint8' ? '1.20' : '1.32';

function blockSizeOf({ groupSize }: Given, type: OnnxType, hasBlocks: boolean): number {
  if (hasBlocks) return oneOf('groupSize', groupSize, BLOCK_SIZES, BLOCK_SIZE_DEFAULT);
  return BNB_TYPES.includes(type) ? BNB_BLOCK_SIZE : 0;
}

function oneOf(option: string, given: unknown, values: readonly number[], usual: number): number {
  if (given === undefined) return usual;
  const value = values.find((one) => one === given);
  if (value !== undefined) return value;
  throw invalidOption(option, given, `${values.join(', ')} in an ONNX file`);
}

function readAccuracyLevel(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST_ACCURACY_LEVEL) return value;
  throw invalidOption('accuracyLevel', value, `a whole number from 0 to ${MOST_ACCURACY_LEVEL}`);
}

function refuse(given: Given, names: readonly Option[], because: string): void {
  const name = names.find((one) => given[one] !== undefined);
  if (name === undefined) return;
  throw new QuantizeError('invalid_option', { detail: `${name} has no meaning with ${because}; leave it out` });
}
