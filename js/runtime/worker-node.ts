/** What threads and workers run in Node: what those of a browser run, which finds the globals of one. */

import './worker-globals.js';
import '../worker.js';
