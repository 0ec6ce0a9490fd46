import { text } from '../../containers/gguf/key-values.js';
import type { Checkpoint } from '../checkpoint.js';
import type { KeyList } from '../key-list.js';
import type { ParameterCounts } from './parameter-counts.js';
export function setGeneral(pairs: KeyList, _: Checkpoint, __: ParameterCounts): Promise<void> {
  pairs.set(text('general.type', 'model'));
  return Promise.resolve();
}
