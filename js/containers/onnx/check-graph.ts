import type { ByteSource } from '../../io/byte-io.js';
import { invalidFile, quoted } from '../invalid-file.js';
import { subgraphsOf, type Graph, type Model, type Node } from './graph.js';

/** Throws `invalid_file` where nodes of a graph wait for each other's outputs, or two have the same output. */
export function checkAcyclic({ graph }: Model, source: Pick<ByteSource, 'name'>): void {
  checkGraph(graph, source);
}

function checkGraph({ nodes }: Graph, source: Pick<ByteSource, 'name'>): void {
  const makers = new Map<string, number>();
  for (const [index, node] of nodes.entries()) {
    for (const subgraph of subgraphsOf(node)) checkGraph(subgraph, source);
    for (const output of node.outputs) {
      if (output === '') continue;
      if (makers.has(output)) throw invalidFile(source, `two nodes have the output ${quoted(output)}`);
      makers.set(output, index);
    }
  }
  const cyclic = firstOfCycle(nodes, makers);
  if (cyclic !== null) {
    throw invalidFile(
      source,
      `node ${quoted(cyclic.name ?? cyclic.opType)} needs its own output, directly or by way of others`,
    );
  }
}

interface Waiting {
  readonly node: Node;
  /** Nodes of the graph that it needs outputs of, as far as they are not done. */
  needs: number;
  readonly users: Waiting[];
}

/** Takes away nodes all of whose inputs are there, until none is left, or one of a cycle. */
function firstOfCycle(nodes: readonly Node[], makers: ReadonlyMap<string, number>): Node | null {
  const all = nodes.map((node): Waiting => ({ node, needs: 0, users: [] }));
  for (const one of all) {
    for (const index of new Set(usedNames(one.node).map((name) => makers.get(name)))) {
      const maker = index === undefined ? undefined : all[index];
      if (maker === undefined) continue;
      maker.users.push(one);
      ++one.needs;
    }
  }
  const ready = all.filter(({ needs }) => needs === 0);
  for (let one = ready.pop(); one !== undefined; one = ready.pop()) {
    for (const user of one.users) if (--user.needs === 0) ready.push(user);
  }
  return all.find(({ needs }) => needs > 0)?.node ?? null;
}

/** Names that a node needs: its inputs, and what its branches take from outside. */
function usedNames(node: Node): readonly string[] {
  return [...node.inputs, ...subgraphsOf(node).flatMap(outerNames)];
}

/** Names that a graph uses and does not define. */
function outerNames({ nodes, inputs, initializers, outputs }: Graph): readonly string[] {
  const own = new Set([...inputs, ...initializers].map(({ name }) => name ?? ''));
  for (const node of nodes) for (const output of node.outputs) own.add(output);
  const used = new Set([...nodes.flatMap(usedNames), ...outputs.map(({ name }) => name)]);
  return [...used].filter((name) => !own.has(name));
}
