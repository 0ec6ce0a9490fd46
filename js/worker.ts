/**
 * What threads and workers run, in one script for both: `arrowquant/worker.js`. The glue begins by itself in a thread, and
 * knows by the worker's name that it is in one.
 */

import './wasm/arrowquant-threads.js';
import './runtime/worker-browser.js';
