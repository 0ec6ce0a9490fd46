import {
  Field,
  Float32,
  List,
  Table,
  Utf8,
  makeData,
  makeVector,
  tableFromIPC,
  tableToIPC,
  vectorFromArray,
} from 'apache-arrow';
import { ArrowQuant } from 'arrowquant';
import 'arrowquant/arrow';
import { measure, sampleWeights, withRatios } from '../lib/measure.mjs';

const LAYERS = 16;
const LAYER_WEIGHTS = 4 << 20;
const BITS = 4;
const MAP = 'a Map, output reused';

/** The layers as a table that has been read from an IPC stream, and as a Map of arrays in the same memory. */
function bothForms(all) {
  const names = Array.from({ length: LAYERS }, (_, i) => `layer.${String(i).padStart(2, '0')}.weight`);
  const child = makeData({ type: new Float32(), data: all });
  const valueOffsets = Int32Array.from({ length: LAYERS + 1 }, (_, i) => i * LAYER_WEIGHTS);
  const type = new List(new Field('item', new Float32(), true));
  const weights = makeVector(makeData({ type, length: LAYERS, valueOffsets, child }));
  const table = tableFromIPC(tableToIPC(new Table({ layer_name: vectorFromArray(names, new Utf8()), weights })));
  const { values } = table.getChild('weights').data[0].children[0];
  const arrays = names.map((name, i) => [name, values.subarray(i * LAYER_WEIGHTS, (i + 1) * LAYER_WEIGHTS)]);
  return { table, map: new Map(arrays) };
}

/** Arrow tables beside Maps of the same arrays. */
export async function arrow({ rounds }) {
  const { table, map } = bothForms(sampleWeights(LAYERS * LAYER_WEIGHTS));
  const bytes = LAYERS * LAYER_WEIGHTS * Float32Array.BYTES_PER_ELEMENT;
  const quantizer = await ArrowQuant.create({ threads: 2 });
  const output = await quantizer.quantizeBatch(map, BITS);
  const reused = (weights) => async () => void (await quantizer.quantizeBatch(weights, BITS, { output }));
  const fresh = (weights) => async () => void (await quantizer.quantizeBatch(weights, BITS));
  // Pair by pair: who comes after new arrays pays for their being collected.
  const pairs = [
    [
      { name: MAP, bytes, run: reused(map) },
      { name: 'a table, output reused', bytes, run: reused(table) },
    ],
    [
      { name: 'a Map, new arrays', bytes, run: fresh(map) },
      { name: 'a table, new arrays', bytes, run: fresh(table) },
    ],
    [
      { name: 'toTable()', bytes: 0, run: () => void output.toTable() },
      { name: 'toRecordBatch()', bytes: 0, run: () => void output.toRecordBatch() },
    ],
  ];
  const results = [];
  for (const pair of pairs) results.push(...(await measure(pair, rounds)));
  await quantizer.dispose();
  return {
    id: 'arrow',
    title: `Arrow tables: ${LAYERS} layers of ${LAYER_WEIGHTS / 2 ** 20} Mi weights to int${BITS} in groups of 128, 2 threads, ${bytes / 2 ** 20} MiB`,
    reference: MAP,
    results: withRatios(results, MAP),
  };
}
