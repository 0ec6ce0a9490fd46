/** Runs one suite in this process: node tools/test/run-suite.mjs NAME [FILTER] */
import { kSuites } from './suites.mjs';
import { tellOutcome } from './suite-process.mjs';

const [name, filter] = process.argv.slice(2);
console.log(`\n=== ${name}: ${kSuites[name].title}`);
await tellOutcome(() => kSuites[name].work(filter));
