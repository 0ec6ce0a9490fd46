import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

const node = Object.fromEntries(
  [
    ...['process', 'console', 'Buffer', 'performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
    ...['setImmediate', 'queueMicrotask', 'structuredClone', 'URL', 'AbortController', 'AbortSignal', 'TextDecoder'],
    ...['TextEncoder', 'fetch', 'Response', 'Blob', 'MessageChannel', 'WebAssembly', 'SharedArrayBuffer', 'Atomics'],
    'Headers',
    ...['DOMException', 'Event', 'EventTarget', 'global', 'globalThis', 'crypto'],
  ].map((name) => [name, 'readonly']),
);

export default tseslint.config(
  { ignores: ['build/', 'dist/', 'web-demo/dist/', 'node_modules/', 'coverage/', 'src/bindings/'] },
  eslint.configs.recommended,
  {
    files: ['js/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/prefer-readonly': 'error',
    },
  },
  {
    files: ['**/*.mjs', '**/*.js', '**/*.cjs'],
    languageOptions: { ecmaVersion: 'latest', sourceType: 'module', globals: node },
  },
  {
    files: ['web-demo/**', 'tests/browser/**', 'tests/bundlers/app/**', 'bench/browser/page/**'],
    languageOptions: {
      globals: {
        window: 'readonly',
        document: 'readonly',
        location: 'readonly',
        Worker: 'readonly',
        self: 'readonly',
        navigator: 'readonly',
        File: 'readonly',
        WritableStream: 'readonly',
        ...Object.fromEntries(
          [
            ...['requestAnimationFrame', 'getComputedStyle', 'crossOriginIsolated', 'PerformanceObserver'],
            ...['DataTransfer', 'DragEvent', 'NodeFilter'],
          ].map((name) => [name, 'readonly']),
        ),
      },
    },
  },
  {
    files: ['examples/electron/renderer/**', 'examples/electron/preload.cjs'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          ...['window', 'document', 'requestAnimationFrame', 'cancelAnimationFrame'],
          ...['Option', 'crossOriginIsolated'],
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: { require: 'readonly', module: 'writable' } },
  },
  {
    rules: {
      'prefer-const': 'error',
      eqeqeq: ['error', 'always'],
      'no-var': 'error',
      'max-depth': ['error', 4],
    },
  },
);
