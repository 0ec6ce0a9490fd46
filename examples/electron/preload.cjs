/** All that the page can reach of Electron; `renderer/bridge.d.ts` has its types. */
const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('quantization', {
  chooseInput: () => ipcRenderer.invoke('choose-input'),
  chooseOutput: (suggestedName) => ipcRenderer.invoke('choose-output', suggestedName),
  showInFolder: (file) => ipcRenderer.send('show-in-folder', file),
  connect: () => ipcRenderer.send('connect'),
  onProcessGone: (listener) => {
    ipcRenderer.on('process-gone', () => listener());
  },
});

// Ports cannot go through the bridge, but a window may post them to itself.
ipcRenderer.on('port', ({ ports }) => {
  window.postMessage('quantization-port', window.location.origin, ports);
});
