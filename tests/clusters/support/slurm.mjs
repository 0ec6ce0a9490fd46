import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startTree } from '../../../tools/lib/process-tree.mjs';
import { findNeed } from '../../../tools/setup/needs.mjs';
import { runProgram } from '../../places/installed.mjs';

const kNodes = ['node1', 'node2'];
/** What the nodes say that they have: jobs may ask for more than this machine has. */
const kNodeHas = 'CPUs=8 RealMemory=8000';
const kStartSeconds = 60;
const kPauseMilliseconds = 100;

/**
 * A Slurm with a controller and two nodes, all of it on this machine, as the user who runs the tests, and in a folder of
 * its own.
 *
 * `run(program, parameters, options)` runs one of Slurm's programs, or one that calls them, and resolves to what it printed.
 * `states(job)` has the states of a job's tasks, by their names such as `3_1`. `until(what, look, seconds)` waits until `look`
 * has something to return, and throws with all logs when that takes too long. `logs()` are those of the daemons, and of jobs in `jobsFolder`.
 * `end()` ends jobs and daemons.
 */
export async function startSlurm(jobsFolder) {
  // Slurm's settings know no names with spaces.
  const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-slurm-'));
  const env = { ...process.env, SLURM_CONF: path.join(folder, 'slurm.conf') };
  const run = (program, parameters, options = {}) =>
    runProgram(program, parameters, { ...options, env: { ...env, ...options.env } }).then(({ stdout }) =>
      stdout.trim(),
    );
  const daemons = [];
  let fault = null;
  const start = (name, program, parameters) => {
    const log = openSync(path.join(folder, `${name}.log`), 'a');
    const daemon = startTree(program, parameters, { cwd: folder, env, stdio: ['ignore', log, log] });
    closeSync(log);
    daemons.push(daemon);
    void daemon.ended.then((problem) => (fault ??= `${name} ${problem ?? 'has ended'}`));
  };
  const cluster = {
    run,
    states: async (job) => statesOf(await run('squeue', ['-h', '--array', '--states=all', '-o', '%i %T', '-j', job])),
    until: (what, look, seconds) => until(what, look, seconds, { fault: () => fault, logs: cluster.logs }),
    logs: () => [folder, jobsFolder].map(logsOf).join('\n'),
    async end() {
      // What runs in a job is ended with the daemon of its node.
      for (const daemon of daemons.reverse()) await daemon.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await writeSettings(folder, await run(daemonOf('slurmd'), ['-V']));
    startDaemons(folder, start);
    const isReady = async () => (await run('sinfo', ['-h', '-o', '%T %D'])) === `idle ${kNodes.length}`;
    // Until the controller listens, its programs fail.
    await cluster.until('both nodes are idle', () => isReady().catch(() => false), kStartSeconds);
    return cluster;
  } catch (error) {
    await cluster.end();
    throw error;
  }
}

async function writeSettings(folder, about) {
  const at = (name) => path.join(folder, name);
  const host = hostname().split('.')[0];
  const [controllerPort, ...nodePorts] = await freePorts(1 + kNodes.length);
  const nodes = kNodes.map(
    (name, index) => `NodeName=${name} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${nodePorts[index]} ${kNodeHas}`,
  );
  for (const name of ['state', ...kNodes]) mkdirSync(at(name));
  writeFileSync(at('munge.key'), randomBytes(1024), { mode: 0o600 });
  const settings = [
    'ClusterName=tests',
    `SlurmctldHost=${host}(127.0.0.1)`,
    `SlurmctldPort=${controllerPort}`,
    `SlurmUser=${process.getuid()}`,
    `SlurmdUser=${process.getuid()}`,
    'AuthType=auth/munge',
    // Tasks that are requeued wait until their credentials have expired: two minutes, if nothing is said.
    `AuthInfo=socket=${at('munge.socket')},cred_expire=5`,
    `StateSaveLocation=${at('state')}`,
    `SlurmdSpoolDir=${at('%n')}`,
    `SlurmctldPidFile=${at('slurmctld.pid')}`,
    `SlurmdPidFile=${at('slurmd-%n.pid')}`,
    // No control groups, no accounting, no MPI: in a container there may be none of them.
    'ProctrackType=proctrack/linuxproc',
    'TaskPlugin=task/none',
    'JobAcctGatherType=jobacct_gather/none',
    'MpiDefault=none',
    // Looked at every second; otherwise a task that is requeued waits half a minute.
    'SchedulerType=sched/builtin',
    'SchedulerParameters=sched_interval=1',
    'SelectType=select/cons_tres',
    'SelectTypeParameters=CR_CPU_Memory',
    'SlurmdParameters=config_overrides',
    'ReturnToService=2',
    'KillWait=2',
    ...nodes,
    'PartitionName=all Nodes=ALL Default=YES State=UP',
    '',
  ];
  writeFileSync(at('slurm.conf'), settings.join('\n'));
  // Version 22 cannot do without a plugin; the one for v1 looks for nothing before it is asked to.
  const [, version] = /(\d+)\./.exec(about);
  writeFileSync(at('cgroup.conf'), `CgroupPlugin=${Number(version) < 23 ? 'cgroup/v1' : 'disabled'}\n`);
}

function startDaemons(folder, start) {
  const at = (name) => path.join(folder, name);
  const files = ['socket', 'key', 'pid', 'seed'].map((name) => [name, at(`munge.${name}`)]);
  start('munged', findNeed('munge'), [
    '--foreground',
    // The folder is in one that everybody may write to.
    '--force',
    '--origin=127.0.0.1',
    `--log-file=${at('munged-itself.log')}`,
    ...files.map(([name, file]) => `--${name === 'socket' ? name : `${name}-file`}=${file}`),
  ]);
  start('slurmctld', daemonOf('slurmctld'), ['-D', '-i']);
  for (const name of kNodes) start(name, daemonOf('slurmd'), ['-D', '-N', name]);
}

/** Daemons lie where users do not look for programs. */
const daemonOf = (name) => path.join(path.dirname(findNeed('slurm')), name);

/** Ports that nobody listens at. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  const listening = servers.map((server) => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve)));
  await Promise.all(listening);
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function until(what, look, seconds, { fault, logs }) {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (fault() !== null) throw new Error(`Before ${what}: ${fault()}.\n${logs()}`);
    if (performance.now() > deadline) throw new Error(`Not within ${seconds} s: ${what}.\n${logs()}`);
    await wait(kPauseMilliseconds);
  }
}

const statesOf = (lines) =>
  Object.fromEntries(lines.split('\n').flatMap((line) => (line === '' ? [] : [line.trim().split(' ')])));

function logsOf(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.log'));
  return names.map((name) => `== ${name}\n${readFileSync(path.join(folder, name), 'utf8').slice(-4000)}`).join('\n');
}
