import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ArrowQuant } from '../../../dist/index.js';
import { inProject } from '../../../tools/lib/paths.mjs';
import { readModel } from '../../js/support/models/safetensors.mjs';
import { torchFile } from '../../js/support/models/torch.mjs';
import { writeSmallModel } from '../../places/model.mjs';
import { openPlace } from './places.mjs';

const kKinds = { safetensors: { bits: 4 }, gguf: { type: 'Q4_K_M' } };

/**
 * The tests of files in one kind of place.
 *
 * @param {{privateFiles: boolean}} where whether the browser has a private file system for pages
 */
export function describeFiles(setting, { site, scope, privateFiles }) {
  describe(`files in ${scope === 'page' ? 'a page' : 'a Worker'} of the site "${site}"`, () => {
    const expected = {};
    let folder;
    let model;
    let place;

    beforeAll(async () => {
      folder = mkdtempSync(inProject('build/places-'));
      model = path.join(folder, 'model.safetensors');
      const tensors = writeSmallModel(model);
      writeFileSync(path.join(folder, 'model.ckpt'), torchFile([...readModel(readFileSync(model)).tensors.values()]));
      const quantizer = await ArrowQuant.create();
      for (const [kind, options] of Object.entries(kKinds)) {
        const output = path.join(folder, `expected.${kind}`);
        await quantizer.quantizeFile(model, output, options);
        const digest = createHash('sha256').update(readFileSync(output)).digest('hex');
        expected[kind] = { tensors, once: true, rising: true, last: 1, digest };
      }
      await quantizer.dispose();
      const { browser, server } = setting();
      place = await openPlace(browser, server, { site, scope });
    }, 120_000);

    afterAll(async () => {
      await place?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const address = (file = model) => `/${site}/${path.relative(inProject('.'), file)}`;
    // A stream takes bytes in order; safetensors files with levels are not written so.
    const ways = [
      ['fileToStream', 'gguf'],
      ['addressToStream', 'gguf'],
      ...(privateFiles ? Object.keys(kKinds).map((kind) => ['fileToPrivateFile', kind]) : []),
    ];

    test.each(ways)("%s gives Node's bytes (%s)", async (way, kind) => {
      expect(await place.run(way, { model: address(), options: kKinds[kind] })).toEqual(expected[kind]);
    });

    // What reads it is loaded then.
    test.each(['fileToStream', 'addressToStream'])("%s gives Node's bytes (from a PyTorch checkpoint)", async (way) => {
      const checkpoint = address(path.join(folder, 'model.ckpt'));
      expect(await place.run(way, { model: checkpoint, options: kKinds.gguf })).toEqual(expected.gguf);
    });

    if (privateFiles) {
      test("privateFolders gives Node's bytes, from a folder to a folder", async () => {
        const [from, to] = ['in', 'out'].map((name) => path.join(folder, name));
        const config = '{"model_type":"llama"}';
        mkdirSync(from);
        copyFileSync(model, path.join(from, 'model.safetensors'));
        writeFileSync(path.join(from, 'config.json'), config);
        const options = { format: 'mlx', groupSize: 32, architecture: 'none' };
        const quantizer = await ArrowQuant.create();
        const { tensors } = await quantizer.quantizeFile(from, to, options);
        await quantizer.dispose();
        const hashed = readdirSync(to).map((name) => {
          return [
            name,
            createHash('sha256')
              .update(readFileSync(path.join(to, name)))
              .digest('hex'),
          ];
        });
        const found = await place.run('privateFolders', { model: address(), config, options });
        expect(found).toEqual({ tensors: tensors.length, files: Object.fromEntries(hashed) });
      });
    }

    test('tells bad files by code', async () => {
      const codes = ['invalid_file', 'invalid_file', 'unreadable_input'];
      expect(await place.run('badFiles', { model: address() })).toEqual(codes);
    });

    test('leaves no error and no breach of the strict policy behind', async () => {
      expect(await place.run('complaints')).toEqual([]);
    });
  });
}
