/**
 * How long a model takes on a cluster, from what a gigabyte costs one core. Nothing is measured here: the same numbers give the
 * same times.
 *
 * @typedef {object} Cost for each gigabyte of the model, in a process
 * @property {number} coreSeconds of all its threads
 * @property {number} mainSeconds of the one thread that reads and writes, which a process has only one of
 * @property {number} outputRatio bytes that are written for each that is read
 *
 * @typedef {object} Cluster
 * @property {number} nodes
 * @property {number} cores of a node
 * @property {number} processes that a node runs at a time; they share its cores
 * @property {number} startSeconds from a task's turn until it reads weights
 * @property {number} storeGBps what the store sends in all
 * @property {number} nodeGBps what a node's network takes
 * @property {number} processGBps what a process gets with the requests that it has open
 * @property {number} diskGBps what a node writes
 *
 * @param {number} modelGB
 * @param {number} partGB of the model for each task
 * @param {Cost} cost
 * @param {Cluster} cluster
 * @returns {{seconds: number, limit: string, tasks: number}} `limit` is what most of the model waited for
 */
export function simulate(modelGB, partGB, cost, cluster) {
  const numbers = [modelGB, partGB, ...Object.values(cost), ...Object.values(cluster)];
  if (!numbers.every((number) => number >= 0)) throw new RangeError(`Not all of ${numbers.join(', ')} are numbers.`);
  const waiting = partsOf(modelGB, partGB);
  const tasks = waiting.length;
  const slots = Array.from({ length: cluster.nodes * cluster.processes }, (_, index) => index % cluster.nodes);
  const running = [];
  const byLimit = new Map();
  let now = 0;
  const begin = (node) => {
    if (waiting.length > 0) running.push({ node, left: waiting.shift(), ready: now + cluster.startSeconds });
  };
  for (const node of slots) begin(node);
  while (running.length > 0) {
    const reading = running.filter(({ ready }) => ready <= now);
    const rates = ratesOf(reading, cost, cluster);
    const ends = reading.map(({ left }, index) => now + left / rates[index].rate);
    const starts = running.filter(({ ready }) => ready > now).map(({ ready }) => ready);
    // Times of events, not what is added up to them: sums of rounded steps might never get there.
    const next = Math.min(...ends, ...starts);
    reading.forEach((task, index) => {
      const done = ends[index] <= next ? task.left : (next - now) * rates[index].rate;
      task.left -= done;
      byLimit.set(rates[index].limit, (byLimit.get(rates[index].limit) ?? 0) + done);
    });
    now = next;
    for (const task of reading.filter(({ left }) => left <= 0)) {
      running.splice(running.indexOf(task), 1);
      begin(task.node);
    }
  }
  const [limit] = [...byLimit].sort(([, a], [, b]) => b - a)[0];
  return { seconds: now, limit, tasks };
}

function partsOf(modelGB, partGB) {
  const parts = Array.from({ length: Math.floor(modelGB / partGB) }, () => partGB);
  const rest = modelGB - parts.length * partGB;
  return rest > 1e-9 ? [...parts, rest] : parts;
}

/** Gigabytes a second of each task, and what it cannot exceed: its share of the node's things, and then of the store. */
function ratesOf(tasks, cost, cluster) {
  const perNode = new Map();
  for (const { node } of tasks) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  const alone = tasks.map(({ node }) => {
    const sharing = perNode.get(node);
    return least({
      cores: cluster.cores / sharing / cost.coreSeconds,
      'one thread': 1 / cost.mainSeconds,
      requests: cluster.processGBps,
      'node network': cluster.nodeGBps / sharing,
      disk: cluster.diskGBps / sharing / cost.outputRatio,
    });
  });
  const share = fairShare(
    alone.map(({ rate }) => rate),
    cluster.storeGBps,
  );
  return alone.map((own) => (own.rate > share ? { rate: share, limit: 'store' } : own));
}

function least(rates) {
  const [limit, rate] = Object.entries(rates).reduce((a, b) => (b[1] < a[1] ? b : a));
  return { limit, rate };
}

/** The rate that nobody exceeds when `total` is shared among those who want these: who wants less leaves it to the others. */
function fairShare(wanted, total) {
  let left = total;
  const sorted = [...wanted].sort((a, b) => a - b);
  for (const [index, rate] of sorted.entries()) {
    const share = left / (sorted.length - index);
    if (rate > share) return share;
    left -= rate;
  }
  return Infinity;
}
