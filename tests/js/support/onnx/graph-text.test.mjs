import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { differences, graphText } from './graph-text.mjs';
import { differencesFromGolden, goldenModel, goldenOutputs, goldenRuns, writeExternalModel } from './golden.mjs';
import { decodeModel, encodeModel } from './schema.mjs';

const kModels = ['bert', 'cnn', 'decoder', 'decoder_op21'];

/** The text of a golden model after `change`, and that of the model itself. */
function changed(model, change) {
  const file = readFileSync(goldenModel(model));
  const decoded = decodeModel(Uint8Array.from(file));
  change(decoded);
  return [graphText(file), graphText(encodeModel(decoded))];
}

const nodeOf = ({ graph }, opType) => graph.node.find((node) => node.opType === opType);
const branchOf = (model, name) => nodeOf(model, 'If').attribute.find((it) => it.name === name).g;

describe('texts of graphs', () => {
  test.each(kModels)('%s: one file has one text, which protobufjs writes again', (model) => {
    const [text, again] = changed(model, () => {});
    expect(again).toBe(text);
    expect(differences(text, again)).toEqual([]);
    expect(text).not.toMatch(/ early /);
  });

  const kEqual = {
    'initializers in another order': ({ graph }) => graph.initializer.reverse(),
    'numbers in fields of their type': ({ graph }) => {
      const tensor = graph.initializer.find(({ dataType }) => dataType === 1);
      const bytes = Buffer.from(tensor.rawData);
      tensor.floatData = Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index));
      tensor.rawData = Buffer.alloc(0);
    },
    'attributes in another order': (model) => nodeOf(model, 'Conv').attribute.reverse(),
    'the long name of the domain': (model) => (nodeOf(model, 'Conv').domain = 'ai.onnx'),
    'another name of the graph': ({ graph }) => (graph.name = 'other'),
  };
  test.each(Object.entries(kEqual))('are equal for %s', (_, change) => {
    const [text, other] = changed('cnn', change);
    expect(differences(text, other)).toEqual([]);
  });

  const kDifferent = {
    'another version of the format': (model) => (model.irVersion = '9'),
    'another opset': (model) => (model.opsetImport[0].version = '12'),
    'one more opset': (model) => model.opsetImport.push({ domain: 'com.microsoft', version: '1' }),
    'one byte of a weight': ({ graph }) => (graph.initializer[0].rawData[1] ^= 1),
    'the shape of a weight': ({ graph }) => graph.initializer[0].dims.push('1'),
    'the name of a weight': ({ graph }) => (graph.initializer[0].name += '_'),
    'the type of an output': ({ graph }) => (graph.output[0].type.tensorType.elemType = 10),
    'outputs in another order': ({ graph }) => graph.output.reverse(),
    'the name of a node': ({ graph }) => (graph.node[0].name += '_'),
    'the domain of a node': (model) => (nodeOf(model, 'Conv').domain = 'com.microsoft'),
    'an attribute': (model) => (nodeOf(model, 'Conv').attribute.find(({ ints }) => ints.length > 0).ints[0] = '7'),
    'the inputs of a node': ({ graph }) => graph.node.find(({ input }) => input.length > 1).input.reverse(),
    'a node that is missing': ({ graph }) => graph.node.pop(),
    'a node that is there twice': ({ graph }) => graph.node.push(graph.node.at(-1)),
    'an order of nodes that cannot run': ({ graph }) => graph.node.reverse(),
  };
  test.each(Object.entries(kDifferent))('differ by %s', (_, change) => {
    const [text, other] = changed('cnn', change);
    expect(differences(text, other)).not.toEqual([]);
  });

  test('differ by what lies in branches', () => {
    const changes = [
      (model) => (branchOf(model, 'then_branch').node[0].name += '_'),
      (model) => (branchOf(model, 'else_branch').initializer[0].rawData[0] ^= 1),
      (model) => branchOf(model, 'else_branch').node.reverse(),
    ];
    for (const change of changes) expect(differences(...changed('decoder', change))).not.toEqual([]);
  });

  test('bytes that do not fill the shape are told', () => {
    expect(() => changed('cnn', ({ graph }) => (graph.initializer[0].dims[0] = '99'))).toThrow(/ bytes, not /);
  });
});

describe('golden files', () => {
  let folder;
  beforeAll(() => (folder = mkdtempSync(path.join(tmpdir(), 'golden-onnx-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('external data are read, and are the bytes of the original', () => {
    const file = writeExternalModel(folder);
    expect(graphText(readFileSync(file), folder)).toBe(graphText(readFileSync(goldenModel('bert'))));
    const hash = createHash('sha256')
      .update(readFileSync(`${file}_data`))
      .digest('hex');
    expect(hash).toBe('160e0679a30602427c05c4802a95bab2e20d73417c615ac0a113c797120c2979');
  });

  test('a file is compared as its golden one says', () => {
    const bytes = readFileSync(goldenModel('cnn'));
    const golden = {
      text: graphText(bytes),
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
    const other = path.join(folder, 'other.onnx');
    writeFileSync(other, Buffer.concat([bytes, Buffer.from([0x32, 0])]));
    expect(differencesFromGolden(goldenModel('cnn'), { ...golden, compare: 'onnx-bytes' })).toEqual([]);
    expect(differencesFromGolden(other, { ...golden, compare: 'onnx-graph' })).toEqual([]);
    expect(differencesFromGolden(other, { ...golden, compare: 'onnx-bytes' })).toEqual(['other bytes']);
    expect(differencesFromGolden(goldenModel('decoder'), { ...golden, compare: 'onnx-graph' })).not.toEqual([]);
  });

  test('there are outputs and runs of every model', () => {
    for (const model of kModels) {
      const outputs = Object.entries(goldenOutputs(model));
      expect(outputs.length).toBeGreaterThan(4);
      const runs = [...goldenRuns(model).keys()];
      expect(runs.some((name) => name.startsWith('input.'))).toBe(true);
      for (const [name, { text }] of outputs) {
        expect(text).toMatch(/^graph initializer /m);
        const shortName = name.replace('/', '__').replace('.onnx', '');
        if (/onnx$/.test(name)) expect(runs).toContainEqual(expect.stringContaining(`output.${shortName}.`));
      }
    }
  });
});
