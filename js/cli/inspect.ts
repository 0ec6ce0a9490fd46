import { Command } from 'commander';
import { inspectFile, type Inspection } from '../files/inspect.js';
import { nodeFiles } from '../runtime/node-files.js';
import { formatBytes, formatShape, printable } from './format.js';
import { outputWidth, renderTable, type Column } from './table.js';

const COLUMNS: readonly Column[] = [
  { title: 'tensor', align: 'left' },
  { title: 'shape', align: 'left' },
  { title: 'type', align: 'left' },
  { title: 'bytes', align: 'right' },
];

const EXAMPLES = `
Examples:
  $ arrowquant inspect model.safetensors
  $ arrowquant inspect model-int4.safetensors --json | jq '.tensors[].name'`;

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('List the tensors of a model file: names, shapes, types, sizes.')
    .argument('<file>', 'safetensors file, or the .safetensors.index.json of a sharded model')
    .option('--json', 'print everything as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, { json }: { readonly json?: boolean }) => {
      // Nothing is computed: there is no need to start the quantizer.
      const inspection = await inspectFile(nodeFiles, file);
      process.stdout.write(`${json === true ? JSON.stringify(inspection, null, 2) : render(inspection)}\n`);
    });
}

function render({ container, files, metadata, tensors, elements, bytes }: Inspection): string {
  const rows = tensors.map((tensor) => {
    const type = tensor.type === tensor.dtype ? tensor.type : `${tensor.type} of ${tensor.dtype}`;
    return [tensor.name, formatShape(tensor.shape), type, formatBytes(tensor.bytes)];
  });
  const facts = Object.entries(metadata).map(([key, text]) => printable(`${key}: ${text}`));
  return [
    renderTable(COLUMNS, rows, outputWidth()),
    '',
    ...facts,
    `${container}, ${files.length === 1 ? 'one file' : `${files.length - 1} shards`}`,
    `${tensors.length} tensors, ${elements} elements, ${formatBytes(bytes)}`,
  ].join('\n');
}
