import { arrow } from './arrow/arrow.js';
import type { Container, InputContainer, ShardFormat } from './container.js';
import { gguf } from './gguf/gguf.js';
import { mlc } from './mlc/mlc.js';
import { onnx } from './onnx/onnx.js';
import { safetensors } from './safetensors/safetensors.js';
import { torch } from './torch/torch.js';

/** Of a list as such, the types that are published would repeat every method. */
const named = <Name extends string>(
  ...all: readonly (Container & { readonly name: Name })[]
): readonly (Container & { readonly name: Name })[] => all;

/** Every file format that models are written in, and read from; the first one that knows a file gets it. */
export const CONTAINERS = named(...[safetensors, gguf, arrow]);

/** Those that models are only read from. */
export const INPUTS: readonly (InputContainer & { readonly name: 'torch' | 'mlc' | 'onnx' })[] = [torch, mlc, onnx];

/** Those whose files an index of shards can list. */
export const SHARD_FORMATS: readonly [ShardFormat, ...ShardFormat[]] = [safetensors, torch];

/** Names of the file formats that models are written in. */
export type ContainerName = (typeof CONTAINERS)[number]['name'];

/** Names of all file formats that models are read from. */
export type InputContainerName = ContainerName | (typeof INPUTS)[number]['name'];
