import { ArrowQuant } from 'arrowquant';
import { outcomeOf } from './work.js';

outcomeOf(ArrowQuant).then((outcome) => self.postMessage(outcome));
