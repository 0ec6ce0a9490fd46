import { QuantizeError, quoted } from '../errors.js';
import { ARCHITECTURES, type Architecture, type TensorType } from '../types.js';
import type { KeyValueReader, TypeRequest } from './decision.js';
import { DECODED_TYPES } from './diffusion/decoded.js';
import { detectFamily, type Detected } from './diffusion/detect.js';
import { DIFFUSION_FAMILIES, type DiffusionFamily } from './diffusion/families.js';
import { prefixOf } from './diffusion/prefixes.js';
import { diffusionRulebook } from './diffusion/types.js';
import { foreignKind, relativeKind } from './foreign-models.js';
import { generalRulebook } from './general-types.js';
import { languageRulebook } from './language/rulebook.js';
import type { Rulebook } from './rulebook.js';

/** Programs, as reports name them. */
export const COMFYUI = 'ComfyUI-GGUF';
export const STABLE_DIFFUSION_CPP = 'stable-diffusion.cpp';
export const LLAMA_CPP = 'llama.cpp';

/** What a model is, and what that means for the file that is made of it. */
export interface Subject {
  /** What reports call it, and what `general.architecture` is to be; null when it is not known. */
  readonly architecture: string | null;
  /** Whether the output says nothing of an architecture, as the program's own files do not. */
  readonly omitsArchitecture?: true;
  /** Whether that takes the place of another one that the input names. */
  readonly replacesArchitecture: boolean;
  /** Keys of texts in the input's metadata that the program looks for in the file's. */
  readonly keptTexts: readonly string[];
  readonly notes: readonly string[];
  readonly rulebook: Rulebook;
  /** Programs that open the file, and programs that are known not to, of those that open such models. */
  readonly opensIn: readonly string[];
  readonly notIn: readonly string[];
  /** Whether they open one file only, where it may be split. */
  readonly readsNoShards?: true;
  /** What they decode fast enough to be used; absent where that is everything. */
  readonly decodes?: readonly TensorType[];
  /** The rank and the bytes of a name that they stop at. */
  readonly mostDimensions: 4 | 5;
  readonly longestNameBytes: 63 | 127 | 159;
}

export interface SubjectInput extends TypeRequest {
  /** Whether names and shapes are those of the output already, as in a GGUF. */
  readonly hasFinalNames: boolean;
  /** Forced; `none`: whatever the model is. */
  readonly architecture?: string | undefined;
  readonly keyValue: KeyValueReader;
  /** What error messages call the model. */
  readonly file: string | undefined;
}

/** By this word of the caller's a file is written that no program is known to open. */
const NONE: Architecture = 'none';
/** What files say of themselves that say nothing: those of gguf-org's tools, and ours of models that were not known. */
const SAYS_NOTHING = ['pig', 'cow', 'unknown'];
const ANYWAY = `architecture "${NONE}" writes it all the same, by general rules`;

/**
 * What a model is. Throws `unsupported_model` where no program of those that the file is for is known to open it, and
 * `invalid_option` for an architecture that is none.
 */
export function subjectOf(input: SubjectInput): Subject {
  const { hasFinalNames, architecture: told, keyValue, tensors } = input;
  if (told === NONE) return generalSubject(input);
  const value = hasFinalNames ? keyValue('general.architecture') : undefined;
  const said = typeof value === 'string' && !SAYS_NOTHING.includes(value) ? value : undefined;
  if (told !== undefined) return toldSubject(input, told);
  if (said !== undefined && typeof keyValue(`${said}.block_count`) === 'number') return languageSubject(input, said);
  const detected = detectFamily(tensors);
  if (detected !== null) return detectedSubject(input, detected);
  if (said === undefined || !(isArchitecture(said) || isLanguageModel(said, tensors))) throw unknown(input);
  return isArchitecture(said) ? unlikeSubject(input, said, '') : languageSubject(input, said);
}

/** Parts of language models that have files of their own, and say less of themselves. */
const LANGUAGE_PARTS = ['clip'];

/** How llama.cpp names the tensors of every model that it has. */
const LANGUAGE_NAME = /^(?:(?:enc|dec|v|a)\.)?blk\.\d|^token_embd\.weight$/u;

const isLanguageModel = (said: string, tensors: SubjectInput['tensors']): boolean =>
  LANGUAGE_PARTS.includes(said) || tensors.some(({ name }) => LANGUAGE_NAME.test(name));

const isArchitecture = (name: string): boolean => name !== NONE && (ARCHITECTURES as readonly string[]).includes(name);

/** The family that others of the same architecture differ from. */
function baseFamily(architecture: string): DiffusionFamily {
  const family = DIFFUSION_FAMILIES.find(({ name }) => name === architecture);
  if (family === undefined) throw new RangeError(`there is no family ${architecture}`);
  return family;
}

