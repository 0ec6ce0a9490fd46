/** What page and workers tell each other. Buffers are transferred. */

import type { QuantizeErrorCode } from '../errors.js';
import type { FloatType } from '../wasm/module.js';
import type { Encoding, ErrorSums, WeightRange, WeightSource } from '../wasm/windows.js';

/** A call of a window that the worker makes on a window of its own heap. */
export type WindowCall =
  | {
      readonly method: 'encode';
      readonly weights: number;
      readonly source: WeightSource;
      readonly encoding: Encoding;
      readonly measure: boolean;
    }
  | { readonly method: 'scan'; readonly weights: number; readonly source: WeightSource }
  | { readonly method: 'decode'; readonly weights: number; readonly encoding: Encoding; readonly target: FloatType };

export type Order =
  /** Comes first. */
  | { readonly kind: 'start'; readonly compiled: WebAssembly.Module }
  /** Slots of the page's module, to be executed in this order. */
  | { readonly kind: 'parcels'; readonly parcels: readonly ArrayBuffer[] }
  /** A window's memory, and what to do with it. */
  | { readonly kind: 'window'; readonly id: number; readonly call: WindowCall; readonly memory: ArrayBuffer };

/** What a call tells besides what it writes to the window's memory. */
export interface WindowResult {
  /** Of `encode`, when it measures. */
  readonly error: ErrorSums | null;
  /** Of `scan`. */
  readonly range: WeightRange | null;
}

export type WindowOutcome =
  | ({ readonly ok: true } & WindowResult)
  | { readonly ok: false; readonly code: QuantizeErrorCode; readonly index: number; readonly message: string };

export type Reply =
  | { readonly kind: 'ready' }
  /** The worker is of no use any more. */
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'parcels'; readonly parcels: readonly ArrayBuffer[] }
  | { readonly kind: 'window'; readonly id: number; readonly outcome: WindowOutcome; readonly memory: ArrayBuffer };

/** How either side sends. */
export type Post<Message> = (message: Message, transfer: readonly ArrayBuffer[]) => void;
