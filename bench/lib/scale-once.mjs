/**
 * `node scale-once.mjs SOURCE TYPE OUTPUT`: converts SOURCE (`memory:FILE`, a path or a URL) once, as a part and with one thread, into a
 * folder of its own, and prints as JSON the processor time that it took, that of the main thread alone, and the output's bytes.
 */
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { ArrowQuant } from 'arrowquant';

const [given, type, output] = process.argv.slice(2);
const source = given.startsWith('memory:') ? readFileSync(given.slice('memory:'.length)) : given;

/** Seconds of the processor that the main thread has had; Linux counts them in hundredths. */
function mainSeconds() {
  const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const quantizer = await ArrowQuant.create({ threads: 1 });
mkdirSync(path.dirname(output));
// General rules: no program has to open it.
const options = { type, metrics: false, durability: 'none', architecture: 'none', splitSize: 1e12, part: 1 };
// What is done once in a program's life does not count.
await quantizer.plan(source, { ...options, container: 'gguf' });
const [cpu, main] = [process.cpuUsage(), mainSeconds()];
await quantizer.quantizeFile(source, output, options);
const { user, system } = process.cpuUsage(cpu);
const told = { coreSeconds: (user + system) / 1e6, mainSeconds: mainSeconds() - main, bytes: statSync(output).size };
await quantizer.dispose();
rmSync(path.dirname(output), { recursive: true });
process.stdout.write(JSON.stringify(told));
