import { nodeFiles, openModel } from '../../../support/internals.mjs';

/** The tensors of a file as they are read, `{ name, dtype, shape, bytes }`. */
export async function readTensors(file) {
  const source = await nodeFiles.openSource(file);
  const model = await openModel(source);
  try {
    return await Promise.all(
      model.tensors.map(async ({ name, shape, dtype, planes }) => {
        const [[{ begin, bytes }]] = planes;
        const read = Buffer.alloc(bytes);
        await source.read(read, begin);
        return { name, dtype, shape, bytes: read };
      }),
    );
  } finally {
    await model.close();
  }
}
