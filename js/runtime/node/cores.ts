import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Where Linux tells a container how much of the processors it may have: version 2 of control groups, and version 1. */
const QUOTAS = [
  ['/sys/fs/cgroup/cpu.max'],
  ['/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '/sys/fs/cgroup/cpu/cpu.cfs_period_us'],
] as const;

/**
 * The processors that `quota` leaves of `cores`, rounded up: time that may be taken in each period, as in `200000 100000`.
 * What is no such pair (`max 100000`, `-1 100000`) leaves all of them.
 */
export function coresWithin(quota: string, cores: number): number {
  const [, time, period] = /^(\d+)\s+(\d+)\s*$/u.exec(quota) ?? [];
  const allowed = Math.ceil(Number(time) / Number(period));
  return allowed >= 1 ? Math.min(allowed, cores) : cores;
}

/** Cores that this process can keep busy. Node itself counts those of the host in a container that may use two of them. */
export function availableCores(): number {
  let cores = availableParallelism();
  if (process.platform !== 'linux') return cores;
  for (const files of QUOTAS) {
    try {
      cores = coresWithin(files.map((file) => readFileSync(file, 'utf8').trim()).join(' '), cores);
    } catch {
      // Not this version, or not to be read here: no quota is known.
    }
  }
  return cores;
}
