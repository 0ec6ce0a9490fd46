// The page whose Worker has the package.
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
const show = (outcome) => (document.querySelector('output').textContent = JSON.stringify(outcome));
worker.onmessage = ({ data }) => show(data);
worker.onerror = ({ message }) => show({ message });
