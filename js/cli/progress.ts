import { SingleBar } from 'cli-progress';
import type { FileEvent } from '../index.js';
import { downloadText, formatBytes, formatRate, formatSeconds, printable, shorten } from './format.js';

/** Shows how a conversion goes on. */
export interface ProgressView {
  readonly onEvent: (event: FileEvent) => void;
  /** Takes the display away; always to be called. */
  readonly stop: () => void;
}

const BAR_WIDTH = 24;
const REDRAWS_PER_SECOND = 10;
/** Log files get a line each time that another tenth is done. */
const PLAIN_STEPS = 10;

/** A bar on terminals, plain lines elsewhere, nothing when `silent`. */
export function progressOn(stream: NodeJS.WriteStream, silent: boolean): ProgressView {
  if (silent) return { onEvent: () => undefined, stop: () => undefined };
  return stream.isTTY ? new Bar(stream) : new Lines(stream);
}

type BytesEvent = Extract<FileEvent, { type: 'bytes' }>;
type MeasureEvent = Extract<FileEvent, { type: 'measure' }>;

const measuring = ({ done, tensors }: MeasureEvent): string => `${done} of ${tensors} tensors measured`;

/** `31.2 of 69.5 MB, 1.20 GB/s, ETA 2 s`, and of a model on a server `, 32.1 MB downloaded`. */
const summary = ({ done, bytes, bytesPerSecond, secondsLeft, downloadedBytes }: BytesEvent): string =>
  `${formatBytes(done)} of ${formatBytes(bytes)}, ${formatRate(bytesPerSecond)}, ETA ${formatSeconds(secondsLeft)}${downloadText(downloadedBytes)}`;

class Bar implements ProgressView {
  readonly #stream: NodeJS.WriteStream;
  readonly #bar: SingleBar;
  #started = false;
  /** Null when nothing is measured, or no longer. */
  #measured: MeasureEvent | null = null;
  #latest: BytesEvent = {
    ...{ type: 'bytes', tensor: '', done: 0, bytes: 0, seconds: 0, bytesPerSecond: 0, secondsLeft: Infinity },
    downloadedBytes: 0,
  };

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#bar = new SingleBar({
      stream,
      fps: REDRAWS_PER_SECOND,
      hideCursor: true,
      clearOnComplete: true,
      // Signals are dealt with by the command.
      gracefulExit: false,
      format: (_, { progress }) => this.#line(progress),
    });
  }

  readonly onEvent = (event: FileEvent): void => {
    if (event.type === 'measure') {
      this.#measured = event;
      if (!this.#started) this.#bar.start(event.tensors, 0);
      this.#started = true;
      this.#bar.update(event.done);
    }
    if (event.type === 'start') {
      if (this.#started) this.#bar.stop();
      this.#measured = null;
      this.#started = true;
      this.#bar.start(event.bytes, 0);
    }
    if (event.type !== 'bytes') return;
    this.#latest = event;
    this.#bar.update(event.done);
  };

  readonly stop = (): void => {
    if (this.#started) this.#bar.stop();
  };

  #line(progress: number): string {
    const full = Math.round(progress * BAR_WIDTH);
    const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
    const measured = this.#measured;
    const said = measured === null ? summary(this.#latest) : measuring(measured);
    const start = `${bar} ${String(Math.floor(progress * 100)).padStart(3)} %  ${said}  `;
    const { tensor } = measured ?? this.#latest;
    return start + shorten(printable(tensor), Math.max(1, this.#stream.columns - 1 - start.length));
  }
}

class Lines implements ProgressView {
  readonly #stream: NodeJS.WriteStream;
  #tensors = '';
  #complete = false;
  #latest: BytesEvent | null = null;
  #step = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  readonly onEvent = (event: FileEvent): void => {
    // It is the shorter half of the work: once is enough.
    if (event.type === 'measure' && event.done === event.tensors) this.#stream.write(`${measuring(event)}\n`);
    if (event.type === 'bytes') this.#latest = event;
    if (event.type === 'tensor') {
      this.#tensors = `${event.done} of ${event.tensors} tensors, `;
      this.#complete = event.done === event.tensors;
    }
    // The last tensor is counted after the last bytes.
    if (event.type === 'bytes' ? event.done < event.bytes : this.#complete) this.#write();
  };

  readonly stop = (): void => undefined;

  #write(): void {
    const latest = this.#latest;
    if (latest === null || latest.bytes === 0) return;
    const step = Math.floor((latest.done / latest.bytes) * PLAIN_STEPS);
    if (step === this.#step) return;
    this.#step = step;
    const percent = Math.floor((latest.done / latest.bytes) * 100);
    this.#stream.write(`${percent} %: ${this.#tensors}${summary(latest)}: ${printable(latest.tensor)}\n`);
  }
}
