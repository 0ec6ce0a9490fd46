/**
 * `arrowquant/single`: the package with the backend `single` alone, imported statically, for places that forbid `import()` or
 * workers (service workers, Cloudflare Workers). The build makes it one file.
 */

export * from './index.js';
// For workerd.ts; the declarations do not have it.
export { provideWasm } from './runtime/service-worker.js';
