import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { Job } from 'kubernetes-models/batch/v1';
import { parse } from 'yaml';
import { inProject } from '../../../tools/lib/paths.mjs';

/** The manifest of a job in examples/kubernetes. */
export const readManifest = (name) => parse(readFileSync(inProject('examples/kubernetes', name), 'utf8'));

/**
 * What Kubernetes would have against a job, in sentences. Its schema says what values may be, and that some must be there; it
 * allows fields that nobody knows, which its types do not.
 */
export function objectionsTo(job) {
  return [...objectionsOfSchema(job), ...objectionsOfTypes(job)];
}

function objectionsOfSchema(job) {
  try {
    new Job(job).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}

const kOptions = {
  ...{ strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022 },
  ...{ module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 },
};
/** Beside the packages, whose types it imports; there is no such file. */
const kManifest = inProject('tests/clusters/manifest.mts');
const parsed = new Map();

function objectionsOfTypes(job) {
  const text = `import type { IJob } from 'kubernetes-models/batch/v1';\nexport const job: IJob = ${JSON.stringify(job)};\n`;
  const host = ts.createCompilerHost(kOptions);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === kManifest || fileExists(name);
  host.getSourceFile = (name, version) => {
    if (name === kManifest) return ts.createSourceFile(name, text, version);
    if (!parsed.has(name)) parsed.set(name, getSourceFile(name, version));
    return parsed.get(name);
  };
  const diagnostics = ts.getPreEmitDiagnostics(ts.createProgram([kManifest], kOptions, host));
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

/** The command line of a job's container and its variables, as Kubernetes fills them in; `secrets` by name and key. */
export function containerOf(job, variables, secrets) {
  const [{ command, args = [], env, resources }] = job.spec.template.spec.containers;
  const valueOf = ({ value, valueFrom: { secretKeyRef: secret, resourceFieldRef: field } = {} }) => {
    if (secret !== undefined) return secrets[secret.name][secret.key];
    return value ?? field.resource.split('.').reduce((part, name) => part[name], resources);
  };
  const filled = { ...Object.fromEntries(env.map((variable) => [variable.name, valueOf(variable)])), ...variables };
  const fill = (text) => text.replace(/\$\((\w+)\)/g, (whole, name) => filled[name] ?? whole);
  return { command: [...command, ...args].map(fill), env: filled };
}
