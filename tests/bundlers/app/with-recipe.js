// The page whose way to make a quantizer is that of a recipe.
import { createQuantizer } from './quantizer.js';
import { outcomeOf } from './work.js';

outcomeOf({ create: createQuantizer }).then((outcome) => {
  document.querySelector('output').textContent = JSON.stringify(outcome);
});
