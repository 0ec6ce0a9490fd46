/**
 * The package's version and a digest of its code, which the build fills in. Two builds may give other bytes for the same
 * weights: they never go on with each other's files.
 */
export const REVISION = 'not built';

/** Version of the compiler that the wasm was built with, which the build fills in. */
export const EMSCRIPTEN = 'not built';
