/** Of `arrowquant/single`. */

import { compileFrom } from './browser/answers.js';
import { singleRuntime } from './single.js';

export const runtime = singleRuntime('arrowquant/single has the backend single, and no other', {
  compileOwn: () => compileFrom(new URL('../wasm/arrowquant-single.wasm', import.meta.url), 'arrowquant-single.wasm'),
  compileAt: (url) => compileFrom(url, 'arrowquant-single.wasm'),
  resolve: (address) => new URL(address, self.location.href),
});
