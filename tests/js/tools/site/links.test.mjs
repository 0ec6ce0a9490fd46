import { beforeEach, expect, test } from '@jest/globals';
import { mkdirSync } from 'node:fs';
import { brokenLinks } from '../../../../tools/site/links.mjs';
import { useFolder } from '../../support/models/folder.mjs';

const folder = useFolder();

beforeEach(() => {
  mkdirSync(folder.path('deep'));
});

test('names links that lead to no file, or to no part of one', () => {
  folder.write('style.css', 'a {}');
  folder.write('deep/other page.html', '<h2 id="here">Here</h2><a href="../index.html#top">up</a>');
  folder.write('deep/index.html', '<a href="..">the folder above</a>');
  folder.write(
    'index.html',
    `<link href="style.css"><h1 id="top">Top</h1>
     <a href="deep/other%20page.html#here">good</a> <a href="deep/">good</a> <a href="?a=1&amp;b=2#top">good</a>
     <a href="https://example.org/not-looked-at">elsewhere</a> <a href="mailto:a@example.org">a letter</a>
     <a href="deep/other%20page.html#there">no part</a> <a href="#bottom">no part</a> <a href="#bottom">once more</a>
     <a href="gone.html">no page</a> <img src="gone.png"> <a href="source:index.ts">no protocol</a>`,
  );
  expect(brokenLinks(folder.at)).toEqual([
    'index.html: deep/other%20page.html#there',
    'index.html: #bottom',
    'index.html: gone.html',
    'index.html: gone.png',
    'index.html: source:index.ts',
  ]);
});
