/** `arrowquant/wasm` is an ES module, which CommonJS imports when it needs it. */
export async function useModule(): Promise<number> {
  const { default: createModule } = await import('arrowquant/wasm');
  const module = await createModule({ threads: 2 });
  const threads = module.threadCount();
  module.dispose();
  return threads;
}
