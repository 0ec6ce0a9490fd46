import * as cases from './cases.mjs';
import * as fileCases from './file-cases.mjs';
import * as hubCases from './hub-cases.mjs';

/** What went wrong beside the cases: none of them leaves anything here. */
const complaints = [];

for (const type of ['error', 'unhandledrejection']) {
  self.addEventListener(type, (event) => complaints.push(`${type}: ${event.message ?? event.reason}`));
}
self.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  complaints.push(`policy ${violatedDirective} blocks ${blockedURI}`),
);

/** Runs cases by name with the package at the address `entry`; the result is what JSON can say. */
export function createPlace(entry) {
  return async ({ name, options = {} }) => {
    if (name === 'complaints') return complaints;
    const { ArrowQuant, BLOCK_TYPES } = await import(entry);
    return { ...cases, ...fileCases, ...hubCases }[name]({ ArrowQuant, BLOCK_TYPES }, options);
  };
}

/** Message and stack: not every engine begins the one with the other. */
export function explain(error) {
  const stack = String(error?.stack ?? '');
  return stack.includes(error?.message) ? stack : `${error}\n${stack}`;
}
