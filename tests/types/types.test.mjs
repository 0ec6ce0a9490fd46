import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeProjectWithPackage, runProgram } from '../places/installed.mjs';

const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/** What a program may know of its surroundings. */
const kPage = { program: 'dom', lib: ['ES2022', 'DOM'], types: [] };
const kNode = { program: 'node', lib: ['ES2022'], types: ['node'] };

/** How a project finds modules, the kinds of files it has, and where it runs. TypeScript 7 has no node10 any more. */
const kNode16 = { name: 'node16', module: 'node16', kinds: ['mts', 'cts'], surroundings: [kPage, kNode] };
const kBundler = { name: 'bundler', module: 'esnext', kinds: ['ts'], surroundings: [kPage] };
const kNode10 = { name: 'node10', module: 'commonjs', kinds: ['ts'], surroundings: [kPage, kNode] };

/** The types of Node are those that its authors tested with the TypeScript of the time. */
const kCompilers = [
  { version: '5.0', nodeTypes: 'node-types-of-2023', resolutions: [kNode16, kBundler, kNode10] },
  { version: '5.2', nodeTypes: 'node-types-of-2023', resolutions: [kNode16, kBundler, kNode10] },
  { version: '5.4', nodeTypes: 'node-types-of-2023', resolutions: [kNode16, kBundler, kNode10] },
  { version: '5.6', nodeTypes: 'node-types-of-2023', resolutions: [kNode16, kBundler, kNode10] },
  { version: '5.9', nodeTypes: '@types/node', resolutions: [kNode16, kBundler, kNode10] },
  { version: '7', nodeTypes: '@types/node', resolutions: [kNode16, kBundler] },
];

/** Who has which program: `since` is the oldest TypeScript that understands it, `only` the program that it belongs to. */
const kSources = [
  { name: 'exports', since: 5.0 },
  { name: 'dom', since: 5.0, only: 'dom' },
  { name: 'dom-young', since: 5.2, only: 'dom' },
  { name: 'node', since: 5.0, only: 'node' },
  { name: 'disposing', since: 5.2 },
  { name: 'buffers', since: 5.7 },
];

let project;
let manifest;

beforeAll(async () => {
  project = await makeProjectWithPackage();
  symlinkSync(here('../../node_modules/apache-arrow'), path.join(project.folder, 'node_modules/apache-arrow'));
  manifest = JSON.parse(readFileSync(path.join(project.folder, 'node_modules/arrowquant/package.json'), 'utf8'));
}, 120_000);
afterAll(() => project?.remove());

/** The entry points that export what the package itself does. */
const twins = () =>
  Object.entries(manifest.exports)
    .filter(
      ([entry, target]) => !['.', './wasm', './arrow'].includes(entry) && JSON.stringify(target).includes('.d.ts'),
    )
    .map(([entry]) => entry.slice('./'.length));

/** A project's sources: `name.mts`, `name.cts` or `name.ts`, as its kinds of files are. */
function writeSources(folder, { kinds }, program, version) {
  const write = (name, kind, text) => writeFileSync(path.join(folder, `${name}.${kind}`), text);
  for (const kind of kinds) {
    for (const { name, since, only = program } of kSources) {
      if (only !== program || Number(version) < since) continue;
      write(name, kind, readFileSync(here(`usage/${name}.ts`), 'utf8'));
    }
    if (kind === 'cts') {
      copyFileSync(here('usage/wasm-from-commonjs.cts'), path.join(folder, 'wasm-from-commonjs.cts'));
      continue;
    }
    write('wasm', kind, readFileSync(here('usage/wasm.ts'), 'utf8'));
    for (const twin of twins()) {
      const text = readFileSync(here('usage/exports.ts'), 'utf8');
      write(twin.replaceAll('/', '-'), kind, text.replace("from 'arrowquant'", `from 'arrowquant/${twin}'`));
    }
  }
}

/** What the compiler says to a strict program that looks into the declarations of its packages, too. */
function compile(compiler, resolution, surroundings) {
  const folder = path.join(project.folder, `${compiler.version} ${resolution.name} ${surroundings.program}`);
  mkdirSync(folder);
  writeSources(folder, resolution, surroundings.program, compiler.version);
  return runCompiler(folder, compiler, resolution, { ...surroundings, skipLibCheck: false });
}

/** The same of a program with apache-arrow, whose declarations are not ours to check. */
function compileArrow(compiler, resolution) {
  const folder = path.join(project.folder, `${compiler.version} ${resolution.name} arrow`);
  mkdirSync(folder);
  for (const kind of resolution.kinds) copyFileSync(here('usage/arrow.ts'), path.join(folder, `arrow.${kind}`));
  return runCompiler(folder, compiler, resolution, { ...kPage, skipLibCheck: true });
}

function runCompiler(folder, { version, nodeTypes }, resolution, { lib, types, skipLibCheck }) {
  mkdirSync(path.join(folder, 'node_modules/@types'), { recursive: true });
  symlinkSync(here(`node_modules/${nodeTypes}`), path.join(folder, 'node_modules/@types/node'));
  const compilerOptions = {
    ...{ target: 'ES2022', lib, types, module: resolution.module, moduleResolution: resolution.name },
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ skipLibCheck, esModuleInterop: true, noEmit: true },
  };
  const include = ['*.ts', '*.mts', '*.cts'];
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }));
  const compiler = here(`node_modules/typescript-${version}/bin/tsc`);
  return runProgram(process.execPath, [compiler, '-p', folder], { cwd: folder }).then(
    ({ stdout }) => stdout,
    (error) => error.message,
  );
}

test('the programs use everything that the entry points export', () => {
  const unused = ['index', 'wasm/index'].flatMap((entry) => {
    const declarations = readFileSync(path.join(project.folder, `node_modules/arrowquant/dist/${entry}.d.ts`), 'utf8');
    const program = readFileSync(here(`usage/${entry === 'index' ? 'exports' : 'wasm'}.ts`), 'utf8');
    const lists = [...declarations.matchAll(/export (?:type )?\{([^}]*)\}/g)].map(([, list]) => list);
    const names = lists.flatMap((list) => list.split(',')).map((name) => name.replace(/\btype\b|.* as /, '').trim());
    expect(names.length).toBeGreaterThan(5);
    return names.filter((name) => (program.match(new RegExp(`\\b${name}\\b`, 'g')) ?? []).length < 2);
  });
  expect(unused).toEqual([]);
});

describe.each(kCompilers)('TypeScript $version', (compiler) => {
  test.each(compiler.resolutions)('understands all declarations, modules found as $name', async (resolution) => {
    const { surroundings } = resolution;
    const said = await Promise.all(surroundings.map((known) => compile(compiler, resolution, known)));
    expect(said).toEqual(surroundings.map(() => ''));
  });
});

/** The oldest and the newest, since apache-arrow's declarations take a while. */
const kWithArrow = kCompilers.filter(({ version }) => ['5.0', '7'].includes(version));

test.each(kWithArrow)('TypeScript $version knows apache-arrow where arrowquant/arrow is imported', async (compiler) => {
  const said = await Promise.all(compiler.resolutions.map((resolution) => compileArrow(compiler, resolution)));
  expect(said).toEqual(compiler.resolutions.map(() => ''));
});
