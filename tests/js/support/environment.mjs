import vm from 'node:vm';
import NodeEnvironment from 'jest-environment-node';

/**
 * Jest's environment for Node whose globals are plain ones. Jest watches every look at a global (`Math`, `Number`, …), which
 * makes each take a microsecond: most of the time of tests that look at many bytes.
 */
export default class PlainEnvironment extends NodeEnvironment {
  constructor(config, context) {
    const { createContext } = vm;
    // Older versions of Node have watched contexts alone.
    const plain = vm.constants?.DONT_CONTEXTIFY;
    if (plain !== undefined) vm.createContext = () => createContext(plain);
    try {
      super(config, context);
    } finally {
      vm.createContext = createContext;
    }
  }
}
