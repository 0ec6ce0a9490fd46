/** Copies between callers' arrays and the heap, and makes the arrays that results are returned in. */
addToLibrary({
  $ArrowQuantArrays__deps: ['$ArrowQuant', '$ArrowQuantArguments'],
  $ArrowQuantArrays: {
    /**
     * The array that a plane's bytes go to: the caller's where it fits, else a new one; null when an array that holds a
     * part of the plane already has been detached meanwhile.
     */
    outputFor(request, layer, plane, totalBytes) {
      const Type = request.outputTypes[plane];
      const given = request.outputs[layer][plane];
      if (given !== undefined) {
        if (given.byteLength === totalBytes && ArrowQuantArguments.isArrayOf(given, Type.name)) {
          request.begun.add(given);
          return given;
        }
        if (request.begun.has(given)) return null;
      }
      const array = new Type(totalBytes / Type.BYTES_PER_ELEMENT);
      request.outputs[layer][plane] = array;
      return array;
    },

    /** A pool thread has allocated a result: it is used unless its layer has got one meanwhile. */
    takePrepared({ id, layer, plane, buffer }) {
      const request = [...ArrowQuant.open].find((open) => open.id === id);
      if (request === undefined || request.outputs[layer][plane] !== undefined) return;
      const Type = request.outputTypes[plane];
      request.outputs[layer][plane] = new Type(buffer);
    },

    bytesOf(array, offset, bytes) {
      return new Uint8Array(array.buffer, array.byteOffset + offset, bytes);
    },
  },

  aq_copy_in__deps: ['$ArrowQuant', '$ArrowQuantArrays', '$ArrowQuantParcels', '$Emval'],
  aq_copy_in: (handle, layer, plane, offset, address, bytes) => {
    let target;
    try {
      target = ArrowQuantParcels.memoryAt(address, bytes);
    } catch {
      return ArrowQuant.statusNamed('out_of_memory');
    }
    try {
      const array = Emval.toValue(handle).inputs[layer][plane];
      if (array.byteLength < offset + bytes) return ArrowQuant.statusNamed('detached_buffer');
      const source = ArrowQuantArrays.bytesOf(array, offset, bytes);
      if (Module['copyIn']) Module['copyIn'](target, source);
      else target.set(source);
      return ArrowQuant.STATUS_OK;
    } catch {
      return ArrowQuant.statusNamed('detached_buffer');
    }
  },

  aq_copy_out__deps: ['$ArrowQuant', '$ArrowQuantArrays', '$ArrowQuantParcels', '$Emval'],
  aq_copy_out: (handle, layer, plane, totalBytes, offset, address, bytes) => {
    try {
      const array = ArrowQuantArrays.outputFor(Emval.toValue(handle), layer, plane, totalBytes);
      if (array === null) return ArrowQuant.statusNamed('detached_buffer');
      ArrowQuantArrays.bytesOf(array, offset, bytes).set(ArrowQuantParcels.memoryAt(address, bytes));
      return ArrowQuant.STATUS_OK;
    } catch {
      return ArrowQuant.statusNamed('out_of_memory');
    }
  },

  aq_has_result__deps: ['$ArrowQuant', '$Emval'],
  aq_has_result: (request, layer, plane) => Emval.toValue(request).outputs[layer][plane] !== undefined,

#if PTHREADS
  /** From a pool thread to the calling thread. */
  $arrowQuantTell: (message, transfer) => {
    postMessage(message, transfer);
  },

  aq_wake__deps: ['$arrowQuantTell'],
  aq_wake: () => arrowQuantTell({ arrowQuantWake: true }, []),

  aq_prepare_result__deps: ['$arrowQuantTell'],
#endif

  /** The first touch of a page costs more than copying to it, and the calling thread has no time to spare. */
  aq_prepare_result: (id, layer, plane, bytes) => {
#if PTHREADS
    if (!ENVIRONMENT_IS_PTHREAD) return;
    try {
      const pageBytes = 4096;
      const buffer = new ArrayBuffer(bytes);
      const view = new Uint8Array(buffer);
      for (let at = 0; at < bytes; at += pageBytes) view[at] = 0;
      arrowQuantTell({ arrowQuantResult: { id, layer, plane, buffer } }, [buffer]);
    } catch {
      // No memory for it: the calling thread will try, and report that it failed.
    }
#endif
  },

  aq_listen__deps: ['$ArrowQuantArrays', '$arrowQuantTurn'],
  aq_listen: () => {
#if PTHREADS
    const take = (message) => {
      if (message?.arrowQuantResult) ArrowQuantArrays.takePrepared(message.arrowQuantResult);
      else if (message?.arrowQuantWake) arrowQuantTurn();
    };
    for (const worker of PThread.runningWorkers) {
      worker.addEventListener('message', (event) => take(event.data));
    }
#endif
  },
});
