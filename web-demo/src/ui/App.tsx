import { useEffect, useRef, useState } from 'preact/hooks';
import { openFiles } from '../actions';
import { droppedFiles } from '../dropped';
import { announcement, isBusy, model } from '../store';
import { HOSTS } from '../hosts';
import { Header } from './Header';
import { Welcome } from './Welcome';
import { Workspace } from './Workspace';

/** Where the site that the page is a part of has the reference; null where the page stands alone. */
const referenceAddress = document.querySelector('link[rel=help]')?.getAttribute('href') ?? null;

export function App() {
  const isDragging = useFileDrop();
  const isOpen = model.value.status === 'open';
  return (
    <>
      <a class="skip-link" href="#main">
        Skip to the model
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        {isOpen ? <Workspace /> : <Welcome />}
      </main>
      <footer class="page-footer">
        <p>
          Everything happens on this machine: the page may connect to nothing but the site that it came from
          {HOSTS.length === 0 ? '' : ' and the hosts that it was built to read models from'}, and works offline after
          the first visit, llama.cpp after the first try.
        </p>
        {referenceAddress !== null && (
          <p>
            Programs of your own can do the same: <a href={referenceAddress}>documentation and API reference</a>.
          </p>
        )}
      </footer>
      <p class="visually-hidden" role="status" aria-live="polite">
        {announcement}
      </p>
      {isDragging && <div class="drop-veil">Drop the model anywhere</div>}
    </>
  );
}

/** Takes files that are dropped anywhere on the page; tells whether some hover over it. */
function useFileDrop(): boolean {
  const [isDragging, setDragging] = useState(false);
  const depth = useRef(0);
  useEffect(() => {
    const stop = new AbortController();
    const listen = (
      name: 'dragenter' | 'dragover' | 'dragleave' | 'drop',
      listener: (event: DragEvent) => void,
    ): void => {
      addEventListener(name, listener, { signal: stop.signal });
    };
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const enter = (change: number): void => {
      depth.current = Math.max(0, depth.current + change);
      setDragging(depth.current > 0 && !isBusy.value);
    };
    listen('dragenter', (event) => {
      if (hasFiles(event)) enter(1);
    });
    listen('dragleave', (event) => {
      if (hasFiles(event)) enter(-1);
    });
    listen('dragover', (event) => {
      if (hasFiles(event)) event.preventDefault();
    });
    listen('drop', (event) => {
      event.preventDefault();
      depth.current = 0;
      setDragging(false);
      if (event.dataTransfer !== null) void droppedFiles(event.dataTransfer).then(openFiles);
    });
    return () => {
      stop.abort();
    };
  }, []);
  return isDragging;
}
