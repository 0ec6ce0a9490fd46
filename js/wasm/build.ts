/** Which build of src/ this is; tools/build/revision.mjs fills it in, and puts it into both wasm files. */
export const BUILD = 'not built';

/** The custom section of the wasm that says so. */
export const BUILD_SECTION = 'arrowquant';
