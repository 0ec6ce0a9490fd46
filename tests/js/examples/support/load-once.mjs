/** Loads a model with the example's loader and says what came of it: `load-once.mjs LOADER URL CACHE_FOLDER`. */
const [loader, url, cacheFolder] = process.argv.slice(2);
const { loadQuantized } = await import(loader);
const model = await loadQuantized(url, { type: 'Q8_0', cacheFolder });
const [name] = model.names;
const values = await model.get(name);
console.log(JSON.stringify({ fromCache: model.fromCache, file: model.file, values: values.length }));
