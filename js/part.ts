/** The parts of the package that are loaded when something needs them. */

import { messageOf } from './checks.js';
import { QuantizeError } from './errors.js';

/**
 * Gives what `load`, an `import()`, gives. Rejects with `part_not_loaded`, and what the engine says: most engines name the
 * address.
 */
export async function part<Part>(load: () => Promise<Part>): Promise<Part> {
  try {
    return await load();
  } catch (cause) {
    const detail = `${messageOf(cause)}; all that lies in arrowquant/dist has to be served, see docs/bundlers.md of the package`;
    throw new QuantizeError('part_not_loaded', { detail, cause });
  }
}
