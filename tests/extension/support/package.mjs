/** The extended package, which tools/build/extension.mjs builds, and the lists that its tables have. */
export { CODECS } from '../../../build/extension/dist/codecs/table.js';
export { CONTAINERS } from '../../../build/extension/dist/containers/table.js';
export { ArrowQuant, BLOCK_TYPES, FILE_TYPES, QuantizeError } from '../../../build/extension/dist/index.js';
export { LAYOUTS } from '../../../build/extension/dist/layouts/table.js';
