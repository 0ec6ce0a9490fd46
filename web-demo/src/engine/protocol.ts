/** What page and worker say to each other. */

import type { FilePlan, FileReport, Inspection, QuantizeFileOptions, TensorReport } from 'arrowquant';
import type { SampleKind } from '../sample/samples.mjs';
import type { LayerView } from './layer-view';

export interface EngineInfo {
  readonly backend: 'threads' | 'workers' | 'single';
  /** Worker threads or workers; 0 when the worker does everything by itself. */
  readonly threads: number;
  /** What the browser says that the machine has. */
  readonly cores: number;
  readonly isolated: boolean;
}

/** A model on a server; `address` is absolute, or begins with `hf:`. */
export interface RemoteModel {
  readonly address: string;
  /** For the hub alone. */
  readonly accessToken: string | null;
  readonly hubUrl: string;
}

/** Files that make up one model. */
export interface LocalModel {
  readonly files: readonly File[];
  /** Of each file where it lies, from the folder's name on: a File forgets that on its way to the worker. Empty without a folder. */
  readonly paths: readonly string[];
}

export type Source = LocalModel | RemoteModel;

/** Where the result goes. */
export type Target =
  | { readonly kind: 'disk'; readonly handle: FileSystemFileHandle }
  /** A folder `name` in one that was picked. */
  | { readonly kind: 'folder'; readonly parent: FileSystemDirectoryHandle; readonly name: string }
  | { readonly kind: 'storage' | 'memory'; readonly name: string; readonly isFolder: boolean };

export interface Outcome {
  readonly report: FileReport;
  readonly name: string;
  readonly bytes: number;
  /**
   * What is to be downloaded, of a folder a zip; null where the result lies in its place already. For `memory` its bytes are
   * in the browser's own Blob store.
   */
  readonly file: File | null;
  /** The result itself, wherever it is; null where it is a folder. */
  readonly written: File | null;
}

export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly seconds: number;
  readonly bytesPerSecond: number;
  /** Infinite as long as nothing is done. */
  readonly secondsLeft: number;
  /** What has come from a server until now; 0 when the model is here. */
  readonly downloadedBytes: number;
  /** The tensor that bytes were last finished of. */
  readonly tensor: string;
  /** Tensors that have been finished since the last message. */
  readonly reports: readonly TensorReport[];
}

/** What the page asks for. */
export interface Requests {
  start: { parameters: Record<string, never>; result: EngineInfo };
  makeSample: { parameters: { readonly kind: SampleKind }; result: LocalModel };
  open: { parameters: { readonly source: Source }; result: Inspection };
  close: { parameters: Record<string, never>; result: null };
  plan: { parameters: { readonly options: QuantizeFileOptions }; result: FilePlan };
  quantize: { parameters: { readonly options: QuantizeFileOptions; readonly target: Target }; result: Outcome };
  cancel: { parameters: Record<string, never>; result: null };
  viewLayer: {
    parameters: { readonly name: string; readonly outputName: string; readonly shape: readonly number[] };
    result: LayerView;
  };
}

export type RequestName = keyof Requests;

export interface RequestMessage<Name extends RequestName = RequestName> {
  readonly id: number;
  readonly name: Name;
  readonly parameters: Requests[Name]['parameters'];
}

/** An error as it crosses to the page: of a QuantizeError, what there is to say about it. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly layer: string | null;
}

export type ReplyMessage =
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: Failure }
  | { readonly kind: 'progress'; readonly progress: Progress };
