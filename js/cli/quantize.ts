import { Command, Option } from 'commander';
import type { BitWidth, GroupSize, Mode, Profile } from '../index.js';
import { convertWithProgress } from './conversion.js';
import { jsonOption, quietOption, siblingName, threadsOption, type CommonOptions } from './options.js';

interface QuantizeOptions extends CommonOptions {
  readonly bits?: BitWidth;
  readonly groupSize?: GroupSize;
  readonly symmetric?: boolean;
  readonly mode: Mode;
  readonly profile?: Profile;
}

const PROFILE_BITS: Readonly<Record<Profile, BitWidth>> = { edge: 2, local: 4, cloud: 8 };
const DEFAULT_BITS: BitWidth = 4;

const EXAMPLES = `
Examples:
  $ arrowquant quantize model.safetensors
      4 bits in groups of 128, to model-int4.safetensors
  $ arrowquant quantize model.safetensors.index.json small.safetensors --bits 8 --group-size 64
      all shards of a model, into one file
  $ arrowquant quantize model.safetensors --profile edge --json > report.json
      2 bits in groups of 256, and the report for another program

What stays as it is, and what the output looks like, is in docs/formats.md of the package.`;

export function quantizeCommand(): Command {
  return new Command('quantize')
    .description('Quantize the weights of a model file to 2, 4 or 8 bits.')
    .argument('<in>', 'safetensors file, or the .safetensors.index.json of a sharded model')
    .argument('[out]', 'file to write (default: <in> with -int<bits> added to its name)')
    .addOption(new Option('--bits <n>', 'bits a weight (default: 4)').choices(['2', '4', '8']))
    .addOption(
      new Option(
        '--group-size <n>',
        'weights that share a scale (default: 128, in mode base the whole tensor)',
      ).choices([...['32', '64', '128', '256', 'tensor']]),
    )
    .option('--symmetric', 'one signed scale a group, and no zero point of its own')
    .addOption(
      new Option(
        '--mode <mode>',
        'which tensors stay as they are: the sensitive ones of diffusion models, or only norms, biases and vectors',
      )
        .choices(['diffusion', 'base'])
        .default('diffusion'),
    )
    .addOption(
      new Option('--profile <profile>', 'bits and group size in one: edge is 2/256, local 4/128, cloud 8/64').choices([
        ...['edge', 'local', 'cloud'],
      ]),
    )
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addOption(quietOption())
    .addHelpText('after', EXAMPLES)
    .action((input: string, output: string | undefined, raw: Readonly<Record<string, unknown>>) =>
      quantize(input, output, readOptions(raw)),
    );
}

/** Commander hands over text; it has checked that it is one of the choices. */
function readOptions(raw: Readonly<Record<string, unknown>>): QuantizeOptions {
  const { bits, groupSize } = raw;
  return {
    ...(raw as unknown as QuantizeOptions),
    ...(bits !== undefined && { bits: Number(bits) as BitWidth }),
    ...(groupSize !== undefined && groupSize !== 'tensor' && { groupSize: Number(groupSize) as GroupSize }),
  };
}

async function quantize(input: string, output: string | undefined, options: QuantizeOptions): Promise<void> {
  const { bits, groupSize, symmetric, mode, profile, threads, json, quiet } = options;
  const named = bits ?? (profile === undefined ? DEFAULT_BITS : PROFILE_BITS[profile]);
  const target = output ?? siblingName(input, `-int${named}.safetensors`);
  await convertWithProgress({ threads, json, quiet }, { mode }, (quantizer, going) =>
    quantizer.quantizeFile(input, target, { bits, groupSize, symmetric, profile, ...going }),
  );
}
