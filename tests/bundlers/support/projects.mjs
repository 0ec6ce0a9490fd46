import { constants, copyFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeProjectWithPackage, runProgram } from '../../places/installed.mjs';

const kTools = fileURLToPath(new URL('../node_modules/', import.meta.url));
const kApp = fileURLToPath(new URL('../app/', import.meta.url));
/** That of somebody who has the tools on `PATH`, not of Jest; and no tool tells its maker anything. */
export const kEnvironment = {
  ...process.env,
  PATH: `${path.join(kTools, '.bin')}${path.delimiter}${process.env.PATH}`,
  NODE_ENV: undefined,
  NODE_OPTIONS: undefined,
  JEST_WORKER_ID: undefined,
  NEXT_TELEMETRY_DISABLED: '1',
};

/** A file of an installed tool. */
export const tool = (file) => path.join(kTools, file);

/**
 * Somebody's project with the package in it.
 *
 * @param {readonly string[]} linked npm packages that configurations of the project import
 */
export async function makeProject(linked = []) {
  const project = await makeProjectWithPackage();
  const modules = path.join(project.folder, 'node_modules');
  for (const name of linked) {
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    symlinkSync(tool(name), path.join(modules, name));
  }
  return project;
}

/** As `linked`, for Next, which compiles what lies in the project only, and follows no link out of it. */
export function copyTools(project, names) {
  for (const name of names) {
    const target = path.join(project.folder, 'node_modules', name);
    cpSync(tool(name), target, { recursive: true, mode: constants.COPYFILE_FICLONE });
  }
}

/**
 * An application of the project: a folder with the sources of `app`, `files` and a page. It finds the package in a
 * `node_modules` of its own, as the commands of recipes do.
 *
 * @param {object} options
 * @param {string} [options.entry] the source of `app` that becomes `main.js`
 * @param {Record<string, string>} [options.files] more files, by name, or others than those
 * @param {string} [options.script] the page's tag for its script
 * @returns {string} its folder
 */
export function makeApplication(project, name, { entry = 'main.js', files = {}, script } = {}) {
  const folder = path.join(project.folder, name);
  mkdirSync(folder, { recursive: true });
  symlinkSync(path.join(project.folder, 'node_modules'), path.join(folder, 'node_modules'));
  for (const source of ['work.js', 'worker.js']) copyFileSync(path.join(kApp, source), path.join(folder, source));
  copyFileSync(path.join(kApp, entry), path.join(folder, 'main.js'));
  const all = { 'index.html': page(name, script), ...files };
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  return folder;
}

/** A page with a place for the outcome. */
export const page = (title, script = '<script type="module" src="./main.js"></script>') => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>ArrowQuant, ${title}</title>
    <link rel="icon" href="data:," />
    ${script}
  </head>
  <body>
    <output></output>
  </body>
</html>
`;

/** Runs a tool that is written for Node. */
export const runTool = (folder, file, ...parameters) =>
  runProgram(process.execPath, [tool(file), ...parameters], { cwd: folder, env: kEnvironment });

/** Runs commands as somebody types them, with the tools on `PATH`. */
export const runCommands = (folder, commands) =>
  runProgram('/bin/sh', ['-e', '-c', commands], { cwd: folder, env: kEnvironment });

/** What Node makes of `work`: the bytes that every place has to make. */
export async function outcomeInNode(project) {
  const script = `import { ArrowQuant } from 'arrowquant';
    import { outcomeOf } from ${JSON.stringify(path.join(kApp, 'work.js'))};
    console.log(JSON.stringify(await outcomeOf(ArrowQuant, { backend: 'threads' })));`;
  const flags = ['--input-type=module', '--eval', script];
  const { stdout } = await runProgram(process.execPath, flags, { cwd: project.folder });
  const { backend, fallback, ...outcome } = JSON.parse(stdout);
  if (backend !== 'threads' || fallback !== null) throw new Error(`Node has given: ${stdout}`);
  return outcome;
}

/** The text of a file. */
export const readText = (...parts) => readFileSync(path.join(...parts), 'utf8');
