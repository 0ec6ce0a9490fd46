/** The page: choose a model and a format, follow the job, see the result. */
import { DEFAULT_FORMAT, FORMATS, FORMAT_GROUPS, outputName } from './formats.js';
import { JobView } from './job-view.js';
import { connect } from './quantize-client.js';
import { setUpSelfTest } from './self-test.js';
import { bytesText } from './text.js';

const bridge = window.quantization;
const element = (id) => document.getElementById(id);
const view = new JobView();

/** Promise of the client of the process that runs. */
let connection = null;
/** The chosen model: `{ path, name, bytes }`. */
let model = null;
/** Ends the job that is running. */
let cancellation = null;
let finishedOutput = null;

function listFormats() {
  element('type').append(
    ...FORMAT_GROUPS.map(({ label, formats }) => {
      const group = document.createElement('optgroup');
      group.label = label;
      group.append(...formats.map(({ name, text }) => new Option(text, name)));
      return group;
    }),
  );
  element('type').value = DEFAULT_FORMAT;
  element('type').addEventListener('change', showHint);
  showHint();
}

const chosenFormat = () => FORMATS.find(({ name }) => name === element('type').value);

function showHint() {
  element('type-hint').textContent = chosenFormat().hint;
}

async function chooseModel() {
  const chosen = await bridge.chooseInput();
  if (chosen === null) return;
  model = chosen;
  element('model').textContent = `${model.name}, ${bytesText(model.bytes)}`;
  element('model').classList.remove('quiet');
  element('start').disabled = false;
}

/** A client whose process runs; starts a new process when the last one has ended. */
function liveClient() {
  connection ??= connect(bridge).then((client) => {
    client.ready.then(({ backend, threads }) => {
      const workers = threads > 0 ? `${threads} threads` : 'one thread';
      element('engine').textContent = `In a process of its own, with ${workers} (backend “${backend}”)`;
    });
    client.lost.then(() => {
      connection = null;
      element('engine').textContent = 'The process that quantizes has ended; the next job starts another.';
    });
    return client;
  });
  return connection;
}

async function quantize() {
  const format = chosenFormat();
  const output = await bridge.chooseOutput(outputName(model.name, format));
  if (output === null) return;
  cancellation = new AbortController();
  setBusy(true);
  view.begin(model.name);
  try {
    const { signal } = cancellation;
    const client = await liveClient();
    const report = await client.quantize(model.path, output, format.options, {
      signal,
      onEvent: (event) => view.take(event),
    });
    finishedOutput = report.output;
    view.done(report);
  } catch (error) {
    view.failed(error);
  } finally {
    setBusy(false);
  }
}

function setBusy(isBusy) {
  for (const id of ['choose', 'type', 'start']) element(id).disabled = isBusy;
}

listFormats();
setUpSelfTest();
element('choose').addEventListener('click', chooseModel);
element('job').addEventListener('submit', (event) => {
  event.preventDefault();
  quantize();
});
element('cancel').addEventListener('click', () => {
  view.cancelling();
  cancellation.abort();
});
element('show').addEventListener('click', () => bridge.showInFolder(finishedOutput));
bridge.onProcessGone(() => connection?.then((client) => client.lose()));
liveClient();
