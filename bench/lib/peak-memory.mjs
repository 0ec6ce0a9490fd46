import { readFileSync } from 'node:fs';

/**
 * The most memory that this program ever had. Where the system tells it: `maxRSS` also counts what the process that
 * started this one had, before the program was loaded.
 */
export function peakBytes() {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024;
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
}
