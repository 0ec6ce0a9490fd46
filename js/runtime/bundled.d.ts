/** What the build puts into `arrowquant.standalone.js`. */
declare module 'embedded' {
  /** The wasm with threads, and what makes the other one of it (differences.ts), compressed with gzip, in base64. */
  export const WASM: Readonly<Record<'threads' | 'single', string>>;
  /** The text of worker.js. */
  export const WORKER: string;
}

/** The wasm as a module, as Cloudflare Workers know it. */
declare module '*/arrowquant-single.wasm' {
  const compiled: WebAssembly.Module;
  export default compiled;
}
