/** What is used of the package `@huggingface/hub`. */

/** Something in a repository. */
export interface ListedEntry {
  readonly type: 'file' | 'directory' | 'unknown';
  readonly path: string;
}

interface Place {
  readonly revision: string;
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
}

/** What is known of a model; `sha` is the commit that the revision stands for. */
export function modelInfo(
  about: Place & { readonly name: string; readonly additionalFields: ['sha'] },
): Promise<{ readonly sha?: string }>;

/** What a repository holds; further requests are made as it is gone through. */
export function listFiles(
  about: Place & { readonly repo: { readonly type: 'model'; readonly name: string }; readonly recursive: true },
): AsyncGenerator<ListedEntry>;
