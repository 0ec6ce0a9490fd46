import { Command } from 'commander';
import type { BitWidth, ContainerName, FileType, GroupSize, QuantizeFileOptions } from '../../index.js';
import { COPY } from '../../types.js';
import { containerFor } from '../../containers/registry.js';
import { isFolderFormat, usualTypeOf } from '../../formats/names.js';
import { FILE_TYPES, QuantizeError } from '../../index.js';
import { DEFAULT_BITS, PROFILES } from '../../options/batch.js';
import { convertWithProgress } from '../conversion.js';
import { checkOutput } from '../dry-run.js';
import { floorSettings } from '../floor.js';
import { imatrixInputs, imatrixSettings } from '../gguf/imatrix.js';
import { askedSettings } from '../gguf/asked.js';
import { checkpointSettings } from '../gguf/options.js';
import { asksForOnnx } from '../onnx/jobs.js';
import { onnxQuantization } from '../onnx/options.js';
import { quantizeOnnx } from '../onnx/quantize.js';
import { durabilityOf, parsePath, siblingName } from '../options.js';
import { askedPart, printParts } from '../parts.js';
import { printPlan } from '../plan.js';
import { addQuantizeOptions, refuseMixedOptions, refuseOnnxPlaces, type QuantizeOptions } from '../quantize-options.js';
import { HUB_HELP, parseInput, webOptions } from '../servers.js';
import { withQuantizer } from '../session.js';

const DEFAULT_TYPE: FileType = 'Q4_K_M';

const EXAMPLES = `
Examples:
  $ arrowquant quantize ./Qwen3-0.6B qwen3.gguf --type Q4_K_M
      the folder of a language model, as on Hugging Face, to a GGUF that llama.cpp, Ollama and LM Studio open
  $ arrowquant quantize hf:Qwen/Qwen3-0.6B --type Q8_0 --via bf16 --name 'My Qwen' --kv general.author=string:me
      the same from the Hugging Face Hub, with a name and a pair of one's own, to Qwen3-0.6B-Q8_0.gguf
  $ arrowquant quantize ./all-MiniLM-L6-v2 --type F16 --dry-run
      what a GGUF of an embedding model would have in it
  $ arrowquant quantize model.safetensors --type Q4_K_M
      a GGUF of a diffusion model for ComfyUI-GGUF or stable-diffusion.cpp, to model-Q4_K_M.gguf
  $ arrowquant quantize model-f16.gguf --type Q5_K_M --rule 'attn_v=Q8_0' --dry-run
      what would become what, and why; nothing is written
  $ arrowquant quantize model.safetensors --type Q8_0 --rule 'attn\\.mask$=drop'
      without the buffers that no GGUF can hold
  $ arrowquant quantize https://example.org/model.safetensors model-Q8_0.gguf --type Q8_0 --resume
      a model on a server, read as it is quantized; the same line once more goes on after an interruption
  $ arrowquant quantize model-bf16.gguf --type IQ4_XS --imatrix hf:organization/model-GGUF/imatrix.gguf
      with an importance matrix, which says how much each column counts
  $ arrowquant quantize model.safetensors model.gguf --type Q4_K_M --min-cosine 0.99 --fallback
      with finer types for tensors that would lose more than that
  $ arrowquant quantize model-bf16.gguf model.gguf --type Q4_K_M --target-size 3.5GB --dry-run
      the types that lose least for a file of at most that size
  $ arrowquant quantize hf:organization/model --type Q4_K_M
      a model on the Hugging Face Hub, to model-Q4_K_M.gguf
  $ arrowquant quantize model.safetensors
      4 bits in groups of 128, to model-int4.safetensors
  $ arrowquant quantize weights.arrow weights-int4.arrow
      the same in an Arrow table, of the tensors in another one
  $ arrowquant quantize model-f32.safetensors model-f16.safetensors --type F16
      the same model in halves
  $ arrowquant quantize model.safetensors.index.json small.safetensors --bits 8 --group-size 64
      all shards of a model, into one file
  $ arrowquant quantize model.onnx --type q4
      an ONNX model for transformers.js and ONNX Runtime, to model_q4.onnx
  $ arrowquant quantize hf:organization/model model.gguf --type Q4_K_M --split-size 4GB --part 3
      the third file of the output alone; --parts prints how many there are, "arrowquant verify model.gguf" checks them
  $ arrowquant quantize all-MiniLM-L6-v2 --types q4,q4f16,q8 --out-dir small
      every model of a folder in three types, to small/onnx
  $ arrowquant quantize Llama-3.2-1B --format mlx --bits 4 --group-size 64
      a folder that mlx-lm opens, to Llama-3.2-1B-mlx-int4

${HUB_HELP.trim()}

Types: ${FILE_TYPES.join(', ')}, and ${COPY}, with which all tensors keep theirs; K types without a suffix are _M.
What stays as it is, and what the output looks like, is in docs/formats.md of the repository.`;

