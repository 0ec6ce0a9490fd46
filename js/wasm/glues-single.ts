/** In place of glues.ts where `import()` is forbidden, and threads cannot be: service workers, Cloudflare Workers. The build does it. */

import createModule from './arrowquant-single.js';
import type { Flavour } from './glues.js';
import type { RawModuleFactory } from './module.js';

const single = (): Promise<{ readonly default: RawModuleFactory }> => Promise.resolve({ default: createModule });

export const GLUES: Readonly<Record<Flavour, typeof single>> = { threads: single, single };
