import { hashBytes } from '../../../peers/block-weights.mjs';

/** Of [name, type] pairs. */
export const hashOfTypes = (types) => hashBytes(Buffer.from(types.map((pair) => pair.join(' ')).join('\n')));
