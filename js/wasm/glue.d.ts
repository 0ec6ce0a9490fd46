import type { RawModuleFactory } from './module.js';

/** The default export of Emscripten's glue (`#wasm/threads`, `#wasm/single`). */
declare const createModule: RawModuleFactory;
export default createModule;
