#!/usr/bin/env node
/** Fails when a file depends on what it must not know (the rules are below), or has grown too long. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { inProject, shown } from './lib/paths.mjs';

const kMostLines = 450;

/** Folders of src/ in which a folder may look for headers, itself included. */
const kCppArrows = {
  base: ['base'],
  simd: ['simd', 'base'],
  codecs: ['codecs', 'simd', 'base'],
  engine: ['engine', 'codecs', 'simd', 'base'],
  bindings: ['bindings', 'engine', 'codecs', 'simd', 'base'],
};

/** Files directly in src/codecs that are no codecs, but serve all of them. */
const kServesAllCodecs = ['codec', 'comparison', 'metrics', 'reference', 'weight_range'];

/** Areas of js/ that an area may import. A file directly in js/ is an area of its own. */
const kFoundations = [
  ...['types', 'errors', 'checks', 'abort-actions', 'async-dispose', 'endpoints', 'weight-arrays', 'addresses', 'part'],
];
const kTsArrows = {
  types: ['codecs', ...kFoundations],
  errors: kFoundations,
  checks: kFoundations,
  endpoints: kFoundations,
  'abort-actions': [],
  'async-dispose': [],
  'weight-arrays': ['checks', 'errors'],
  addresses: [],
  part: ['checks', 'errors'],
  codecs: ['codecs'],
  wasm: ['wasm', 'workers', 'codecs', ...kFoundations],
  workers: ['workers', 'wasm', 'codecs', ...kFoundations],
  rules: ['rules', 'codecs', ...kFoundations],
  io: ['io', ...kFoundations],
  // A container knows no codec: only what ggml calls some of them, and how large their blocks are.
  containers: ['containers', 'codecs', 'io', ...kFoundations],
  layouts: ['layouts', 'containers', 'codecs', 'io', ...kFoundations],
  pipeline: ['pipeline', 'layouts/tensor', 'containers/invalid-file', 'codecs', 'io', 'wasm/windows', ...kFoundations],
  models: ['models', 'pipeline', 'layouts', 'containers', 'rules', 'codecs', 'io', 'wasm/windows', ...kFoundations],
  importance: ['importance', 'containers', 'io', ...kFoundations],
  plan: [
    'plan',
    'models',
    'pipeline',
    'layouts',
    'containers',
    'rules',
    'codecs',
    'io',
    'wasm/windows',
    ...kFoundations,
  ],
  formats: [
    ...['formats', 'plan', 'models', 'pipeline', 'layouts', 'containers', 'rules', 'codecs', 'io', 'wasm/windows'],
    ...kFoundations,
  ],
  checkpoints: [
    ...[
      'checkpoints',
      'formats/folder',
      'plan',
      'models',
      'pipeline',
      'layouts',
      'containers',
      'rules',
      'codecs',
      'io',
    ],
    ...['wasm/windows', ...kFoundations],
  ],
  convert: [
    ...[
      'convert',
      'checkpoints',
      'formats',
      'importance',
      'plan',
      'models',
      'pipeline',
      'layouts/tensor',
      'containers/registry',
      'containers/invalid-file',
      'rules',
      'codecs',
      'io',
    ],
    ...['wasm/windows', ...kFoundations],
  ],
  // An entry of workers is one of a runtime: it names the runtime's globals, and its glue.
  runtime: [
    'runtime',
    'worker',
    'workers',
    'wasm',
    'io',
    'containers/invalid-file',
    'containers/shard-names',
    ...kFoundations,
  ],
  // What `arrowquant/arrow` is, and what reads tables.
  arrow: ['arrow', 'wasm/module', 'io/pace', ...kFoundations],
  options: ['options', 'arrow', 'formats/names', 'plan', 'layouts', 'containers', 'rules', 'codecs', ...kFoundations],
  calls: ['calls', 'options', 'arrow', 'convert', 'models', 'codecs', 'io', ...kFoundations],
  quantizer: ['calls', 'options', 'codecs', 'wasm', ...kFoundations],
  index: ['quantizer', 'codecs', ...kFoundations],
  // Other ways in: the build bundles them.
  single: ['index', 'runtime'],
  workerd: ['single', 'wasm'],
  worker: ['runtime', 'wasm'],
  cli: [
    ...[
      'cli',
      'index',
      'options',
      'formats/names',
      'formats/folder/json',
      'models',
      'importance',
      'io',
      'layouts',
      'containers',
    ],
    ...['runtime', 'convert/revision', 'convert/parts'],
    ...kFoundations,
  ],
};

/** What an area may take types, and nothing but types, from besides. */
const kTypeArrows = {
  types: ['formats/names', 'wasm/module', 'containers/table', 'layouts/table'],
  containers: ['plan/report'],
  layouts: [],
  pipeline: ['wasm/module'],
  plan: ['convert/options', 'formats/names'],
  formats: ['convert/options', 'options/names'],
  convert: ['containers/container', 'layouts/layout', 'options/names', 'wasm/module'],
  options: ['wasm/module', 'convert', 'checkpoints'],
  workers: ['runtime'],
  wasm: ['runtime/types'],
  runtime: ['wasm/module'],
  calls: ['importance', 'plan/report', 'pipeline/tools', 'wasm/module', 'wasm/windows'],
  quantizer: ['convert/options', 'convert/parts', 'importance', 'models', 'plan/report'],
  index: [
    'calls',
    'formats/names',
    'convert/options',
    'convert/parts',
    'io/part-files',
    'importance',
    'models',
    'plan/report',
    'rules/rule',
  ],
};

