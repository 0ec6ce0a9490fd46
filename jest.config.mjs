export default {
  testEnvironment: '<rootDir>/tests/js/support/environment.mjs',
  testMatch: ['<rootDir>/tests/js/**/*.test.mjs'],
  // The tests are ES modules that import the built package: there is nothing to compile.
  transform: {},
  // Jest would leave a core to others: of two cores it would use one.
  maxWorkers: '100%',
  testTimeout: 180_000,
  // The package's insides, and the package as one with them: dist/ has bundles.
  moduleNameMapper: {
    '^arrowquant$': '<rootDir>/build/modules/index.js',
    '^arrowquant/arrow$': '<rootDir>/build/modules/arrow.js',
    '^arrowquant/wasm$': '<rootDir>/build/modules/wasm/index.js',
  },
  modulePathIgnorePatterns: ['<rootDir>/build/(?!modules/)'],
};
