export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/tests/js/**/*.test.mjs'],
  // The tests are ES modules that import the built package: there is nothing to compile.
  transform: {},
  testTimeout: 60_000,
  modulePathIgnorePatterns: ['<rootDir>/build/'],
};
