import { MAKER, type TableMaker } from '../arrow/maker.js';
import { choice, reading } from '../checks.js';
import type { QuantizedLayers } from '../convert/quantize-layers.js';
import { QuantizeError, asQuantizeError } from '../errors.js';
import { ARROW_OPTIONS, onceRead } from '../options/names.js';
import { readQuantizedLayer } from '../options/weights.js';
import type { ArrowOptions, BatchResult } from '../types.js';

/** The result of a batch. */
export function batchResult({ made: layers, failures, warnings }: QuantizedLayers): BatchResult {
  const method = (name: keyof TableMaker): PropertyDescriptor => ({
    value: (options?: ArrowOptions | null) => {
      const zeroPoints = choice('zeroPoints', onceRead(options, ARROW_OPTIONS).zeroPoints, ZERO_POINTS) ?? 'float32';
      const maker = (globalThis as { readonly [MAKER]?: TableMaker })[MAKER];
      if (maker === undefined) throw new QuantizeError('arrow_missing');
      const rows = reading('invalid_weights', () =>
        [...layers].map(([name, one]) => ({ name, ...readQuantizedLayer(one) })),
      );
      try {
        return maker[name](rows, zeroPoints);
      } catch (error) {
        throw asQuantizeError(error, error instanceof RangeError ? 'out_of_memory' : 'internal');
      }
    },
  });
  // Not among what is listed: a result is printed and compared by its layers.
  const result = Object.defineProperties(layers, {
    toTable: method('toTable'),
    toRecordBatch: method('toRecordBatch'),
  });
  return Object.assign(result, { failures, warnings }) as BatchResult;
}

const ZERO_POINTS = { float32: 'float32', uint8: 'uint8' } as const;
