/**
 * What the page may load and run: its own files, and WebAssembly. No inline script or style, nothing from elsewhere. wllama has
 * the scripts of its workers as text, and makes Blobs of them: nothing but a script of the page could.
 *
 * @param {readonly string[]} hosts what it may read from besides, as Content-Security-Policy writes it:
 * `https://huggingface.co`, `https://*.hf.co`
 */
export const contentSecurityPolicy = (hosts = []) =>
  [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    ["connect-src 'self'", ...hosts].join(' '),
    "manifest-src 'self'",
    "base-uri 'none'",
  ].join('; ');
