import { asyncDispose } from '../async-dispose.js';
import { reading } from '../checks.js';
import { planModel } from '../convert/convert-file.js';
import type { QuantizeFileOptions, ReadTensorOptions } from '../convert/options.js';
import { readNamed } from '../convert/read-named.js';
import { QuantizeError } from '../errors.js';
import { endable } from '../models/endable.js';
import type { InspectedTensor, Inspection } from '../models/inspect.js';
import type { Model } from '../models/model.js';
import { readName, readRange } from '../options/files.js';
import type { Defaults } from '../options/batch.js';
import { holdQuantization } from '../options/held.js';
import { onceRead, READ_TENSOR_OPTIONS } from '../options/names.js';
import { readQuantization } from '../options/quantization.js';
import type { FilePlan } from '../plan/report.js';
import type { FileCalls } from './file-calls.js';

/** What an opened model needs of the quantizer that has opened it. */
export interface Opener {
  readonly calls: FileCalls;
  /** Ends its reads when the quantizer is disposed. */
  readonly controller: AbortController;
  readonly defaults: Defaults;
}

/**
 * A model whose header has been read and checked, once for all calls. Its files stay open until `close`, and must not change
 * before: every call looks whether they have, and rejects with `unreadable_input` then. Calls may overlap.
 */
export class OpenedModel implements Inspection {
  readonly file: string;
  readonly container: string;
  readonly files: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** In sorted name order. */
  readonly tensors: readonly InspectedTensor[];
  readonly elements: number;
  readonly bytes: number;
  readonly #model: Model;
  readonly #opener: Opener;
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | null = null;

  /** @internal */
  constructor(model: Model, inspection: Inspection, opener: Opener) {
    this.file = inspection.file;
    this.container = inspection.container;
    this.files = inspection.files;
    this.metadata = inspection.metadata;
    this.tensors = inspection.tensors;
    this.elements = inspection.elements;
    this.bytes = inspection.bytes;
    this.#model = model;
    this.#opener = opener;
  }

  /**
   * Reads elements `begin` to `end` of one flattened tensor as f32, quantized ones as what they are restored to; of a language
   * model in the layout of transformers also of the tensors that a plan of its GGUF names. Rejects as `readTensor` does, and with `invalid_option` when the model has been closed. What options say of servers was for `open`.
   */
  async read(name: string, options?: ReadTensorOptions | null): Promise<Float32Array> {
    const once = onceRead(options, READ_TENSOR_OPTIONS);
    const [range, tensor] = reading('invalid_option', () => [readRange(once), readName(name)] as const);
    return this.#follow(() =>
      this.#opener.calls.reading(once, (_, tools) =>
        readNamed(tools, endable(this.#model, tools.signal), tensor, range),
      ),
    );
  }

  /** What `quantizeFile` would do with these options; as the quantizer's `plan`. */
  async plan(options?: QuantizeFileOptions | null): Promise<FilePlan> {
    const once = holdQuantization(options);
    const quantization = readQuantization(once, this.#opener.defaults, undefined);
    return this.#follow(() =>
      this.#opener.calls.reading(once, (_, tools) =>
        planModel(tools, endable(this.#model, tools.signal), quantization),
      ),
    );
  }

  /** Closes the files when the calls that are under way have ended. Closing twice does nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.#model.close();
    this.#opener.calls.forget(this.#opener.controller);
  }

  #follow<Value>(call: () => Promise<Value>): Promise<Value> {
    if (this.#closing !== null) {
      return Promise.reject(
        new QuantizeError('invalid_option', { file: this.file, detail: 'the model has been closed' }),
      );
    }
    const running = call();
    const forget = (): boolean => this.#underWay.delete(running);
    this.#underWay.add(running);
    running.then(forget, forget);
    return running;
  }
}

// The build shortens names, and people look for this in what is printed.
Object.defineProperty(OpenedModel, 'name', { value: 'OpenedModel' });
