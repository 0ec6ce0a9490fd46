import { QuantizeError } from '../errors.js';
import type { Container, Model } from './container.js';
import { invalidFile, quoted } from './errors.js';
import type { ByteSource } from './io.js';
import { gguf } from './gguf.js';
import { safetensors } from './safetensors.js';

/** Every file format that models come in; the first one that knows a file gets it. */
const CONTAINERS: readonly Container[] = [safetensors, gguf];

/** As many of a file's first bytes as a container needs to know it by. */
const HEAD_BYTES = 16;

/** Opens the model in `source`, by its content, or by its name where the content is damaged. The model closes `source`. */
export async function openModel(source: ByteSource): Promise<Model> {
  try {
    const head = new Uint8Array(Math.min(source.size, HEAD_BYTES));
    await source.read(head, 0);
    const container = CONTAINERS.find((one) => one.recognizes(head)) ?? namedContainer(source.name);
    if (container === undefined) {
      throw invalidFile(
        source,
        `it is in no format that can be read (${CONTAINERS.map(({ name }) => name).join(', ')})`,
      );
    }
    return await container.open(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The container that a file's name asks for; undefined when it has no known ending. */
export const namedContainer = (file: string): Container | undefined =>
  CONTAINERS.find(({ extension }) => file.toLowerCase().endsWith(extension));

/** The container of a file to be written, by its name. Throws `invalid_option` for a name with no known ending. */
export function containerFor(file: string): Container {
  const container = namedContainer(file);
  if (container !== undefined) return container;
  const endings = CONTAINERS.map(({ extension }) => extension).join(' or ');
  throw new QuantizeError('invalid_option', { file, detail: `the output ${quoted(file)} must end with ${endings}` });
}
