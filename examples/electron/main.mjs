/** The main process: a window, dialogs, and a utility process that does the work. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BrowserWindow, MessageChannelMain, app, dialog, ipcMain, protocol, shell, utilityProcess } from 'electron';
import { ORIGIN, SCHEME, respond } from './app-protocol.mjs';

const INPUT_FILTERS = [
  { name: 'Models', extensions: ['safetensors', 'gguf', 'json'] },
  { name: 'All files', extensions: ['*'] },
];

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Files that the user chose to write to in this session. */
const outputs = new Set();
/** The utility process, while it runs. */
let quantizerProcess = null;

protocol.registerSchemesAsPrivileged([
  { scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true, stream: true } },
]);

app.on('web-contents-created', (event, contents) => {
  // The page has no business anywhere else.
  contents.on('will-navigate', (navigation) => navigation.preventDefault());
  contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  contents.session.setPermissionRequestHandler((requester, permission, answer) => answer(false));
});

app.on('window-all-closed', () => app.quit());

app.on('will-quit', (event) => {
  if (quantizerProcess === null) return;
  // Jobs of closed windows are being aborted; what they have written so far is deleted before the process ends.
  event.preventDefault();
  quantizerProcess.once('exit', () => app.quit());
  quantizerProcess.postMessage({ type: 'shutdown' });
});

ipcMain.handle(
  'choose-input',
  fromPage(async (window) => {
    const { filePaths } = await dialog.showOpenDialog(window, {
      title: 'Choose a model',
      properties: ['openFile'],
      filters: INPUT_FILTERS,
    });
    const [file] = filePaths;
    if (file === undefined) return null;
    return { path: file, name: path.basename(file), bytes: (await stat(file)).size };
  }),
);

ipcMain.handle(
  'choose-output',
  fromPage(async (window, suggestedName) => {
    const extension = path.extname(String(suggestedName)).slice(1);
    const { filePath, canceled } = await dialog.showSaveDialog(window, {
      title: 'Save the quantized model',
      defaultPath: path.basename(String(suggestedName)),
      filters: [{ name: extension === 'gguf' ? 'GGUF' : 'Safetensors', extensions: [extension] }],
    });
    if (canceled || !filePath) return null;
    outputs.add(filePath);
    return filePath;
  }),
);

ipcMain.on(
  'show-in-folder',
  fromPage((window, file) => {
    if (outputs.has(file)) shell.showItemInFolder(file);
  }),
);

ipcMain.on(
  'connect',
  fromPage((window) => {
    const { port1, port2 } = new MessageChannelMain();
    runningQuantizerProcess().postMessage({ type: 'serve' }, [port1]);
    window.webContents.postMessage('port', null, [port2]);
  }),
);

/** A listener for messages of the app's own page, which gets the window that they come from; others are ignored. */
function fromPage(listener) {
  return ({ sender, senderFrame }, ...values) => {
    const window = BrowserWindow.fromWebContents(sender);
    const isPage = window !== null && senderFrame?.url.startsWith(`${ORIGIN}/`);
    return isPage ? listener(window, ...values) : null;
  };
}

function runningQuantizerProcess() {
  if (quantizerProcess !== null) return quantizerProcess;
  const child = utilityProcess.fork(here('./quantize.mjs'), [], { serviceName: 'quantize' });
  child.on('exit', () => {
    quantizerProcess = null;
    for (const window of BrowserWindow.getAllWindows()) window.webContents.send('process-gone');
  });
  quantizerProcess = child;
  return child;
}

async function openWindow() {
  protocol.handle(SCHEME, (request) => respond(request));
  const window = new BrowserWindow({
    width: 960,
    height: 860,
    minWidth: 360,
    minHeight: 480,
    show: false,
    webPreferences: { preload: here('./preload.cjs'), contextIsolation: true, sandbox: true, nodeIntegration: false },
  });
  window.once('ready-to-show', () => window.show());
  await window.loadURL(`${ORIGIN}/index.html`);
}

// Not awaited: Electron is not ready before this module has been loaded to its end.
app.whenReady().then(openWindow);
