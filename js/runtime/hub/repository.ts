import { QuantizeError } from '../../errors.js';
import { checkAborted, unreadable } from '../failures.js';
import { problemOf } from '../http/problems.js';
import type { Answer } from '../http/client.js';
import { adviceOn, statusText } from '../http/refusals.js';
import { checkTransient, type FileContext } from '../http/request.js';
import { Connection, Retries } from '../http/retries.js';

/** A commit, which needs not be looked up. */
const COMMIT = /^[0-9a-f]{40}$/;

/** More are not looked through for a model. */
const MOST_FILES = 20_000;

/** Nor more pages of a list: those of a hub that goes round in circles may have nothing on them. */
const MOST_PAGES = 200;

/** A model's repository at a revision, and how it is asked. */
export interface Repository {
  /** What errors call it. */
  readonly name: string;
  readonly model: string;
  readonly revision: string;
  readonly hubUrl: string;
  readonly context: FileContext;
}

/** The commit that the revision stands for now. */
export async function commitOf(repository: Repository): Promise<string> {
  const { name, model, revision, hubUrl } = repository;
  if (COMMIT.test(revision)) return revision;
  const { sha } = await asking(repository, isObject, async (fetchOf) => {
    const { modelInfo } = await import('#hub');
    return modelInfo({ name: model, revision, hubUrl, additionalFields: ['sha'], fetch: fetchOf });
  });
  if (typeof sha !== 'string' || !COMMIT.test(sha)) throw unreadable(name, 'the hub does not tell its commit');
  return sha;
}

/** The files of a repository. */
export interface FileList {
  readonly paths: readonly string[];
  /** Whether these are all: of very many the first ones are enough. */
  readonly isWhole: boolean;
}

export function filesOf(repository: Repository): Promise<FileList> {
  const { name, model, revision, hubUrl } = repository;
  return asking(repository, isList, async (fetchOf) => {
    const { listFiles } = await import('#hub');
    let pages = 0;
    const entries = listFiles({
      ...{ repo: { type: 'model', name: model }, revision, hubUrl, recursive: true },
      fetch: (...request) => {
        if (++pages > MOST_PAGES)
          throw unreadable(name, `the hub's list of its files goes on after ${MOST_PAGES} pages`);
        return fetchOf(...request);
      },
    });
    const paths: string[] = [];
    for await (const { type, path } of entries) {
      if (paths.length === MOST_FILES) return { paths, isWhole: false };
      if (type === 'file' && typeof path === 'string') paths.push(path);
    }
    return { paths, isWhole: true };
  });
}

/** Whether an answer has the shape that was asked for. */
type Shape = (value: unknown) => boolean;

const isObject: Shape = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isList: Shape = (value) => Array.isArray(value) && value.every(isObject);

/** Runs what asks the hub by way of the client, which keeps the headers where they belong. */
async function asking<Result>(
  repository: Repository,
  isRight: Shape,
  ask: (fetchOf: typeof fetch) => Promise<Result>,
): Promise<Result> {
  // The package takes no token but those that begin with "hf_", and would not know what to keep from whom: it gets none.
  const own = async (url: string): Promise<Response> => answerOf(await request(new URL(url), repository), isRight);
  try {
    return await ask(own as unknown as typeof fetch);
  } catch (error) {
    if (error instanceof QuantizeError) throw error;
    const { text, cause } = problemOf(error);
    throw new QuantizeError('unreadable_input', { file: repository.name, detail: text, cause });
  }
}

/** All that came of a request, so that nothing of it is still to come. */
interface Arrived {
  readonly name: string;
  readonly answer: Answer;
  readonly text: string;
}

async function request(asked: URL, { name, context }: Repository): Promise<Arrived> {
  const { client, settings, signal } = context;
  const retries = new Retries(name, settings, signal);
  for (;;) {
    const connection = new Connection(settings.stallLimit, signal, client.hintOn(asked));
    try {
      checkAborted(signal);
      const question = { headers: { accept: 'application/json' }, signal: connection.signal };
      const answer = await connection.guard(client.fetch(asked, question, name));
      const { response, url } = answer;
      checkTransient(response);
      if (response.status >= 400) {
        throw unreadable(name, statusText(response) + adviceOn(response, { url, asked, client, isFile: false }));
      }
      return { name, answer, text: await connection.guard(response.text()) };
    } catch (error) {
      checkAborted(signal);
      await retries.after(error);
    } finally {
      connection.end();
    }
  }
}

/** Throws for what is no answer of a hub, such as the page of a login. */
function answerOf({ name, answer: { response, url }, text }: Arrived, isRight: Shape): Response {
  if (!isJsonOf(text, isRight)) {
    const came = /^\s*</.test(text) ? ' (a web page came)' : '';
    throw unreadable(name, `${url.origin} does not answer as a hub does${came}; is hubUrl (HF_ENDPOINT) right?`);
  }
  const link = response.headers.get('link');
  return new Response(text, { headers: { 'content-type': 'application/json', ...(link !== null && { link }) } });
}

function isJsonOf(text: string, isRight: Shape): boolean {
  try {
    return isRight(JSON.parse(text));
  } catch {
    return false;
  }
}
