/** Reads and checks what callers hand over. Whatever is wrong is found here, before anything is copied. */
addToLibrary({
  $ArrowQuantArguments__deps: ['$ArrowQuant'],
  $ArrowQuantArguments: {
    /** By tag: arrays of another realm are no `instanceof` ours. */
    isArrayOf(value, tag) {
      return ArrayBuffer.isView(value) && value[Symbol.toStringTag] === tag;
    },

    isDetached(array) {
      if (array.byteLength > 0) return false;
      try {
        return new Uint8Array(array.buffer) === undefined;
      } catch {
        return true;
      }
    },

    isHalves(array) {
      return ArrowQuantArguments.isArrayOf(array, 'Float16Array');
    },

    isWeights(array) {
      return ArrowQuantArguments.isArrayOf(array, 'Float32Array') || ArrowQuantArguments.isHalves(array);
    },

    /** `array`, one of the type that `tag` names, and attached; or an error. */
    expectArray(array, tag, field, isRight = ArrowQuantArguments.isArrayOf(array, tag)) {
      if (!isRight) throw ArrowQuant.error('invalid_weights', null, null, `${field} is no ${tag}`);
      if (ArrowQuantArguments.isDetached(array)) throw ArrowQuant.error('detached_buffer');
      return array;
    },

    /** Data and shape of one entry of a batch; of a detached one, where the batch goes on after it, only the data. */
    readLayer(name, entry, continueOnError) {
      const plain = ArrowQuantArguments.isWeights(entry);
      const data = plain ? entry : entry?.data;
      if (!ArrowQuantArguments.isWeights(data)) throw ArrowQuant.error('invalid_weights', name);
      if (ArrowQuantArguments.isDetached(data)) {
        if (continueOnError) return { data, shape: null };
        throw ArrowQuant.error('detached_buffer', name);
      }
      if (plain) return { data, shape: [data.length] };
      const shape = entry.shape;
      const count = ArrowQuantArguments.weightsIn(shape, name);
      if (count !== data.length) {
        throw ArrowQuant.error('shape_mismatch', name, null, `shape [${shape.join(', ')}] against ${data.length} weights`);
      }
      return { data, shape: [...shape] };
    },

    /** The product of a shape's sizes. */
    weightsIn(shape, layer) {
      const isSize = (size) => Number.isSafeInteger(size) && size >= 0;
      const count = Array.isArray(shape) && shape.every(isSize) ? shape.reduce((all, size) => all * size, 1) : NaN;
      if (!Number.isSafeInteger(count)) {
        throw ArrowQuant.error('shape_mismatch', layer, null, 'its shape is not a list of sizes');
      }
      return count;
    },

    readWeights(weights, continueOnError) {
      if (Object.prototype.toString.call(weights) !== '[object Map]') {
        throw ArrowQuant.error('invalid_weights', null, null, 'a Map of layer name to Float32Array is needed');
      }
      const layers = [...weights].map(([name, entry]) => {
        if (typeof name !== 'string') throw ArrowQuant.error('invalid_weights', String(name), null, 'its name is no string');
        return { name, ...ArrowQuantArguments.readLayer(name, entry, continueOnError) };
      });
      return layers.sort((a, b) => (a.name < b.name ? -1 : 1));
    },

    /** Detaches the callers' buffers; the views that come back hold the same bytes. */
    takeOver(arrays) {
      // A view on a detached buffer has forgotten where it lay.
      const parts = arrays.map(({ buffer, byteOffset, byteLength }) => [buffer, byteOffset, byteLength]);
      const successors = new Map(parts);
      for (const buffer of successors.keys()) {
        try {
          // Each by itself: one that stays where it is must not leave others detached and lost.
          successors.set(buffer, structuredClone(buffer, { transfer: [buffer] }));
        } catch {
          // Shared memory, that of a WebAssembly.Memory, Node's pool: read where it is.
          successors.set(buffer, null);
        }
      }
      return parts.map(([buffer, ...place], i) => {
        const successor = successors.get(buffer);
        return successor === null ? arrays[i] : new Uint8Array(successor, ...place);
      });
    },

    checkAffine(bits, groupSize) {
      if (bits !== 2 && bits !== 4 && bits !== 8) throw ArrowQuant.error('invalid_bit_width', null, null, String(bits));
      if (![0, 32, 64, 128, 256].includes(groupSize)) {
        throw ArrowQuant.error('invalid_option', null, null, `groupSize ${String(groupSize)}`);
      }
    },

    readBatchOptions(options) {
      const { groupSize, symmetric, effort, continueOnError, transfer, output, cancellation } = options ?? {};
      if (![undefined, null, 0, 1, 2].includes(effort)) {
        throw ArrowQuant.error('invalid_option', null, null, `effort ${String(effort)}`);
      }
      if (output !== undefined && output !== null && typeof output.get !== 'function') {
        throw ArrowQuant.error('invalid_option', null, null, 'output is no Map');
      }
      return {
        groupSize: groupSize ?? 128,
        symmetric: Boolean(symmetric),
        effort: effort ?? 0,
        continueOnError: Boolean(continueOnError),
        transfer: Boolean(transfer),
        output: output ?? new Map(),
        cancellation,
      };
    },

    /** The caller's arrays for a layer's results, by plane; what it has not given is undefined. */
    readOutput(output, name) {
      const { quantizedData, scales, zeroPoints } = output.get(name) ?? {};
      return [quantizedData ?? undefined, scales ?? undefined, zeroPoints ?? undefined];
    },

    readBatch(request, weights, bits, callback, given) {
      const options = ArrowQuant.reading('invalid_option', () => ArrowQuantArguments.readBatchOptions(given));
      const { groupSize, symmetric, effort, continueOnError, transfer, output, cancellation } = options;
      ArrowQuantArguments.checkAffine(bits, groupSize);
      if (callback !== undefined && callback !== null && typeof callback !== 'function') {
        throw ArrowQuant.error('invalid_option', null, null, 'the progress callback is no function');
      }
      const layers = ArrowQuantArguments.readWeights(weights, continueOnError);
      const names = layers.map((layer) => layer.name);
      const outputs = ArrowQuant.reading('invalid_option', () =>
        names.map((name) => ArrowQuantArguments.readOutput(output, name)),
      );
      const data = layers.map((layer) => layer.data);
      // A detached array has forgotten its length. Copying finds out what it is, if there is anything to copy.
      request.lengths = layers.map((layer) => (layer.shape === null ? 1 : layer.data.length));
      request.halves = data.map((array) => Number(ArrowQuantArguments.isHalves(array)));
      const arrays = transfer ? ArrowQuantArguments.takeOver(data) : data;
      Object.assign(request, { bits, groupSize, symmetric, effort, callback, continueOnError });
      Object.assign(request, { cancellation, names, outputs });
      request.inputs = arrays.map((array) => [array]);
      request.outputTypes = [Uint8Array, Float32Array, Uint8Array];
      request.failures = new Map();
      request.finish = () => ArrowQuantArguments.batchResult(request, layers);
    },

    batchResult(request, layers) {
      const { bits, groupSize, symmetric, failures } = request;
      const result = new Map();
      layers.forEach(({ name, shape }, i) => {
        if (failures.has(name)) return;
        const [quantizedData, scales, zeroPoints] = request.outputs[i];
        result.set(name, {
          quantizedData: quantizedData ?? new Uint8Array(0),
          scales: scales ?? new Float32Array(0),
          zeroPoints: zeroPoints ?? new Uint8Array(0),
          shape,
          bitWidth: bits,
          groupSize,
          symmetric,
        });
      });
      result.failures = failures;
      return result;
    },

    /** A request about one tensor: the planes of its source, and one of `Type` that its target has. */
    readSingle(request, inputs, Type, cancellation) {
      request.inputs = [inputs];
      request.outputs = [[]];
      request.outputTypes = [Type];
      request.names = [null];
      request.cancellation = cancellation;
      request.finish = () => request.outputs[0][0] ?? new Type(0);
    },

    readQuantized(request, layer, cancellation) {
      const { quantizedData, scales, zeroPoints, shape, bitWidth: bits, groupSize, symmetric } = layer;
      ArrowQuantArguments.checkAffine(bits, groupSize);
      const inputs = [
        ArrowQuantArguments.expectArray(quantizedData, 'Uint8Array', 'quantizedData'),
        ArrowQuantArguments.expectArray(scales, 'Float32Array', 'scales'),
        ArrowQuantArguments.expectArray(zeroPoints, 'Uint8Array', 'zeroPoints'),
      ];
      ArrowQuantArguments.readSingle(request, inputs, Float32Array, cancellation);
      const weights = ArrowQuantArguments.weightsIn(shape, null);
      Object.assign(request, { bits, groupSize, symmetric: Boolean(symmetric), weights });
    },
  },

  aq_open_batch__deps: ['$ArrowQuant', '$ArrowQuantArguments', '$Emval'],
  aq_open_batch: (...handles) => {
    const values = handles.map((handle) => Emval.toValue(handle));
    return ArrowQuant.openRequest((request) => ArrowQuantArguments.readBatch(request, ...values));
  },

  aq_open_dequantize__deps: ['$ArrowQuant', '$ArrowQuantArguments', '$Emval'],
  aq_open_dequantize: (layer, cancellation) => {
    const values = [layer, cancellation].map((handle) => Emval.toValue(handle));
    return ArrowQuant.openRequest((request) => ArrowQuantArguments.readQuantized(request, ...values));
  },

  /** From weights to blocks, or back. */
  aq_open_blocks__deps: ['$ArrowQuant', '$ArrowQuantArguments', '$Emval'],
  aq_open_blocks: (array, type, cancellation, encodes) => {
    const [given, name, flag] = [array, type, cancellation].map((handle) => Emval.toValue(handle));
    return ArrowQuant.openRequest((request) => {
      const { isWeights, isHalves, expectArray } = ArrowQuantArguments;
      const data = encodes
        ? expectArray(given, 'Float32Array', 'data', isWeights(given))
        : expectArray(given, 'Uint8Array', 'blocks');
      ArrowQuantArguments.readSingle(request, [data], encodes ? Uint8Array : Float32Array, flag);
      Object.assign(request, { type: String(name), length: data.length, halves: isHalves(data) });
    });
  },
});