/** What the caller says it is. */
function toldSubject(input: SubjectInput, told: string): Subject {
  if (!isArchitecture(told)) {
    if (input.hasFinalNames) return languageSubject(input, told);
    const known = ARCHITECTURES.join(', ');
    throw new QuantizeError('invalid_option', {
      detail: `architecture is ${JSON.stringify(told)}, must be one of ${known}`,
    });
  }
  const { tensors, hasFinalNames } = input;
  const ofArchitecture = DIFFUSION_FAMILIES.filter(({ architecture }) => architecture === told);
  const detected = detectFamily(tensors, ofArchitecture);
  if (detected !== null && !detected.isDiffusersLayout)
    return diffusionSubject(input, detected.family, detected.prefix);
  const names = tensors.map(({ name }) => name);
  const foreign = hasFinalNames ? null : foreignKind(names);
  if (foreign !== null)
    throw unsupported(input, `architecture ${quoted(told)} is not what it is: ${foreign}; ${ANYWAY}`);
  const prefix = hasFinalNames ? '' : prefixOf(names);
  return unlikeSubject(input, told, prefix);
}

/** A model that is said to be what its names do not tell: by the rules of that, but nobody knows whether it opens. */
const unlikeSubject = (input: SubjectInput, architecture: string, prefix: string): Subject => ({
  ...diffusionSubject(input, baseFamily(architecture), prefix),
  notes: [`The tensors do not have the names that ${architecture} has: no program is known to open the file.`],
  ...{ opensIn: [], notIn: [COMFYUI, STABLE_DIFFUSION_CPP] },
});

function detectedSubject(input: SubjectInput, { family, prefix, isDiffusersLayout }: Detected): Subject {
  const names = input.tensors
    .filter(({ name }) => name.startsWith(prefix))
    .map(({ name }) => name.slice(prefix.length));
  const relative = relativeKind(names);
  if (relative !== null) throw unsupported(input, `${relative}; ${ANYWAY}`);
  if (isDiffusersLayout) {
    const what = `it is ${family.name} in the layout of the library diffusers, and ${COMFYUI} needs the original layout: take that file (a checkpoint for ComfyUI)`;
    throw unsupported(input, what);
  }
  if (family.architecture !== null) return diffusionSubject(input, family, prefix);
  const other = 'with for: "sd.cpp" the file is for stable-diffusion.cpp';
  const advice = family.runsInSdCpp === true ? `${other}, and ${ANYWAY}` : ANYWAY;
  throw unsupported(input, `it is ${family.name}, which ${COMFYUI} does not open as a GGUF; ${advice}`);
}

function diffusionSubject(input: SubjectInput, family: DiffusionFamily, prefix: string): Subject {
  const { hasFinalNames } = input;
  return {
    architecture: family.architecture,
    replacesArchitecture: true,
    // Where ComfyUI finds the sizes of some models, such as LTX-2.
    keptTexts: ['config'],
    readsNoShards: true,
    notes: family.name === family.architecture ? [] : [`The model is ${family.name}.`],
    rulebook: diffusionRulebook(input, { family, prefix, hasFinalNames }),
    // It knows nothing of rows that were joined.
    ...(family.runsInSdCpp === true && family.reshapes !== true
      ? { opensIn: [COMFYUI, STABLE_DIFFUSION_CPP], notIn: [] }
      : { opensIn: [COMFYUI], notIn: [STABLE_DIFFUSION_CPP] }),
    decodes: DECODED_TYPES,
    mostDimensions: family.rankFive === true ? 5 : 4,
    longestNameBytes: 127,
  };
}

const languageSubject = (input: SubjectInput, architecture: string): Subject => ({
  architecture,
  ...{ replacesArchitecture: false, keptTexts: [], notes: [] },
  rulebook: languageRulebook(input, architecture, input.keyValue),
  // It looks for the sizes of a model, and these first.
  opensIn:
    LANGUAGE_PARTS.includes(architecture) || typeof input.keyValue(`${architecture}.block_count`) === 'number'
      ? [LLAMA_CPP]
      : [],
  notIn: [],
  mostDimensions: 4,
  longestNameBytes: 63,
});

function generalSubject(input: SubjectInput): Subject {
  const detected = detectFamily(input.tensors);
  const what = detected === null ? 'The architecture is not known' : `The model is ${detected.family.name}`;
  return {
    architecture: null,
    ...{ replacesArchitecture: false, keptTexts: [] },
    notes: [`${what}: general rules apply, and no program is known to open the file.`],
    rulebook: generalRulebook(input),
    ...{ opensIn: [], notIn: [COMFYUI, STABLE_DIFFUSION_CPP, LLAMA_CPP] },
    // As much as any program takes.
    mostDimensions: 5,
    longestNameBytes: 159,
  };
}

const unsupported = ({ file }: SubjectInput, detail: string): QuantizeError =>
  new QuantizeError('unsupported_model', file === undefined ? { detail } : { file, detail });

function unknown(input: SubjectInput): QuantizeError {
  const foreign = foreignKind(input.tensors.map(({ name }) => name));
  const detail = foreign ?? 'its architecture is not known, so that no program is known to open a GGUF of it';
  return unsupported(input, `${detail}; ${ANYWAY}`);
}
