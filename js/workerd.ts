/**
 * The package in Cloudflare Workers, which compile no code at run time: the wasm is a module of the program, and the backend
 * is `single`.
 */

import compiled from './wasm/arrowquant-single.wasm';
import { provideWasm } from './single.js';

provideWasm(compiled);

export * from './single.js';
