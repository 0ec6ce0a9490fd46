import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** The number of the process of this machine that has the TCP connection from `port` of 127.0.0.1. */
export function processAtPort(port) {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n');
  const fields = lines.map((line) => line.trim().split(/\s+/)).find(([, local]) => local === address);
  const socket = `socket:[${fields?.[9]}]`;
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = processes.find((name) => filesOf(name).includes(socket));
  if (found === undefined) throw new Error(`No process has a connection from port ${port}.`);
  return Number(found);
}

/** A variable of a process's environment, as it was when it began. */
export function variableOf(process, name) {
  const variables = readFileSync(`/proc/${process}/environ`, 'utf8').split('\0');
  return variables.find((variable) => variable.startsWith(`${name}=`))?.slice(name.length + 1);
}

function filesOf(name) {
  try {
    return readdirSync(`/proc/${name}/fd`).map((file) => readlinkSync(`/proc/${name}/fd/${file}`));
  } catch {
    // It has ended, or closed the file, since it was listed.
    return [];
  }
}
