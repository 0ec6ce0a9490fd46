import type { FetchedResponse } from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';
import { checkAborted, readFailure, unreadable } from '../failures.js';
import { adviceOn, statusText } from '../http/refusals.js';
import { checkTransient, type FileContext } from '../http/request.js';
import { Connection, Retries } from '../http/retries.js';

/** A commit, which needs not be looked up. */
const COMMIT = /^[0-9a-f]{40}$/;

/** More are not looked through for a model. */
const MOST_FILES = 20_000;

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
  const { sha } = await asking(repository, async (fetchOf) => {
    const { modelInfo } = await import('#hub');
    return modelInfo({ name: model, revision, hubUrl, additionalFields: ['sha'], fetch: fetchOf });
  });
  if (typeof sha !== 'string' || !COMMIT.test(sha)) throw unreadable(name, 'the hub does not tell its commit');
  return sha;
}

/** The paths of all files. */
export function filesOf(repository: Repository): Promise<string[]> {
  const { model, revision, hubUrl } = repository;
  return asking(repository, async (fetchOf) => {
    const { listFiles } = await import('#hub');
    const entries = listFiles({
      repo: { type: 'model', name: model },
      revision,
      hubUrl,
      recursive: true,
      fetch: fetchOf,
    });
    const files: string[] = [];
    for await (const { type, path } of entries) {
      if (type === 'file' && typeof path === 'string') files.push(path);
      if (files.length === MOST_FILES) break;
    }
    return files;
  });
}

/** Runs what asks the hub by way of the client, which keeps the headers where they belong. */
async function asking<Result>(
  repository: Repository,
  ask: (fetchOf: typeof fetch) => Promise<Result>,
): Promise<Result> {
  const { name } = repository;
  // The package takes no token but those that begin with "hf_", and would not know what to keep from whom: it gets none.
  const own = (url: string): Promise<FetchedResponse> => request(new URL(url), repository);
  try {
    return await ask(own as unknown as typeof fetch);
  } catch (error) {
    throw error instanceof QuantizeError ? error : readFailure(name, error);
  }
}

async function request(url: URL, { name, context }: Repository): Promise<FetchedResponse> {
  const { client, settings, signal } = context;
  const retries = new Retries(name, settings, signal);
  for (;;) {
    const connection = new Connection(settings.stallLimit, signal, client.hintOn(url));
    try {
      checkAborted(signal);
      const question = { headers: { accept: 'application/json' }, signal: connection.signal };
      const { response } = await connection.guard(client.fetch(url, question, name));
      checkTransient(response);
      if (response.status >= 400) {
        const { isHub, hasToken } = client;
        throw unreadable(name, statusText(response) + adviceOn(response, { url, isHub, hasToken }));
      }
      const text = await connection.guard(response.text());
      return answerOf(response, text);
    } catch (error) {
      checkAborted(signal);
      await retries.after(error);
    } finally {
      connection.end();
    }
  }
}

/** The answer with all of its body, so that nothing of it is still to come. */
function answerOf({ headers }: FetchedResponse, text: string): Response {
  const link = headers.get('link');
  return new Response(text, { headers: { 'content-type': 'application/json', ...(link !== null && { link }) } });
}
