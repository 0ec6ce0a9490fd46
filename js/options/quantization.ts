/** How a file is to be quantized, and as what it is to be written, with every default filled in. */

import { choice, flag, invalidOption, nameIn, reading, shown } from '../checks.js';
import { affineCodec, codecLabel, codecNamed, findTraits, isFloat, traitsOf, type Codec } from '../codecs/codec.js';
import { CODECS } from '../codecs/table.js';
import type { Container } from '../containers/container.js';
import { containerNamed, listed, namedContainer } from '../containers/registry.js';
import { CONTAINERS } from '../containers/table.js';
import type { Quantization } from '../convert/planner.js';
import { endpointName, sinkEndpoint, type ModelSink } from '../endpoints.js';
import { QuantizeError, quoted } from '../errors.js';
import { formatsOf } from '../formats/names.js';
import type { Layout } from '../layouts/layout.js';
import { LAYOUTS, layoutNamed } from '../layouts/table.js';
import { checkHeld, whyNotHeld, type OutputForm } from '../plan/plan.js';
import type { PlainRule } from '../rules/rule.js';
import { COPIED_AS, type WrittenType } from '../rules/copied.js';
import { PRESETS } from '../rules/presets.js';
import { BASE_TYPES } from '../rules/file-types.js';
import {
  ARCHITECTURES,
  COPY,
  FILE_TYPES,
  PROGRAMS,
  type BatchOptions,
  type ContainerName,
  type FileType,
  type GroupSize,
  type Mode,
} from '../types.js';
import { readDefaults, readGivenBatch, type Defaults } from './batch.js';
import { CHECKPOINT_OPTIONS, readCheckpoint } from './checkpoint.js';
import { LEAST_SPLIT_BYTES, readFormat, readFormatted } from './formats.js';
import { readEffort } from '../plan/effort.js';
import { GGUF_OPTIONS, readAsked } from './gguf.js';
import { checkCodecGoals, checkFileGoals, readGoals } from './goals.js';
import type { HeldQuantization } from './held.js';
import { readLayerBits } from './layer-bits.js';
import type { Given } from './names.js';
import { readBytes } from './numbers.js';

const OVERFLOWS = { error: 'error', f32: 'f32' } as const;
const DEFAULT_TYPE: FileType = 'Q4_K_M';

/** What only codecs with parameters understand, and what only whole files of llama.cpp's types do. */
const PARAMETERS = ['bits', 'groupSize', 'symmetric', 'profile', 'mode'] as const;
/** Bits of some tensors are for what has them. */
const BITS_OPTIONS = ['layerBits'] as const;
const FILE_TYPE_OPTIONS = ['pure', 'architecture', 'for', ...GGUF_OPTIONS, ...CHECKPOINT_OPTIONS] as const;
const FORMAT_OPTIONS = ['mix', 'doubleQuant', 'dtype'] as const;
const ONNX_OPTIONS = ['accuracyLevel', 'embeddings', 'onnxForm', 'onnxRuntime', 'externalData'] as const;

const isContainer = (name: string): name is ContainerName => CONTAINERS.some((one) => one.name === name);

/** All but what has been read completely already. */
type Options = Omit<HeldQuantization, 'rules' | 'importance' | 'imatrix'>;

type Names<Name extends string> = Readonly<Record<string, Name>>;

const named = <Name extends string>(names: readonly Name[]): Names<Name> =>
  Object.fromEntries(names.map((name) => [name, name]));

const CODEC_NAMES: readonly string[] = CODECS.flatMap(({ name, foreign }) => (foreign ? [] : [name]));
const TYPES: readonly string[] = [...new Set([...FILE_TYPES, COPY, ...CODEC_NAMES])];

/** K types without a suffix are `_M`, as llama.cpp's own command has it. */
const fileTypeOf = (type: string | undefined): string | undefined => {
  const medium = `${type ?? ''}_M`;
  return type !== undefined && !isFileType(type) && isFileType(medium) ? medium : type;
};

