import { gguf } from './gguf/gguf.js';
import { safetensors } from './safetensors/safetensors.js';
import { torch } from './torch/torch.js';

/** Every file format that models are written in, and read from; the first one that knows a file gets it. */
export const CONTAINERS = [safetensors, gguf] as const;

/** Those that models are only read from. */
export const INPUTS = [torch] as const;

/** Those whose files an index of shards can list. */
export const SHARD_FORMATS = [safetensors, torch] as const;

/** Names of the file formats that models are written in. */
export type ContainerName = (typeof CONTAINERS)[number]['name'];

/** Names of all file formats that models are read from. */
export type InputContainerName = ContainerName | (typeof INPUTS)[number]['name'];
