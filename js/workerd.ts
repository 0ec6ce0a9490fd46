/**
 * The package in Cloudflare Workers, which compile no code at run time: the wasm is a module of the program, and the backend
 * is `single`.
 */

import compiled from './wasm/arrowquant-single.wasm';
import { ArrowQuant } from './single.js';

const create = ArrowQuant.create.bind(ArrowQuant);
ArrowQuant.create = (options) => {
  const given = options ?? {};
  return create('wasmUrl' in given || 'wasmBinary' in given ? given : { ...given, wasmBinary: compiled });
};

export * from './single.js';
