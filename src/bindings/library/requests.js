/**
 * The JavaScript side of the bindings, in four parts: requests (here), arguments, arrays, the event loop.
 *
 * A request is one call of the public API: its input and output arrays by layer and plane, and its promise. C++ refers to
 * it by an embind handle. Nothing here throws into wasm frames: what may throw is caught and becomes a rejection or a
 * status code of src/base/status.h.
 */
addToLibrary({
  $ArrowQuant__deps: ['$Emval', '$UTF8ToString', 'aq_status_name'],
  // The linker writes the object out as source text, which holds no sets.
  $ArrowQuant__postset: 'ArrowQuant.open = new Set(); ArrowQuant.errors = new WeakSet();',
  $ArrowQuant: {
    STATUS_OK: 0,
    statusNames: undefined,
    open: undefined,
    errors: undefined,
    disposed: false,
    scheduled: false,
    lastId: 0,
    hold: undefined,

    /** What the status codes are called, in the order of the codes. */
    statuses() {
      if (ArrowQuant.statusNames === undefined) {
        ArrowQuant.statusNames = [];
        for (let name = _aq_status_name(0); name !== 0; name = _aq_status_name(ArrowQuant.statusNames.length)) {
          ArrowQuant.statusNames.push(UTF8ToString(name));
        }
      }
      return ArrowQuant.statusNames;
    },

    statusNamed: (name) => ArrowQuant.statuses().indexOf(name),

    error(code, layer = null, index = null, detail = null, cause = undefined) {
      const error = ArrowQuant.makeError(code, layer, index, detail, cause);
      ArrowQuant.errors.add(error);
      return error;
    },

    makeError(code, layer, index, detail, cause) {
      const makeError = Module['makeError'];
      if (makeError) return makeError(code, layer, index, detail, cause);
      const error = new Error(`ArrowQuant: ${code}${detail ? `: ${detail}` : ''}`, { cause });
      error['code'] = code;
      if (layer !== null) error['layer'] = layer;
      if (index !== null) error['index'] = index;
      return error;
    },

    /** The error of a failed status; only two of the codes are about one element. */
    statusError(status, position, layer) {
      const code = ArrowQuant.statuses()[status];
      const index = code === 'not_finite' || code === 'scale_overflow' ? position : null;
      return ArrowQuant.error(code, layer, index);
    },

    newRequest() {
      const request = { id: ++ArrowQuant.lastId, inputs: [], outputs: [], names: [], begun: new Set() };
      request.promise = new Promise((resolve, reject) => {
        request.resolve = resolve;
        request.reject = reject;
      });
      ArrowQuant.open.add(request);
      ArrowQuant.holdProcess();
      if (ArrowQuant.disposed) ArrowQuant.fail(request, ArrowQuant.error('disposed'));
      return request;
    },

    /** Gives what `read` gives. It may run the caller's getters: what those throw is the cause of an error with `code`. */
    reading(code, read) {
      try {
        return read();
      } catch (error) {
        throw ArrowQuant.errors.has(error) ? error : ArrowQuant.error(code, null, null, null, error);
      }
    },

    /** A request that `read` fills in; its promise is already rejected when the arguments are wrong. */
    openRequest(read) {
      const request = ArrowQuant.newRequest();
      try {
        ArrowQuant.reading('invalid_weights', () => read(request));
      } catch (error) {
        ArrowQuant.fail(request, error);
      }
      return Emval.toHandle(request);
    },

    succeed(request, value) {
      if (ArrowQuant.close(request)) request.resolve(value);
    },

    fail(request, error) {
      if (ArrowQuant.close(request)) request.reject(error);
    },

    /** False when the request had ended before. */
    close(request) {
      const wasOpen = ArrowQuant.open.delete(request);
      ArrowQuant.holdProcess();
      return wasOpen;
    },

    /** Node, Deno and Bun do not wait for a pool's workers: while requests are open, a timer keeps the process alive. */
    holdProcess() {
      const needed = ArrowQuant.open.size > 0;
      if (needed === (ArrowQuant.hold !== undefined)) return;
      clearInterval(ArrowQuant.hold);
      ArrowQuant.hold = needed ? setInterval(() => {}, 0x7fffffff) : undefined;
    },
  },

  aq_open_job__deps: ['$ArrowQuant', '$Emval'],
  aq_open_job: () => Emval.toHandle(ArrowQuant.newRequest()),

  aq_is_open__deps: ['$ArrowQuant', '$Emval'],
  aq_is_open: (request) => ArrowQuant.open.has(Emval.toValue(request)),

  aq_is_cancelled__deps: ['$ArrowQuant', '$Emval'],
  aq_is_cancelled: (request) => {
    try {
      return Emval.toValue(request).cancellation?.cancelled === true;
    } catch {
      // A getter of the caller's.
      return false;
    }
  },

  /** A layer has ended: lets go of its input, keeps its failure, tells the caller. */
  aq_layer_done__deps: ['$ArrowQuant', '$Emval'],
  aq_layer_done: (handle, layer, status, position) => {
    const request = Emval.toValue(handle);
    const name = request.names[layer];
    request.inputs[layer] = undefined;
    if (status !== ArrowQuant.STATUS_OK) request.failures.set(name, ArrowQuant.statusError(status, position, name));
    // A request that has been disposed of has no callbacks any more.
    if (!request.callback || !ArrowQuant.open.has(request)) return;
    const log = (error) => {
      try {
        console.error('Progress callback error (ignored):', error);
      } catch {
        // A console that throws has nowhere left to report to.
      }
    };
    try {
      const returned = request.callback(name, (layer + 1) / request.names.length);
      if (typeof returned?.then === 'function') Promise.resolve(returned).catch(log);
    } catch (error) {
      log(error);
    }
  },

  aq_finish__deps: ['$ArrowQuant', '$Emval'],
  aq_finish: (handle, status, position, layer) => {
    const request = Emval.toValue(handle);
    if (status === ArrowQuant.STATUS_OK) {
      ArrowQuant.succeed(request, request.finish());
      return;
    }
    const name = ArrowQuant.statuses()[status] === 'aborted' ? null : request.names[layer];
    ArrowQuant.fail(request, ArrowQuant.statusError(status, position, name));
  },

  aq_resolve__deps: ['$ArrowQuant', '$Emval'],
  aq_resolve: (request, value) => ArrowQuant.succeed(Emval.toValue(request), Emval.toValue(value)),

  aq_reject__deps: ['$ArrowQuant', '$Emval'],
  aq_reject: (request, code, detail) => {
    ArrowQuant.fail(Emval.toValue(request), ArrowQuant.error(UTF8ToString(code), null, null, UTF8ToString(detail)));
  },
});
