import os from 'node:os';

/** What the figures were measured on. */
export function describeMachine() {
  const [first] = os.cpus();
  return {
    processor: first?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()}`,
    runtime: `Node ${process.versions.node}, V8 ${process.versions.v8}`,
    date: new Date().toISOString().slice(0, 10),
  };
}
