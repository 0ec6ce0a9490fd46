import { QuantizeError, quoted } from '../../errors.js';
import type { TensorDescription } from '../rule.js';
import type { Rulebook } from '../rulebook.js';
import { blockOf } from './tensors.js';

/** What the names of blocks of encoders, decoders and vision have before what others have: their counts are other keys. */
const OTHER_BLOCKS = /^\w+\.blk\.\d/u;

/** By number, where a layer that is left goes. Throws `invalid_option` for layers that the model does not have. */
export function checkLayers(layers: readonly number[], tensors: readonly TensorDescription[]): void {
  const refused = (detail: string): QuantizeError => new QuantizeError('invalid_option', { detail });
  const other = tensors.find(({ name }) => OTHER_BLOCKS.test(name));
  const blocks = new Set(tensors.map(({ name }) => blockOf(name)).filter((block) => block >= 0));
  if (other !== undefined || blocks.size === 0) {
    const why =
      other === undefined ? 'the model has none, blk.N' : `${quoted(other.name)} is of a layer of another kind`;
    throw refused(`pruneLayers has no meaning, because ${why}; leave it out`);
  }
  const unknown = layers.find((layer) => !blocks.has(layer));
  if (unknown !== undefined) {
    throw refused(
      `pruneLayers has ${unknown}, but the model's layers are ${Math.min(...blocks)} to ${Math.max(...blocks)}`,
    );
  }
  if (layers.length === blocks.size) throw refused('pruneLayers has every layer, so that none is left; leave some');
}

/** Without the layers: those that follow move up. */
export function prunedRulebook(rulebook: Rulebook, layers: readonly number[]): Rulebook {
  const leftOut = new Set(layers);
  return {
    ...rulebook,
    leftOutNote: `layer${layers.length === 1 ? '' : 's'} ${layers.join(', ')} of the model`,
    leftOutBecause: (tensor) => (leftOut.has(blockOf(tensor.name)) ? 'pruned layer' : rulebook.leftOutBecause(tensor)),
    outputOf: (tensor) => {
      const output = rulebook.outputOf(tensor);
      const before = layers.filter((layer) => layer < blockOf(output.name)).length;
      const name = output.name.replace(/^blk\.(\d+)/u, (_, block) => `blk.${Number(block) - before}`);
      return { ...output, name };
    },
  };
}
