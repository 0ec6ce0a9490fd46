import { bitsandbytes } from './bitsandbytes.js';
import { convrot4 } from './convrot4.js';
import { mxfp4, nvfp4, packedNvfp4 } from './fp4.js';
import { mlc } from './folders/mlc.js';
import { mlx } from './folders/mlx.js';
import { packedIntegers } from './folders/packed-integers.js';
import { fp8 } from './fp8.js';
import { int8 } from './int8.js';
import type { Format } from './layer.js';
import { mxfp8 } from './mxfp8.js';
import { refused } from './refused.js';

/** Every format; the first one that fits a layer reads it. */
export const FORMATS: readonly Format[] = [
  ...[mxfp8, nvfp4, packedNvfp4, mxfp4, int8, convrot4, bitsandbytes],
  ...[mlx, packedIntegers, mlc],
  // After those that ComfyUI's JSON names.
  ...[fp8, refused],
];
