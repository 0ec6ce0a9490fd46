import { expect, test } from '@jest/globals';
import { obstacleToRelease } from '../../../tools/check-release.mjs';

const kRepository = { type: 'git', url: 'git+https://github.com/somebody/arrowquant.git' };
const kManifest = { version: '1.2.3', repository: kRepository };

test.each([kManifest, { ...kManifest, repository: { url: 'https://github.com/somebody/arrowquant' } }])(
  'a tag that is the version of %j may be published',
  (manifest) => {
    expect(obstacleToRelease(manifest, 'v1.2.3', 'somebody/arrowquant')).toBeNull();
  },
);

test.each(['v1.2.4', '1.2.3', 'v1.2.3-rc.1'])('the tag %s is no release of 1.2.3', (tag) => {
  expect(obstacleToRelease(kManifest, tag, 'somebody/arrowquant')).toMatch(
    /set the tag v1\.2\.3, or change the version/,
  );
});

test.each([
  [{ version: '1.2.3' }, 'package.json has no repository'],
  [{ ...kManifest, repository: { url: 'git+https://github.com/other/arrowquant.git' } }, 'github.com/other/arrowquant'],
  [{ ...kManifest, repository: { url: 'git+https://notgithub.com/somebody/arrowquant.git' } }, 'notgithub'],
])('nor may %j be published, of which npm would refuse the provenance', (manifest, says) => {
  const obstacle = obstacleToRelease(manifest, 'v1.2.3', 'somebody/arrowquant');
  expect(obstacle).toContain(says);
  expect(obstacle).toContain('git+https://github.com/somebody/arrowquant.git');
});
