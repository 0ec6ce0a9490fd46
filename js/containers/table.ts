import { gguf } from './gguf/gguf.js';
import { safetensors } from './safetensors/safetensors.js';

/** Every file format that models come in; the first one that knows a file gets it. */
export const CONTAINERS = [safetensors, gguf] as const;

/** Names of the file formats. */
export type ContainerName = (typeof CONTAINERS)[number]['name'];
