/** The extended package, which tools/build/extension.mjs builds, and the lists that its tables have. */
export { CODECS } from '../../../build/extension/build/modules/codecs/table.js';
export { CONTAINERS } from '../../../build/extension/build/modules/containers/table.js';
export { ArrowQuant, BLOCK_TYPES, FILE_TYPES, QuantizeError } from '../../../build/extension/build/modules/index.js';
export { LAYOUTS } from '../../../build/extension/build/modules/layouts/table.js';