const isFileType = (type: string): type is WrittenType =>
  type === COPY || (FILE_TYPES as readonly string[]).includes(type);

/** `sink` is undefined where nothing is written. */
export function readQuantization(
  { part: given, ...asked }: HeldQuantization,
  defaults: Defaults,
  sink: unknown,
): Quantization {
  const part = readPart(given);
  const quantization = readWhole(asked, defaults, sink);
  return part === undefined ? quantization : { ...quantization, part };
}

/** The number of a part, from 1 on. */
function readPart(part: unknown): number | undefined {
  if (part === undefined || (Number.isSafeInteger(part) && Number(part) > 0)) return part as number | undefined;
  throw invalidOption('part', part, 'a whole number from 1 on');
}

function readWhole(asked: HeldQuantization, defaults: Defaults, sink: unknown): Quantization {
  const format = readFormat(asked, sink);
  if (format === undefined) return readFile(asked, defaults, sink);
  return isContainer(format)
    ? readFile({ ...asked, container: format }, defaults, sink)
    : readFormatted(asked, format, sink);
}

function readFile(given: HeldQuantization, defaults: Defaults, sink: unknown): Quantization {
  refuse(given, FORMAT_OPTIONS, 'a file; it is for formats that are folders');
  refuse(given, ONNX_OPTIONS, 'no ONNX model; leave it out');
  const asked = readType(given.type);
  const container = readOutputContainer(given, asked, sink);
  const type = container.takesFileTypes ? fileTypeOf(asked) : asked;
  if (container.takesFileTypes) refuseTensorType(type);
  const shared = {
    container,
    keepOverflowing: choice('f16Overflow', given.f16Overflow, OVERFLOWS) === 'f32',
    splitBytes: readBytes('splitSize', given.splitSize, LEAST_SPLIT_BYTES),
    rules: given.rules,
    importance: given.importance,
    imatrix: given.imatrix,
    effort: readEffort(given.effort),
    measure: flag('metrics', given.metrics ?? true),
    goals: readGoals(given, defaults.profile),
  };
  return container.takesFileTypes && (type === undefined || isFileType(type))
    ? readFileType(given, type ?? DEFAULT_TYPE, shared)
    : readUniform(given, type, shared, defaults);
}

/** Throws `invalid_option` for what only tensors of a file can be. */
function refuseTensorType(type: string | undefined): void {
  if (type === undefined || isFileType(type) || (findTraits(type)?.ggmlType ?? null) === null) return;
  const near = FILE_TYPES.find((one) => one.startsWith(`${type}_`));
  const advice = near === undefined ? `give a rule, such as ['ffn_', '${type}'], and another type` : `give ${near}`;
  throw new QuantizeError('invalid_option', { detail: `type ${type} is none of whole files; ${advice}` });
}

/** Throws `invalid_option` for what is none, and says where types are at home that other formats have. */
function readType(given: unknown): string | undefined {
  const type = nameIn(TYPES, given);
  const formats = type === undefined && typeof given === 'string' ? formatsOf(given) : [];
  if (formats.length === 0) return choice('type', type ?? given, named(TYPES));
  const detail = `type is ${shown(given)}, which is one of the format ${formats.join(' or ')}; give that as format, too`;
  throw new QuantizeError('invalid_option', { detail });
}

type Shared = Pick<
  Extract<Quantization, { kind: 'uniform' }>,
  'container' | 'keepOverflowing' | 'splitBytes' | 'importance' | 'imatrix' | 'effort' | 'measure' | 'goals'
> &
  Pick<HeldQuantization, 'rules'>;

