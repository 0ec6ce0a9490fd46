/** What page and workers tell each other. Buffers are transferred. */

import type { Codec } from '../codecs/codec.js';
import type { QuantizeErrorCode } from '../errors.js';
import type {
  BundlePart,
  ErrorSums,
  SourceCodec,
  TranscodeOptions,
  WeightRange,
  WindowComparison,
} from '../wasm/windows.js';

/** Of a worker that is a thread of the glue, which knows it by this name (tools/build/glue.mjs). */
export const THREAD_NAME = 'arrowquant-pool-thread';

/** Of a worker of the backend `workers`. */
export const WORKER_NAME = 'arrowquant-pool-worker';

/** A call of a window that the worker makes on a window of its own heap. */
export type WindowCall =
  | {
      readonly method: 'transcode';
      readonly weights: number;
      readonly source: SourceCodec;
      readonly target: Codec;
      readonly options: TranscodeOptions;
    }
  | { readonly method: 'bundle'; readonly parts: readonly BundlePart[] }
  | { readonly method: 'scan'; readonly weights: number; readonly source: SourceCodec }
  | { readonly method: 'compare'; readonly weights: number; readonly a: SourceCodec; readonly b: SourceCodec };

export type Order =
  /** Comes first. */
  | { readonly kind: 'start'; readonly compiled: WebAssembly.Module }
  /** Slots of the page's module, to be executed in this order. */
  | { readonly kind: 'parcels'; readonly parcels: readonly ArrayBuffer[] }
  /** A window's memory, and what to do with it. */
  | { readonly kind: 'window'; readonly id: number; readonly call: WindowCall; readonly memory: ArrayBuffer };

/** What a call gives besides what it writes to the window's memory: each method has its field. */
export interface WindowResult {
  /** One of `transcode`, one for each part of `bundle`. */
  readonly errors?: readonly (ErrorSums | null)[];
  readonly range?: WeightRange;
  readonly comparison?: WindowComparison;
}

/** Why a call has failed; `part` is that of a bundle. */
export interface WindowFailure {
  readonly code: QuantizeErrorCode;
  readonly index?: number | undefined;
  readonly detail?: string | undefined;
  readonly part?: number | undefined;
}

export type WindowOutcome =
  { readonly ok: true; readonly result: WindowResult } | { readonly ok: false; readonly failure: WindowFailure };

export type Reply =
  | { readonly kind: 'ready' }
  /** The worker is of no use any more. */
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'parcels'; readonly parcels: readonly ArrayBuffer[] }
  | { readonly kind: 'window'; readonly id: number; readonly outcome: WindowOutcome; readonly memory: ArrayBuffer };

/** How either side sends. */
export type Post<Message> = (message: Message, transfer: readonly ArrayBuffer[]) => void;
