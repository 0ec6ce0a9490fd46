import { Command, Option } from 'commander';
import type { DequantizeFileOptions } from '../../index.js';
import { convertWithProgress } from '../conversion.js';
import {
  durabilityOf,
  jsonOption,
  memoryLimitOption,
  noSyncOption,
  parsePath,
  quietOption,
  resumeOption,
  siblingName,
  threadsOption,
  upperCase,
  verboseOption,
  type CommonOptions,
} from '../options.js';
import { headerOption, parseInput, webOptions } from '../servers.js';

interface DequantizeOptions extends CommonOptions, Pick<DequantizeFileOptions, 'dtype'> {}

const FLOAT_TYPES = ['F32', 'F16', 'BF16'] as const;

const EXAMPLES = `
Examples:
  $ arrowquant dequantize model-int4.safetensors
      floats again, as the tensors were before, to model-int4-restored.safetensors
  $ arrowquant dequantize model-int4.safetensors model-f32.safetensors --dtype F32`;

export function dequantizeCommand(): Command {
  return new Command('dequantize')
    .description(
      'Restore the floats of a quantized model, a GGUF or what "arrowquant quantize" wrote, to safetensors or Arrow.',
    )
    .argument('<in>', 'model file to restore, its URL, a folder, or hf:organization/model', parseInput)
    .argument('[out]', 'file to write (default: <in> with -restored added to its name)', parsePath)
    .addOption(
      new Option('--dtype <type>', 'element type of tensors that were quantized (default: as before; F32 for a GGUF)')
        .choices(FLOAT_TYPES)
        .argParser((text) => upperCase(FLOAT_TYPES, text)),
    )
    .addOption(resumeOption())
    .addOption(noSyncOption())
    .addOption(memoryLimitOption())
    .addOption(threadsOption())
    .addOption(headerOption())
    .addOption(jsonOption())
    .addOption(quietOption())
    .addOption(verboseOption())
    .addHelpText('after', EXAMPLES)
    .action((input: string, output: string | undefined, options: DequantizeOptions) =>
      dequantize(input, output, options),
    );
}

async function dequantize(input: string, output: string | undefined, options: DequantizeOptions): Promise<void> {
  const { dtype, resume, memoryLimit } = options;
  const web = await webOptions([input], options);
  const target = output ?? siblingName(input, '-restored.safetensors');
  await convertWithProgress(options, (quantizer, going) =>
    quantizer.dequantizeFile(input, target, {
      dtype,
      resume,
      memoryLimit,
      durability: durabilityOf(options),
      ...web,
      ...going,
    }),
  );
}
