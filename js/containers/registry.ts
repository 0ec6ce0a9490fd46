import { notWritable } from '../endpoints.js';
import { QuantizeError } from '../errors.js';
import type { ByteSource } from '../io/byte-io.js';
import type { Container, InputContainer, OpenedFiles, Opening } from './container.js';
import { readHead } from './foreign-files.js';
import { invalidFile, quoted } from './invalid-file.js';
import { onnx } from './onnx/onnx.js';
import { shardPlace } from './shard-names.js';
import { looksLikeIndex, openIndexed } from './shards.js';
import { CONTAINERS, INPUTS, SHARD_FORMATS } from './table.js';

const FORMATS: readonly InputContainer[] = [...CONTAINERS, ...INPUTS];

const NO_COLUMNS: ReadonlySet<string> = new Set();

/**
 * Opens the model in `source`, by its content, or by its name where the content is damaged. What it gives closes `source`,
 * and so does this when it rejects.
 */
export async function openFiles(source: ByteSource, opening: Opening = { columns: NO_COLUMNS }): Promise<OpenedFiles> {
  try {
    const recognized = (head: Uint8Array): InputContainer | undefined => FORMATS.find((one) => one.recognizes(head));
    const head = await readHead(source, (bytes) => looksLikeIndex(bytes) || recognized(bytes) !== undefined);
    if (looksLikeIndex(head)) return await openIndexed(source, SHARD_FORMATS);
    const container = recognized(head) ?? FORMATS.find((one) => endsAs(source.name, one));
    if (container === undefined) {
      throw invalidFile(source, `it is in no format that can be read (${FORMATS.map(({ name }) => name).join(', ')})`);
    }
    return await container.open(source, opening);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Throws a RangeError where there is no container of that name. */
export function containerNamed(name: string): Container {
  const container = CONTAINERS.find((one) => one.name === name);
  if (container === undefined) throw new RangeError(`there is no container ${name}`);
  return container;
}

/** Whether files of that container have tensors under the names that programs which run the model expect. */
export const hasFinalNames = (name: string): boolean => FORMATS.some((one) => one.name === name && one.hasFinalNames);

/** The container that a file's name asks for; undefined when it has no known ending. */
export const namedContainer = (file: string): Container | undefined => CONTAINERS.find((one) => endsAs(file, one));

const endsAs = (file: string, { extension }: Pick<InputContainer, 'extension'>): boolean =>
  extension !== undefined && file.toLowerCase().endsWith(extension);

/** Whether a file's name says that it is an ONNX model. */
export const isOnnxName = (file: string): boolean => endsAs(file, onnx);

const PARQUET = /\.parquet$/iu;

const URL_TEXT = /^(?:(?:https?|file):\/\/|hf:)/iu;

/**
 * The container of a file to be written, by its name. Throws `invalid_option` for a URL, for a name with no known ending, and
 * as `refuseShardName` does.
 */
export function containerFor(file: string): Container {
  if (URL_TEXT.test(file)) throw notWritable(file);
  refuseShardName(file);
  const container = namedContainer(file);
  if (container !== undefined) return container;
  const endings = listed(CONTAINERS.map(({ extension }) => extension));
  const advice = PARQUET.test(file) ? '; Parquet is not written, but pyarrow and polars make it of an Arrow file' : '';
  const detail = `the output ${quoted(file)} must end with ${endings}${advice}`;
  throw new QuantizeError('invalid_option', { file, detail });
}

/** `a, b or c`. */
export const listed = (all: readonly string[]): string =>
  [all.slice(0, -1).join(', '), ...all.slice(-1)].filter((part) => part !== '').join(' or ');

/** Throws `invalid_option` for a URL, and for a name that is not that of an ONNX model. */
export function checkOnnxName(file: string): void {
  if (URL_TEXT.test(file)) throw notWritable(file);
  if (isOnnxName(file)) return;
  const detail = `the output ${quoted(file)} is an ONNX model, its name must end with ${onnx.extension}`;
  throw new QuantizeError('invalid_option', { file, detail });
}

/** Throws `invalid_option` when a file is named as one shard of several: as that it would be read. */
export function refuseShardName(file: string): void {
  const place = shardPlace(file.replace(/^.*[/\\]/s, ''));
  if (place === null) return;
  const detail = `the output ${quoted(file)} is named as one of ${place.count} shards, but would be a whole model`;
  throw new QuantizeError('invalid_option', { file, detail });
}