function readFileType(given: Options, type: WrittenType, shared: Shared): Quantization {
  refuse(given, PARAMETERS, `${shared.container.title}; leave it out`);
  refuse(given, BITS_OPTIONS, `${shared.container.title}; give types of tensors by rules`);
  const { container } = shared;
  const form = {
    container,
    layout: readLayout(given, container, codecNamed(BASE_TYPES[type === COPY ? COPIED_AS : type])),
  };
  const rules = plainRules(shared.rules, form);
  const program = choice('for', given.for, named(PROGRAMS)) ?? 'comfyui';
  if (program === 'sd.cpp')
    refuse(given, ['splitSize', 'keepSplit'], 'for stable-diffusion.cpp, which reads no shards; leave it out');
  const pure = flag('pure', given.pure);
  checkFileGoals(shared.goals, given, type, pure);
  return {
    kind: 'file-type',
    ...{ ...shared, ...form, rules, type, program, pure },
    architecture: choice('architecture', given.architecture, named(ARCHITECTURES)) ?? null,
    checkpoint: readCheckpoint(given),
    asked: readAsked(given, type),
    overflows: choice('f16Overflow', given.f16Overflow, OVERFLOWS) === undefined,
  };
}

function readUniform(given: Options, type: string | undefined, shared: Shared, defaults: Defaults): Quantization {
  const { container } = shared;
  const [codec, preset] =
    type === undefined || hasParameters(type)
      ? readParameters(given, defaults, type ?? 'affine')
      : readPlainCodec(given, type, container);
  const what = codec.name === 'affine' ? `affine levels in ${container.name}` : codecLabel(codec);
  if (traitsOf(codec).bits.length === 0) refuse(given, BITS_OPTIONS, `${what}; give types of tensors by rules`);
  refuse(given, FILE_TYPE_OPTIONS, `${what}; leave it out, or give a type for a GGUF`);
  if (!isFloat(codec)) refuse(given, ['f16Overflow'], `${what}; leave it out`);
  const form = { container, layout: readLayout(given, container, codec) };
  checkHeld(codec, form);
  checkCodecGoals(shared.goals, given, codec);
  const rules = plainRules(shared.rules, form);
  const layerBits = given.layerBits === undefined ? null : readLayerBits(given.layerBits);
  return { kind: 'uniform', ...shared, ...form, rules, layerBits, codec, preset };
}

/** Throws `invalid_option` for a rule whose type the output cannot hold. */
const plainRules = (rules: Shared['rules'], form: OutputForm): readonly PlainRule[] =>
  rules.map((rule) => {
    const { name, type } = rule;
    if (type === 'quantize') {
      const detail = `${name} has no meaning without a format whose own rules it overrules; give a type in its place`;
      throw new QuantizeError('invalid_option', { detail });
    }
    const why = type === 'keep' || type === 'drop' ? null : whyNotHeld(codecNamed(type), form);
    if (why === null) return { ...rule, type };
    throw new QuantizeError('invalid_option', { detail: `${name} gives a type that the output cannot hold: ${why}` });
  });

type Preset = Extract<Quantization, { kind: 'uniform' }>['preset'];

const hasParameters = (type: string): boolean => (findTraits(type)?.bits.length ?? 0) > 0;

function readParameters(given: Options, defaults: Defaults, name: string): readonly [Codec, Preset] {
  const { mode } = given;
  // What a batch has besides is no option of files.
  const { bits, groupSize, symmetric } = readGivenBatch(given.bits, precisionOf(given), modeDefaults(mode, defaults));
  const preset = choice('mode', mode, PRESETS) ?? PRESETS[defaults.mode];
  const codec = { ...affineCodec(bits, groupSize === 'tensor' ? 0 : groupSize, symmetric), name };
  checkParameters(codec);
  return [codec, preset];
}

/** Throws `invalid_option` for what the codec cannot have. */
function checkParameters({ name, bits, groupSize, symmetric }: Codec): void {
  const traits = traitsOf({ name });
  const check = (option: string, value: unknown, isKnown: boolean): void => {
    if (isKnown) return;
    throw new QuantizeError('invalid_option', {
      detail: `${option} ${String(value)} is nothing that ${name} can have`,
    });
  };
  check('bits', bits, traits.bits.includes(bits));
  check('groupSize', groupSize === 0 ? 'tensor' : groupSize, traits.groupSizes.includes(groupSize));
  check('symmetric', symmetric, traits.symmetric || !symmetric);
}

