/** What the page shows of a job: bar, speed, layers, outcome. Draws once a frame, however often things happen. */
import { bytesText, errorText, percentText, rateText, secondsText } from './text.js';

const element = (id) => document.getElementById(id);
/** Screen readers are told of every quarter. */
const ANNOUNCED_STEP = 0.25;

export class JobView {
  #progress = null;
  #reports = [];
  #announced = 0;
  #frame = 0;

  begin(name) {
    this.#progress = null;
    this.#reports = [];
    this.#announced = 0;
    element('rows').replaceChildren();
    element('running-title').textContent = `Quantizing ${name}`;
    for (const id of ['percent', 'speed', 'current']) element(id).textContent = '';
    element('bar').removeAttribute('value');
    show({ running: true, outcome: false, layers: false });
    element('cancel').disabled = false;
    element('cancel').focus();
    announce(`Quantizing ${name}`);
  }

  /** Takes the events of `quantizeFile`. */
  take(event) {
    if (event.type === 'bytes') this.#progress = event;
    else if (event.type === 'tensor') this.#reports.push(event.report);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  cancelling() {
    element('cancel').disabled = true;
    element('current').textContent = 'Cancelling…';
  }

  done({ output, totals }) {
    this.#draw();
    const sizes = `${bytesText(totals.bytesBefore)} became ${bytesText(totals.bytesAfter)}`;
    const text = `${sizes} (${totals.ratio.toFixed(1)} times smaller) in ${secondsText(totals.seconds)}. Saved as ${output}`;
    this.#end('done', 'Done', text);
  }

  failed({ code, message }) {
    this.#draw();
    if (code === 'aborted') this.#end('cancelled', 'Cancelled', 'Nothing was written.');
    else this.#end('failed', 'That did not work', message);
  }

  #end(state, title, text) {
    element('outcome').dataset.state = state;
    element('outcome-title').textContent = title;
    element('outcome-text').textContent = text;
    element('show').hidden = state !== 'done';
    show({ running: false, outcome: true });
    element('outcome').focus();
    announce(`${title}. ${text}`);
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#progress !== null) this.#drawProgress(this.#progress);
    if (this.#reports.length === 0) return;
    show({ layers: true });
    element('rows').prepend(...this.#reports.splice(0).reverse().map(row));
  }

  #drawProgress({ tensor, done, bytes, seconds }) {
    const fraction = bytes === 0 ? 1 : done / bytes;
    const bytesPerSecond = done / seconds;
    element('bar').value = fraction;
    element('percent').textContent = percentText(fraction);
    const left = secondsText((bytes - done) / bytesPerSecond);
    element('speed').textContent =
      `${bytesText(done)} of ${bytesText(bytes)} · ${rateText(bytesPerSecond)} · ${left} left`;
    if (!element('cancel').disabled) element('current').textContent = tensor;
    if (fraction < this.#announced + ANNOUNCED_STEP) return;
    this.#announced = fraction;
    announce(percentText(fraction));
  }
}

function show(sections) {
  for (const [id, isShown] of Object.entries(sections)) element(id).hidden = !isShown;
}

function announce(text) {
  element('announcement').textContent = text;
}

function row({ name, from, to, bytesBefore, bytesAfter, relativeRmse }) {
  const cells = [
    cell('th', name),
    cell('td', from === to ? from : `${from} → ${to}`, 'kind'),
    cell('td', from === to ? bytesText(bytesAfter) : `${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}`, 'number'),
    cell('td', errorText(relativeRmse), 'number'),
  ];
  cells[0].scope = 'row';
  const line = document.createElement('tr');
  line.append(...cells);
  return line;
}

function cell(tag, text, className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}
