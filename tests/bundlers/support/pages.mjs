const kPageLimit = 30_000;

/** What the application of a page says, and all that stands on its console, with what the browser itself complains of. */
export async function visit(browser, url, { limit = kPageLimit } = {}) {
  const page = await browser.newPage();
  const lines = [];
  const workers = [];
  page.on('console', (message) => lines.push(message.text()));
  page.on('pageerror', (error) => lines.push(String(error)));
  page.on('worker', (worker) => workers.push(worker.url()));
  try {
    await page.goto(url);
    const text = await page.locator('output:not(:empty)').textContent({ timeout: limit });
    return { outcome: JSON.parse(text), lines, workers };
  } catch (error) {
    throw new Error(`${error.message}\nThe console of ${url}:\n${lines.join('\n')}`, { cause: error });
  } finally {
    await page.close();
  }
}

/**
 * Goes to `url`, imports the package from `module`, and quantizes with it.
 *
 * @param {object} options of `create`. `{ $blobOf: url }`, also as `module`, is the address of a Blob with what is there;
 *   `{ $bytesOf: url, kind }` are the bytes of it, as an ArrayBuffer, a Uint8Array or a compiled Module
 */
export async function createIn(browser, url, module, options = {}) {
  const page = await browser.newPage();
  const lines = [];
  page.on('console', (message) => lines.push(message.text()));
  page.on('pageerror', (error) => lines.push(String(error)));
  try {
    await page.goto(url);
    const outcome = await page.evaluate(quantizeInPage, { module, options });
    return { outcome, lines };
  } finally {
    await page.close();
  }
}

async function quantizeInPage({ module, options }) {
  const blobOf = async (url) => {
    const response = await fetch(url);
    const type = response.headers.get('content-type');
    return URL.createObjectURL(new Blob([await response.arrayBuffer()], { type }));
  };
  const bytesOf = async (url, kind) => {
    const bytes = await (await fetch(url)).arrayBuffer();
    if (kind === 'Module') return WebAssembly.compile(bytes);
    return kind === 'Uint8Array' ? new Uint8Array(bytes) : bytes;
  };
  const made = (value) => {
    if (value?.$blobOf !== undefined) return blobOf(value.$blobOf);
    return value?.$bytesOf === undefined ? value : bytesOf(value.$bytesOf, value.kind);
  };
  const entries = Object.entries(options).map(async ([name, value]) => [name, await made(value)]);
  const { ArrowQuant } = await import(await made(module));
  try {
    const quantizer = await ArrowQuant.create(Object.fromEntries(await Promise.all(entries)));
    const { backend, fallback } = quantizer;
    const result = await quantizer.quantizeBatch({ layer: new Float32Array(300_000).fill(0.5) }, 4);
    await quantizer.dispose();
    return { backend, fallback, bytes: result.get('layer').quantizedData.length };
  } catch ({ code, message }) {
    return { code, message };
  }
}
