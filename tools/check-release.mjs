#!/usr/bin/env node
/**
 * Whether a tag may be published: `node tools/check-release.mjs v1.2.3 owner/name`, run by the workflow before npm is.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inProject } from './lib/paths.mjs';
import { SetupError, runMain } from './lib/run.mjs';

/** What keeps the package `manifest` from being published from `tag` of `repository`; null when nothing does. */
export function obstacleToRelease(manifest, tag, repository) {
  const { version } = manifest;
  if (tag !== `v${version}`) {
    return `The tag is ${tag}, but package.json has the version ${version}: set the tag v${version}, or change the version.`;
  }
  const { url = '' } = manifest.repository ?? {};
  // npm refuses provenance that names another repository than the package does, after all the work has been done.
  const [, named] = /[/@]github\.com\/(.+?)(?:\.git)?$/.exec(url) ?? [];
  if (named !== repository) {
    const wanted = `{ "type": "git", "url": "git+https://github.com/${repository}.git" }`;
    return `package.json has ${url === '' ? 'no repository' : `the repository ${url}`}: add "repository": ${wanted}.`;
  }
  return null;
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  runMain(() => {
    const [tag, repository] = process.argv.slice(2);
    const manifest = JSON.parse(readFileSync(inProject('package.json'), 'utf8'));
    const obstacle = obstacleToRelease(manifest, tag, repository);
    return obstacle === null ? Promise.resolve() : Promise.reject(new SetupError(obstacle));
  });
}
