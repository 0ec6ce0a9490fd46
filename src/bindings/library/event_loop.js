/** The calling thread's event loop, and the end of the module. */
addToLibrary({
  /** Runs `task` from the event loop, after what is queued there now. */
  $arrowQuantDefer: (task) => {
    if (typeof setImmediate === 'function') {
      setImmediate(task);
      return;
    }
    // Imitations of browsers, such as jsdom, have neither.
    if (typeof MessageChannel === 'undefined') {
      setTimeout(task, 0);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      task();
    };
    port2.postMessage(null);
  },

  /** Moves all activities forward. */
  $arrowQuantTurn__deps: ['$ArrowQuant', 'aq_pump'],
  $arrowQuantTurn: () => {
    try {
      _aq_pump();
    } catch (error) {
      // After an abort all requests have been rejected, and nobody could catch this one.
      if (!ArrowQuant.disposed) throw error;
    }
  },

  /** One turn serves all who have asked for it since the last one: calls may come by the thousand. */
  aq_schedule__deps: ['$ArrowQuant', '$arrowQuantDefer', '$arrowQuantTurn'],
  aq_schedule: () => {
    if (ArrowQuant.scheduled) return;
    ArrowQuant.scheduled = true;
    arrowQuantDefer(() => {
      ArrowQuant.scheduled = false;
      arrowQuantTurn();
    });
  },

  aq_dispose__deps: ['$ArrowQuant', '$arrowQuantDefer'],
  aq_dispose: () => {
    ArrowQuant.disposed = true;
    for (const request of [...ArrowQuant.open]) {
      // A call that has aborted has not given its promise to anyone who could handle it.
      request.promise.catch(() => undefined);
      ArrowQuant.fail(request, ArrowQuant.error('disposed'));
    }
#if PTHREADS
    // Not from within a callback: the calling thread may still use the heap, whose lock a thread that ends may hold.
    arrowQuantDefer(() => PThread.terminateAllThreads());
#else
    Module['workers']?.['dispose']();
#endif
  },
});