/** What formats have besides is refused where this is read. */
const precisionOf = ({ groupSize, symmetric, profile }: Options): Given<BatchOptions> => ({
  ...(groupSize !== undefined && { groupSize: groupSize as GroupSize }),
  ...(symmetric !== undefined && { symmetric }),
  ...(profile !== undefined && { profile }),
});

/** Floats keep nothing back; for others, what must stay precise is the same as for affine levels. */
function readPlainCodec(given: Options, type: string, container: Container): readonly [Codec, Preset] {
  refuse(given, PARAMETERS, `${type}; leave it out`);
  const traits = findTraits(type);
  if (traits === undefined || !traits.encodes || traits.foreign || !isHeldBy(container, codecNamed(type)))
    throw notHeldBy(container, type);
  const codec = codecNamed(type);
  return [codec, isFloat(codec) ? [] : PRESETS.base];
}

const isHeldBy = (container: Container, codec: Codec): boolean =>
  LAYOUTS.some((layout) => whyNotHeld(codec, { container, layout }) === null);

function notHeldBy(container: Container, type: string): QuantizeError {
  const traits = findTraits(type);
  if (traits?.encodes === false) {
    return new QuantizeError('invalid_option', { detail: `type ${type} can be read, but not written` });
  }
  const others = CONTAINERS.filter((one) =>
    traits === undefined ? one.takesFileTypes : isHeldBy(one, codecNamed(type)),
  ).map(({ extension }) => extension);
  const detail =
    others.length === 0
      ? `${container.title} cannot hold ${type}, nor can any other`
      : `type ${type} needs an output whose name ends with ${listed(others)}`;
  return new QuantizeError('invalid_option', { detail });
}

/** What is asked for, else what the name of the output says, else what holds the type. */
function readOutputContainer({ container: asked }: Options, type: string | undefined, sink: unknown): Container {
  const name = choice(
    'container',
    nameIn(
      CONTAINERS.map((one) => one.name),
      asked,
    ) ?? asked,
    named(CONTAINERS.map((one) => one.name)),
  );
  const bySink = reading('invalid_option', () => containerOfSink(sink));
  if (name !== undefined) {
    if (bySink === undefined || bySink.name === name) return containerNamed(name);
    const detail = `container is ${quoted(name)}, but the name of the output ends with ${bySink.extension}`;
    throw new QuantizeError('invalid_option', { detail });
  }
  if (bySink !== undefined) return bySink;
  return containerNamed(type !== undefined && isFileType(type) ? 'gguf' : 'safetensors');
}

/** The file format that the name of a sink asks for; undefined where it has no name that says so. */
export const containerOfSink = (sink: unknown): Container | undefined =>
  sink === undefined || sinkEndpoint(sink) === null ? undefined : namedContainer(endpointName(sink as ModelSink));

function readLayout({ layout: asked }: Options, container: Container, codec: Codec): Layout {
  const names = LAYOUTS.map(({ name }) => name);
  const name = choice('layout', asked, named(names));
  if (name !== undefined) {
    const form = { container, layout: layoutNamed(name) };
    checkHeld(codec, form);
    return form.layout;
  }
  // Programs that open files of llama.cpp's types look for one entry per tensor.
  const plain = layoutNamed('plain');
  if (container.takesFileTypes) return plain;
  return LAYOUTS.find((layout) => whyNotHeld(codec, { container, layout }) === null) ?? plain;
}

function refuse(given: Options, names: readonly (keyof Options)[], output: string): void {
  const name = names.find((one) => given[one] !== undefined);
  if (name !== undefined) {
    const detail = `${name} has no meaning, because the output is ${output}`;
    throw new QuantizeError('invalid_option', { detail });
  }
}

/** A mode that the call names brings its own group size, unless the quantizer's profile has decided that. */
const modeDefaults = (mode: Mode | undefined, defaults: Defaults): Defaults =>
  mode === undefined || defaults.profile !== undefined ? defaults : readDefaults({ mode });