export function quantizeCommand(): Command {
  const command = new Command('quantize')
    .description(
      'Quantize the weights of a model: to a GGUF, to 2, 4 or 8 bits in safetensors or Arrow, in an ONNX model, or to the folder that another program opens.',
    )
    .argument(
      '<in>',
      'safetensors, GGUF, Arrow, ONNX or PyTorch file, one part or the index of a sharded model, the URL of one, a folder, or hf:organization/model',
      parseInput,
    )
    .argument(
      '[out]',
      'file or folder to write (default: <in> with the type or -int<bits> added to its name)',
      parsePath,
    );
  addQuantizeOptions(command);
  return command
    .addHelpText('after', EXAMPLES)
    .action((input: string, output: string | undefined, options: QuantizeOptions) => {
      if (asksForOnnx(input, output, options)) return quantizeToOnnx(input, output, options);
      refuseOnnxPlaces(command);
      if (options.format === undefined) refuseMixedOptions(command);
      return quantize(input, output, options);
    });
}

const isFileType = (type: string): boolean => type === COPY || (FILE_TYPES as readonly string[]).includes(type);

async function quantize(input: string, output: string | undefined, options: QuantizeOptions): Promise<void> {
  const { threads, json, quiet, verbose, resume, memoryLimit } = options;
  const web = await webOptions([input, ...imatrixInputs(options)], options);
  const durability = durabilityOf(options);
  const target = output ?? defaultOutput(input, options);
  const part = askedPart(options, process.env);
  const what = { ...quantizationOf(target, options), part };
  if (options.dryRun === true || options.parts === true) {
    const plan = await withQuantizer({ threads, verbose }, async (quantizer, signal) => {
      const isFolder = isFolderFormat(options.format ?? '');
      const container = isFolder ? undefined : (containerFor(target).name as ContainerName);
      const made = await quantizer.plan(input, { ...what, ...web, container, resume, durability, memoryLimit, signal });
      await checkOutput(input, target, made, { signal, web });
      return made;
    });
    if (options.parts === true) printParts(plan, target, options);
    else printPlan(plan, { json });
    return;
  }
  await convertWithProgress({ threads, json, quiet, verbose, resume }, (quantizer, going) =>
    quantizer.quantizeFile(input, target, { ...what, ...web, resume, durability, memoryLimit, ...going }),
  );
}

async function quantizeToOnnx(input: string, output: string | undefined, options: QuantizeOptions): Promise<void> {
  const { resume, memoryLimit } = options;
  const web = await webOptions([input], options);
  refuseOnnxParts(options);
  const shared = { ...quantizationOf('', options), ...web, resume, durability: durabilityOf(options), memoryLimit };
  await quantizeOnnx({ input, output, options, shared });
}

function refuseOnnxParts({ part, parts }: QuantizeOptions): void {
  if (part === undefined && parts !== true) return;
  const detail = 'an ONNX model is written in one piece, so that it has no parts; leave --part and --parts out';
  throw new QuantizeError('invalid_option', { detail });
}

function defaultOutput(input: string, { format, type, mix, bits, profile }: QuantizeOptions): string {
  if (format !== undefined && isFolderFormat(format)) {
    const named = type ?? mix ?? (bits === undefined ? usualTypeOf(format) : `int${bits}`);
    return siblingName(input, `-${format}-${named}`);
  }
  if (type !== undefined) return siblingName(input, `-${type}${isFileType(type) ? '.gguf' : '.safetensors'}`);
  const named = bits ?? (profile === undefined ? DEFAULT_BITS : PROFILES[profile].bits);
  return siblingName(input, `-int${named}.safetensors`);
}

function quantizationOf(target: string, options: QuantizeOptions): QuantizeFileOptions {
  const { type, pure, architecture, f16Overflow, splitSize, rule, symmetric, profile, metrics } = options;
  const { bits, groupSize, mode, layout, format, mix, doubleQuant, dtype } = options;
  const isFolder = isFolderFormat(format ?? '');
  const gguf =
    type ?? (!isFolder && target.toLowerCase().endsWith('.gguf') && bits === undefined ? DEFAULT_TYPE : undefined);
  return {
    ...{
      type: gguf,
      pure,
      architecture,
      for: options.for,
      f16Overflow,
      splitSize,
      symmetric,
      profile,
      mode,
      effort: options.effort,
      metrics,
      layout,
      format,
      mix,
      doubleQuant,
      dtype,
    },
    ...onnxQuantization(options),
    ...checkpointSettings(options),
    ...imatrixSettings(options),
    ...askedSettings(options, rule),
    ...floorSettings(options),
    bits: bits === undefined ? undefined : (Number(bits) as BitWidth),
    groupSize: groupSize === undefined || groupSize === 'tensor' ? groupSize : (Number(groupSize) as GroupSize),
  };
}
