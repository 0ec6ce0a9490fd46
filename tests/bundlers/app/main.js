import { ArrowQuant } from 'arrowquant';
import { outcomeOf } from './work.js';

outcomeOf(ArrowQuant).then((outcome) => {
  document.querySelector('output').textContent = JSON.stringify(outcome);
});
