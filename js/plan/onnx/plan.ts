/** What becomes of an ONNX model: its graph is rewritten, and its tensors become what the nodes of the new one take. */

import type { Container, FileLayout, PlannedEntry } from '../../containers/container.js';
import { dataTypeName } from '../../containers/onnx/data-types.js';
import type { Model as Graphs, OnnxTensor } from '../../containers/onnx/graph.js';
import { layOutModel, type OnnxForm } from '../../containers/onnx/write/lay-out.js';
import { onnx } from '../../containers/onnx/onnx.js';
import { carriesModel } from '../../containers/onnx/opened-files.js';
import { QuantizeError } from '../../errors.js';
import type { OutputLayout } from '../../layouts/layout.js';
import type { PlannedTensor } from '../../layouts/tensor.js';
import type { Model } from '../../models/model.js';
import type { ConversionPlan } from '../plan.js';
import { droppedTensor } from '../report.js';
import { bytesOf, stepsOf, type GraphStep } from './steps.js';

/** What rewrites a model. */
export interface Rewriting {
  /** What was asked for, for reports: `q4`. */
  readonly type: string;
  /** The model as it is to be; why weights stayed what they are is added to `kept`. Throws for what cannot be done. */
  readonly rewrite: (model: Graphs, kept: Map<OnnxTensor, string>) => Graphs;
  readonly fillsWithZeroPoints: boolean;
  readonly form: OnnxForm;
  readonly notes: readonly string[];
}

/** Plans the output of a rewritten model. Throws `unsupported_model` for what is no ONNX model, and as `rewrite` does. */
export function planOnnx(model: Model, { type, rewrite, fillsWithZeroPoints, form, notes }: Rewriting): ConversionPlan {
  if (!carriesModel(model.carried)) {
    const detail = 'an ONNX file has the graph of a model in it, which only another ONNX file has';
    throw new QuantizeError('unsupported_model', { file: model.name, detail });
  }
  const graphs = model.carried.model;
  const kept = new Map<OnnxTensor, string>();
  const output = rewrite(graphs, kept);
  const all = stepsOf(output, { model, graphs, kept, fillsWithZeroPoints });
  const steps = all.map(({ step }) => step);
  const used = new Set(all.flatMap(({ step }) => [step.stored, step.origin].map((one) => one?.name)));
  return {
    container: containerOf(output, all, form),
    layout: layoutOf(all),
    ...{ steps, facts: [], limits: undefined, splitBytes: undefined, staleTexts: [], architecture: null },
    ...{ opensIn: [], notIn: [], type, notes, warnings: [] },
    dropped: model.tensors.filter(({ name }) => !used.has(name)).map((tensor) => droppedTensor(tensor, 'not used')),
  };
}

const NO_STREAM =
  'weights lie among the nodes of an ONNX file and are ready in another order, which a stream cannot take; write to a path or a handle';

/** Lays out this one model. */
function containerOf(output: Graphs, steps: readonly GraphStep[], form: OnnxForm): Container {
  return {
    ...onnx,
    takesFileTypes: false,
    holds: () => true,
    partNames: (file) => [file, `${file}_data`],
    layOut: ({ file, inOrder }): FileLayout => {
      if (inOrder) throw new QuantizeError('invalid_option', { file, detail: NO_STREAM });
      const { files, places } = layOutModel(output, form, file);
      const placeOf = (tensor: OnnxTensor): FileLayout['places'][number] => {
        const place = places.get(tensor);
        if (place === undefined) throw new RangeError(`the tensor ${tensor.name ?? ''} has no place`);
        return [place];
      };
      const filled = steps.map(({ entries }) => entries.flatMap(placeOf));
      if (filled.flat().length !== places.size) throw new RangeError('there is room that nothing is written into');
      return { files, places: filled };
    },
  };
}

/** The entries of this one model's tensors. */
function layoutOf(steps: readonly GraphStep[]): OutputLayout {
  const byTensor = new Map<PlannedTensor, GraphStep>(steps.map((one) => [one.step.planned, one]));
  const entriesOf = (tensor: PlannedTensor): PlannedEntry[] =>
    (byTensor.get(tensor)?.entries ?? []).map((entry) => ({
      name: entry.name ?? '',
      type: { name: dataTypeName(entry.dataType) },
      from: 'onnx',
      shape: entry.dims,
      bytes: bytesOf(entry),
    }));
  return {
    name: 'onnx',
    admits: () => null,
    entriesOf,
    partsOf: (tensor) => byTensor.get(tensor)?.parts ?? null,
    textsOf: () => new Map(),
  };
}
