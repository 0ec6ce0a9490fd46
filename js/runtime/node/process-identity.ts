import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { fieldsOf } from '../../checks.js';
import { codeOf } from '../failures.js';

/** No system has larger ones. */
const MAX_PID = 2 ** 31 - 1;

/** A process, so that others can tell whether it still runs. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, as the system counts: process numbers are used again. */
  readonly started: string | null;
  /** Where the number counts: a boot of a machine and a namespace in it (a container has its own), else a host. */
  readonly place: string;
}

/** The place of a process that may not ask where it is: nobody else's, so that it takes every other process for foreign. */
const unknownPlace = `unknown (${randomBytes(8).toString('hex')})`;

/** Where the numbers of the processes that we see count. */
const ownPlace = (): string => {
  const boot = readText('/proc/sys/kernel/random/boot_id')?.trim();
  return boot === undefined ? (hostName() ?? unknownPlace) : `${boot} ${namespaceOf('self') ?? ''}`;
};

export const ownIdentity = (): ProcessIdentity => ({
  ...{ pid: process.pid, started: startOf(process.pid), place: ownPlace() },
});

/** The identity that `value` describes; null when it is none. */
export function parseIdentity(value: unknown): ProcessIdentity | null {
  const { pid, started, place } = fieldsOf(value);
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1 || pid > MAX_PID) return null;
  return {
    pid,
    started: typeof started === 'string' ? started : null,
    place: typeof place === 'string' ? place : 'an unknown place',
  };
}

/** Whether a process of this place runs; so it is taken to where the system does not tell. */
export function isRunning({ pid, started }: Omit<ProcessIdentity, 'place'>): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
  }
  const now = startOf(pid);
  return started === null || now === null || now === started;
}

export const isOfThisPlace = ({ place }: Pick<ProcessIdentity, 'place'>): boolean => place === ownPlace();

/** A short stand-in for `text` in names of files. */
export const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

/** When a process started; null where the system does not tell. */
function startOf(pid: number): string | null {
  const text = readText(`/proc/${pid}/stat`);
  // The program's name, in parentheses, may hold anything; the start is the 20th number after it.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

/** Null where it may not be asked for, as in Deno without --allow-sys. */
function hostName(): string | null {
  try {
    return hostname();
  } catch {
    return null;
  }
}

function namespaceOf(process: string): string | null {
  try {
    return readlinkSync(`/proc/${process}/ns/pid`);
  } catch {
    return null;
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
