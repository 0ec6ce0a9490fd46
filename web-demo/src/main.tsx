import { render } from 'preact';
import { startEngine } from './actions';
import { startTheme } from './theme';
import { App } from './ui/App';
import './styles/base.css';
import './styles/parts.css';
import './styles/workspace.css';
import './styles/layers.css';
import './styles/trial.css';
import './styles/understand.css';

startTheme();
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
void startEngine();
// Offline use is a convenience: without it (private windows, http) everything else works.
if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  navigator.serviceWorker.register('./sw.js').catch(() => undefined);
}
