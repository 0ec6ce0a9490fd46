/** What `arrowquant/arrow` promises to programs with apache-arrow; it is type-checked, never run. */
import { RecordBatch, Table, tableFromIPC, tableToIPC, type Float32, type List, type Utf8 } from 'apache-arrow';
import { ArrowQuant } from 'arrowquant';
import 'arrowquant/arrow';
import type { QuantizedColumns } from 'arrowquant/arrow';

type Weights = { layer_name: Utf8; weights: List<Float32> };

export async function useTables(bytes: Uint8Array, typed: Table<Weights>): Promise<void> {
  const quantizer = await ArrowQuant.create();
  const table = tableFromIPC(bytes);
  const result = await quantizer.quantizeBatchWithProgress(table, 4, null);
  await quantizer.quantizeBatch(typed, 4);
  for (const batch of typed.batches) await quantizer.quantizeBatch(batch, 4);
  const made: Table<QuantizedColumns> = result.toTable();
  const batch: RecordBatch<QuantizedColumns> = result.toRecordBatch({ zeroPoints: 'uint8' });
  console.log(tableToIPC(made, 'file').length, tableToIPC(new Table([batch])).length);
  const name: string | undefined = made.get(0)?.layer_name;
  for (const rows of [made, tableFromIPC<QuantizedColumns>(bytes)]) await quantizer.dequantize(rows.get(0));
  const restored: Float32Array = await quantizer.dequantize(table.get(0));
  // @ts-expect-error there is no such column
  console.log(name, restored.length, made.get(0)?.layerName);
  // @ts-expect-error levels are not what zero points can be stored as
  result.toTable({ zeroPoints: 'int4' });
}
