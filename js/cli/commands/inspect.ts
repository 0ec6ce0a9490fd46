import { Command, Option } from 'commander';
import { endpointName } from '../../endpoints.js';
import { inspectionOf, type Inspection } from '../../models/inspect.js';
import type { ByteSource } from '../../io/byte-io.js';
import { openModel } from '../../models/model.js';
import { nodeFiles } from '../../runtime/node/files.js';
import { formatBytes, formatJson, formatShape, printable } from '../format.js';
import { shownText, wholePairs } from '../gguf/pairs.js';
import { importanceIn, importanceOf, renderImportance } from '../importance.js';
import { headerOption, parseInput, webOptions, type ServerOptions } from '../servers.js';
import { outputWidth, renderTable, type Column } from '../table.js';

const COLUMNS: readonly Column[] = [
  { title: 'tensor', align: 'left' },
  { title: 'shape', align: 'left' },
  { title: 'type', align: 'left' },
  { title: 'bytes', align: 'right' },
];

const EXAMPLES = `
Examples:
  $ arrowquant inspect model.safetensors
  $ arrowquant inspect model-Q4_K_M.gguf --kv
  $ arrowquant inspect hf:organization/model
  $ arrowquant inspect imatrix.gguf
  $ arrowquant inspect model-Q4_K_M.gguf --json | jq -r '.keyValues[] | select(.key == "tokenizer.chat_template").value'
  $ arrowquant inspect model-int4.safetensors --json | jq '.tensors[].name'`;

interface InspectOptions extends ServerOptions {
  readonly json?: boolean;
  readonly kv?: boolean;
  readonly tensors?: boolean;
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .description(
      'List what a model file holds: its key-value pairs or metadata, and names, shapes, types and sizes; of an importance matrix how much the columns of each tensor count.',
    )
    .argument(
      '<file>',
      'safetensors, GGUF, Arrow or PyTorch file, one part or the index of a sharded model, the URL of one, a folder, or hf:organization/model',
      parseInput,
    )
    .addOption(headerOption())
    .option('--kv', 'only the key-value pairs (of safetensors: the metadata)')
    .option('--tensors', 'only the tensors')
    .addOption(new Option('--json', 'print everything as JSON').conflicts(['kv', 'tensors']))
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, options: InspectOptions) => {
      // Nothing is computed: there is no need to start the quantizer.
      const web = await webOptions([file], options);
      process.stdout.write(`${await inspected(file, await nodeFiles.openSource(file, undefined, web), options)}\n`);
    });
}

/** What is to be printed of a file. Closes the source. */
async function inspected(file: string, source: ByteSource, options: InspectOptions): Promise<string> {
  const matrix = await importanceIn(source).catch(async (error: unknown) => {
    await source.close();
    throw error;
  });
  if (matrix !== null) {
    await source.close();
    return renderImportance(matrix, options);
  }
  const model = await openModel(source);
  try {
    const asked = options.kv === true || options.tensors === true ? null : await importanceOf(model);
    if (asked !== null) return renderImportance(asked, options);
    const inspection = await inspectionOf(model, endpointName(file));
    return options.json === true
      ? formatJson({ ...inspection, keyValues: wholePairs(model) })
      : render(inspection, options);
  } finally {
    await model.close();
  }
}

function render(inspection: Inspection, { kv, tensors }: InspectOptions): string {
  const both = kv === tensors;
  return [
    ...(both || tensors === true ? [tensorTable(inspection)] : []),
    ...(both ? [''] : []),
    ...(both || kv === true ? facts(inspection) : []),
    ...(both ? summary(inspection) : []),
  ].join('\n');
}

const tensorTable = ({ tensors }: Inspection): string =>
  renderTable(
    COLUMNS,
    tensors.map(({ name, shape, type, dtype, bytes }) => [
      name,
      formatShape(shape),
      type.startsWith('int') ? `${type} of ${dtype}` : type,
      formatBytes(bytes),
    ]),
    outputWidth(),
  );

const facts = ({ metadata }: Inspection): string[] =>
  Object.entries(metadata).map(([key, text]) => printable(`${key}: ${shownText(text)}`));

function summary({ container, files, tensors, elements, bytes }: Inspection): string[] {
  return [
    `${container}, ${files.length === 1 ? 'one file' : `${files.length} files`}`,
    `${tensors.length} tensors, ${elements} elements, ${formatBytes(bytes)}`,
  ];
}
