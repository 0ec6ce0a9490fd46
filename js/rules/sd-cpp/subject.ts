import { QuantizeError } from '../../errors.js';
import type { OutputForm } from '../decision.js';
import { DECODED_TYPES } from '../diffusion/decoded.js';
import { detectFamily, type Detected } from '../diffusion/detect.js';
import { familyKeeps } from '../diffusion/kept.js';
import type { TensorDescription } from '../rule.js';
import type { Rulebook } from '../rulebook.js';
import { COMFYUI, type Subject, type SubjectInput } from '../subject.js';
import { isSkipped, isUnused } from './keeps.js';
import { identify, obstacleTo, type Identified } from './models.js';
import { keptBecause, sdCppTypes } from './types.js';

/** What its loader stops at: GGML_MAX_DIMS, and the GGML_MAX_NAME that it is built with, without the closing zero. */
const MOST_DIMENSIONS = 4;
const LONGEST_NAME_BYTES = 159;

const PROGRAMS = ['stable-diffusion.cpp', 'koboldcpp'];

/** By the caller's own word, the model may be one that the program does not know. */
const NONE = 'none';

/**
 * A model as a file for stable-diffusion.cpp, and koboldcpp, which has it inside: whole checkpoints with their text encoders
 * and autoencoder, or a part of one by itself. No shape changes, but five dimensions become four. Its own files name no
 * architecture, and have one type for all that is quantized; it reads any mixture.
 *
 * Throws `unsupported_model` where the program would not open it, `invalid_option` for an architecture that is not `none`.
 */
export function sdCppSubject(input: SubjectInput): Subject {
  const { architecture, tensors, file } = input;
  if (architecture !== undefined && architecture !== NONE) {
    const detail =
      'architecture has no meaning for "sd.cpp", because stable-diffusion.cpp goes by the names of tensors; leave it out';
    throw new QuantizeError('invalid_option', { detail });
  }
  const names = tensors.map(({ name }) => name);
  const family = detectFamily(tensors);
  // Some families have the names of others as well.
  const isKnown = family === null || family.family.runsInSdCpp === true;
  const model = isKnown ? identify(names, languageModelOf(input)) : null;
  if (model === null && architecture !== NONE) {
    const detail = `stable-diffusion.cpp would not open it: ${obstacleTo(names)}`;
    throw new QuantizeError('unsupported_model', file === undefined ? { detail } : { file, detail });
  }
  return {
    architecture: null,
    omitsArchitecture: true,
    ...{ replacesArchitecture: false, keptTexts: [] },
    notes: [noteOn(model)],
    rulebook: sdCppRulebook(input, model ?? AS_IT_IS, family),
    ...(model === null ? { opensIn: [], notIn: PROGRAMS } : { opensIn: PROGRAMS, notIn: [COMFYUI] }),
    decodes: DECODED_TYPES,
    mostDimensions: MOST_DIMENSIONS,
    longestNameBytes: LONGEST_NAME_BYTES,
  };
}

/** The rows of the table of words of Mistral Small, whose GGUFs call themselves `llama`. */
const MISTRAL_WORDS = 131_072;

/** What a GGUF of a language model calls itself; undefined for other models. */
function languageModelOf({ hasFinalNames, keyValue, tensors }: SubjectInput): string | undefined {
  const said = hasFinalNames ? keyValue('general.architecture') : undefined;
  if (typeof said !== 'string' || typeof keyValue(`${said}.block_count`) !== 'number') return undefined;
  const words = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];
  return said === 'llama' && words === MISTRAL_WORDS ? 'mistral3' : said;
}

const AS_IT_IS: Identified = { title: '', option: '', nameOf: (name) => name };

const noteOn = (model: Identified | null): string =>
  model === null
    ? 'stable-diffusion.cpp is not known to open a model with these names.'
    : `The model is ${model.title}: stable-diffusion.cpp takes the file with ${model.option}.`;

function sdCppRulebook(request: SubjectInput, model: Identified, family: Detected | null): Rulebook {
  const keeps = (name: string): string | null => familyKeeps(family, name);
  return {
    prefix: '',
    leftOutNote: 'never read by stable-diffusion.cpp',
    leftOutBecause: (tensor) => leftOutBecause(tensor, model),
    outputOf: (tensor) => outputOf(tensor, model),
    keptBecause: (placed) => keptBecause(placed, keeps),
    typesOf: (open) => sdCppTypes(open, request, keeps),
  };
}

function leftOutBecause({ name, dtype }: TensorDescription, { nameOf, option }: Identified): string | null {
  if (isUnused(name, option) || isUnused(nameOf(name), option)) return 'never read';
  return isSkipped(name, dtype) ? 'U8: skipped' : null;
}

/** The program counts the first two of five dimensions as one. */
function outputOf({ name, shape, originalShape = shape }: TensorDescription, { nameOf }: Identified): OutputForm {
  const [first = 1, second = 1, ...others] = originalShape;
  const folded = originalShape.length === MOST_DIMENSIONS + 1 ? [first * second, ...others] : originalShape;
  return { name: nameOf(name), shape: folded, keyValues: [] };
}
