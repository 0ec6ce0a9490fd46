import { choice, flag, nameIn, reading } from '../checks.js';
import { isOnnxName, namedContainer } from '../containers/registry.js';
import { CONTAINERS, type ContainerName } from '../containers/table.js';
import type { Quantization } from '../convert/planner.js';
import { endpointName, sinkEndpoint, type ModelSink } from '../endpoints.js';
import { QuantizeError, quoted } from '../errors.js';
import { FILE_FORMATS, FOLDER_FORMATS, ONNX_TYPES, isFolderFormat, type FormatName } from '../formats/names.js';
import type { HeldQuantization } from './held.js';
import { readBytes } from './numbers.js';

/** One tensor may be larger: the smallest part that has a size anyone asks for. */
export const LEAST_SPLIT_BYTES = 1e6;

const CONTAINER_NAMES = CONTAINERS.map(({ name }) => name);
const NAMES: Readonly<Record<string, FormatName | ContainerName>> = Object.fromEntries(
  [...FOLDER_FORMATS, ...FILE_FORMATS, ...CONTAINER_NAMES].map((name) => [name, name]),
);

/** The format that is asked for, or that the output's name says; undefined where the container is to decide. */
export function readFormat(given: HeldQuantization, sink: unknown): FormatName | ContainerName | undefined {
  const { format, container } = given;
  const asked = choice('format', format, NAMES);
  const name = asked ?? (container === undefined && isForOnnx(given, sink) ? 'onnx' : undefined);
  if (name === undefined || container === undefined || name === container) return name;
  const detail = `format is ${quoted(name)}, but container is ${quoted(container)}; leave one of them out`;
  throw new QuantizeError('invalid_option', { detail });
}

/** By the output's name, or, where that says nothing, by a type that nothing else has. */
function isForOnnx({ type }: HeldQuantization, sink: unknown): boolean {
  const file = sink === undefined || sinkEndpoint(sink) === null ? '' : endpointName(sink as ModelSink);
  if (isOnnxName(file)) return true;
  const named = nameIn(ONNX_TYPES, type);
  return named !== undefined && named !== 'nf4' && named !== 'fp4' && namedContainer(file) === undefined;
}

/** What only formats of folders understand is for them to read. `sink` is undefined where nothing is written. */
export function readFormatted(given: HeldQuantization, format: FormatName, sink: unknown): Quantization {
  if (isFolderFormat(format)) {
    reading('invalid_option', () => {
      checkFolder(format, sink);
    });
  }
  const { rules, importance, imatrix, ...others } = given;
  if (imatrix !== null) {
    const detail = `imatrix has no meaning, because the format is ${format}; leave it out`;
    throw new QuantizeError('invalid_option', { detail });
  }
  return {
    kind: 'format',
    ...{ format, given: others, rules, importance },
    splitBytes: readBytes('splitSize', given.splitSize, LEAST_SPLIT_BYTES),
    measure: flag('metrics', given.metrics ?? true),
  };
}

/** Throws `invalid_option` for an output that is no folder. */
function checkFolder(format: FormatName, sink: unknown): void {
  const endpoint = sink === undefined ? null : sinkEndpoint(sink);
  if (endpoint === null || endpoint.kind === 'web-folder') return;
  const needed = 'the path of one, or a FileSystemDirectoryHandle';
  if (endpoint.kind !== 'text') {
    const detail = `the output of the format ${format} is a folder, it must be ${needed}`;
    throw new QuantizeError('invalid_option', { detail });
  }
  const container = namedContainer(endpointName(sink as ModelSink));
  if (container === undefined) return;
  const detail = `the output of the format ${format} is a folder, but ${quoted(endpoint.text)} is named as ${container.title}; give ${needed}`;
  throw new QuantizeError('invalid_option', { detail });
}