const problems = [];
const kSourceFolders = ['src', 'js', 'tests', 'tools', 'bench', 'web-demo', 'examples', 'cmake'];
for (const file of kSourceFolders.flatMap((folder) => filesUnder(inProject(folder)))) {
  const name = shown(file).replaceAll(path.sep, '/');
  const text = readFileSync(file, 'utf8');
  if (!isGenerated(text)) checkLength(name, text);
  if (/^src\/.*\.(cc|h|def)$/.test(name)) checkCpp(name, text);
  if (/^js\/.*\.ts$/.test(name)) checkTs(name, text);
  if (/^web-demo\/.*\.(m?js|tsx?|html)$/.test(name)) checkDemo(name, text);
}
for (const problem of problems) console.log(problem);
if (problems.length > 0) process.exitCode = 1;

/** A table that the build writes is as long as what it lists. */
function isGenerated(text) {
  return text.slice(0, 200).includes('Written by the build: do not edit.');
}

function checkLength(name, text) {
  const lines = text.split('\n').length - 1;
  if (/\.(cc|h|ts|mjs|js|css|html|cmake)$/.test(name) && lines > kMostLines) {
    problems.push(`${name}: ${lines} lines; is there a natural seam? (the limit is ${kMostLines})`);
  }
}

function checkCpp(name, text) {
  const [, area] = name.split('/');
  for (const [, header] of text.matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm)) {
    if (/^emscripten\b/.test(header) && area !== 'bindings') {
      problems.push(`${name}: includes <${header}>, which only src/bindings may`);
    }
    const [target] = header.split('/');
    if (target in kCppArrows && !kCppArrows[area]?.includes(target)) {
      problems.push(`${name}: includes ${header}, but ${area} must not know ${target}`);
    }
    if (header.endsWith('.cc')) problems.push(`${name}: includes the source file ${header}`);
    if (area === 'codecs' && isOtherCodec(name, header)) {
      problems.push(`${name}: includes ${header}, another codec's file`);
    }
  }
}

/** A .cc of src/codecs is a codec, unless it serves all of them; `affine_x.h` beside it is a part of the codec `affine`. */
function isOtherCodec(name, header) {
  const stem = (file) => file.replace(/^src\//, '').replace(/\.\w+$/, '');
  const [own, other] = [stem(name), stem(header)];
  const serves = kServesAllCodecs.some((one) => other === `codecs/${one}`);
  const isCodec = other.startsWith('codecs/') && !serves && definesCodec(inProject(`src/${other}.cc`));
  return isCodec && own !== other && !own.startsWith(`${other}_`);
}

/** Other source files hold what several codecs share. */
function definesCodec(file) {
  return existsSync(file) && /^extern const Codec\b/m.test(readFileSync(file, 'utf8'));
}

function checkTs(name, text) {
  const area = areaOf(name.slice('js/'.length));
  for (const { specifier, isType } of specifiersOf(text)) {
    if (specifier.startsWith('node:') && !['runtime', 'cli'].includes(area)) {
      problems.push(`${name}: imports ${specifier}, which only js/runtime and js/cli may`);
    }
    if (!specifier.startsWith('.')) continue;
    const target = path.posix.join(path.posix.dirname(name), specifier).replace(/^js\//, '').replace(/\.js$/, '');
    const allowed = [...(kTsArrows[area] ?? []), ...(isType ? (kTypeArrows[area] ?? []) : [])];
    if (!(area in kTsArrows)) problems.push(`${name}: tools/check-arrows.mjs does not know what ${area} may import`);
    else if (!allowed.some((one) => target === one || target.startsWith(`${one}/`))) {
      problems.push(`${name}: imports ${target}, but ${area} must not know it`);
    }
  }
}

function checkDemo(name, text) {
  for (const { specifier } of specifiersOf(text)) {
    const outside =
      specifier.startsWith('.') && !path.posix.join(path.posix.dirname(name), specifier).startsWith('web-demo/');
    if (outside || /^arrowquant\/(?!wasm$)/.test(specifier)) {
      problems.push(`${name}: imports ${specifier}; the demo uses the package by its name only`);
    }
  }
}

function specifiersOf(text) {
  const pattern =
    /(?:\b(import|export)\s+type\b[^;'"]*)?(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(['"])([^'"\n]+)\2/g;
  return [...text.matchAll(pattern)].map((match) => ({ specifier: match[3], isType: match[1] !== undefined }));
}

function areaOf(file) {
  return file.includes('/') ? file.split('/')[0] : file.replace(/\.ts$/, '');
}

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'dist') return [];
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(file) : [file];
  });
}
