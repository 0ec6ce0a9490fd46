import type { RawModuleFactory } from './module.js';

/** The default export of Emscripten's glue (arrowquant-threads.js, arrowquant-single.js). */
declare const createModule: RawModuleFactory;
export default createModule;
