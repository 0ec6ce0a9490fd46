export default {
  rootDir: import.meta.dirname ?? '.',
  testEnvironment: 'node',
  testMatch: ['<rootDir>/*.test.mjs'],
  transform: {},
  // One runtime at a time: they use all cores themselves.
  maxWorkers: 1,
  testTimeout: 180_000,
};
