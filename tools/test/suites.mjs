import { build } from '../build.mjs';
import { buildDemo } from '../demo.mjs';
import { kBuildNeeds, kNativeNeeds } from '../setup/needs.mjs';
import { runBrowserTests } from './browsers.mjs';
import { runBundlerTests } from './bundlers.mjs';
import { runChecks } from './checks.mjs';
import { runNativeTests, runWasmTests } from './gtest.mjs';
import { runJest } from './jest.mjs';
import { runExtensionTests, runPlaceTests } from './places.mjs';
import { runRuntimeTests } from './runtimes.mjs';

const kWasmTestNeeds = [...kBuildNeeds, 'googletest'];
const kChromiumNeeds = [...kBuildNeeds, 'chromium', 'fonts'];

/**
 * All suites, what users run first. `needs` are names of needs of the machine; `isWhole` is a suite that no filter can take
 * a part of; `mayShare` one that waits more than it works, and leaves room for another one.
 *
 * @typedef {import('./suite.mjs').Outcome} Outcome
 * @type {Record<string, {title: string, needs: string[], work: (filter?: string) => Promise<Outcome>, isWhole?: boolean, mayShare?: boolean}>}
 */
export const kSuites = {
  'wasm-threads': {
    title: 'C++ tests as WebAssembly under Node, SIMD and threads',
    needs: kWasmTestNeeds,
    work: (filter) => runWasmTests('threads', filter),
  },
  'wasm-single': {
    title: 'C++ tests as WebAssembly under Node, SIMD, one thread',
    needs: kWasmTestNeeds,
    work: (filter) => runWasmTests('single', filter),
  },
  'native-asan': {
    title: 'C++ tests, native, Address- and UndefinedBehaviorSanitizer',
    needs: kNativeNeeds,
    work: (filter) => runNativeTests('native-asan', filter),
  },
  'native-tsan': {
    title: 'C++ tests, native, ThreadSanitizer',
    needs: kNativeNeeds,
    work: (filter) => runNativeTests('native-tsan', filter),
  },
  jest: {
    title: 'Jest on the built package',
    needs: kBuildNeeds,
    work: (filter) => build().then(() => runJest(filter ? [filter] : [])),
  },
  extension: {
    title: 'the package with a codec, a layout and a container that only tests add',
    needs: kBuildNeeds,
    work: (filter) => runExtensionTests(filter),
  },
  chromium: {
    title: 'the package in Chromium',
    needs: kChromiumNeeds,
    work: (filter) => runBrowserTests('chromium', filter),
    mayShare: true,
  },
  firefox: {
    title: 'the package in Firefox',
    needs: [...kBuildNeeds, 'firefox', 'fonts'],
    work: (filter) => runBrowserTests('firefox', filter),
    mayShare: true,
  },
  webkit: {
    title: 'the package in WebKitGTK',
    needs: [...kBuildNeeds, 'webkit', 'screen', 'fonts'],
    work: (filter) => runBrowserTests('webkit', filter),
    mayShare: true,
  },
  demo: {
    title: 'the web demo in Chromium',
    needs: kChromiumNeeds,
    work: (filter) => buildDemo().then(() => runBrowserTests('demo', filter)),
    mayShare: true,
  },
  types: {
    title: "the package's declarations in TypeScript 5.0 to 7",
    needs: kBuildNeeds,
    work: (filter) => runPlaceTests('types', ['tests/types'], 'tests/types/', filter),
    mayShare: true,
  },
  runtimes: {
    title: 'the package in Node 20 to 26, Deno, Bun, Jest, Vitest',
    needs: kBuildNeeds,
    work: runRuntimeTests,
    mayShare: true,
  },
  bundlers: {
    title: 'the package through bundlers, from elsewhere, in extensions and workerd',
    needs: [...kChromiumNeeds, 'firefox'],
    work: runBundlerTests,
  },
  consumers: {
    title: 'ONNX Runtime and transformers.js with files that the package wrote',
    needs: kChromiumNeeds,
    work: (filter) => runPlaceTests('consumers', ['tests/browser', 'tests/consumers'], 'tests/consumers/', filter),
    mayShare: true,
  },
  slurm: {
    title: 'the example for Slurm on a cluster of two nodes, all on this machine',
    needs: [...kBuildNeeds, 'slurm', 'munge'],
    work: (filter) => runPlaceTests('slurm', [], 'tests/clusters/slurm', filter),
    mayShare: true,
  },
  kubernetes: {
    title: 'the example for Kubernetes: its manifest, and what its container does',
    needs: kBuildNeeds,
    work: (filter) => runPlaceTests('kubernetes', ['tests/clusters'], 'tests/clusters/kubernetes', filter),
    mayShare: true,
  },
  checks: {
    title: 'layout, lint, types, arrows',
    needs: [...kBuildNeeds, ...kNativeNeeds, 'clangFormat', 'clangTidy'],
    work: () => runChecks(),
    isWhole: true,
  },
};
