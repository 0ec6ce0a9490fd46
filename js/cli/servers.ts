import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { Option } from 'commander';
import { isHubText } from '../endpoints.js';
import { QuantizeError, type WebOptions } from '../index.js';

/** What the options of a command say of servers. */
export interface ServerOptions {
  readonly header?: readonly string[] | undefined;
}

export const headerOption = (): Option =>
  new Option(
    '--header <name: value>',
    'header for the server that a model is read from, such as "Authorization: Bearer …"; repeatable',
  ).argParser((text: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), text]);

export const HUB_HELP = `
A model on a hub is hf:organization/model, with @revision and /file where they are needed. The hub is asked with the access
token of HF_TOKEN, or the one that "hf auth login" has stored; HF_ENDPOINT names another hub.`;

/** The name and the value of a header. No message repeats what may be a secret. */
function headerOf(text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([^:\s]+)\s*:\s*(.*?)\s*$/s.exec(text) ?? [];
  if (name !== undefined && value !== undefined && value !== '') return [name, value];
  const detail = "--header must be a name and a value, such as 'Authorization: Bearer …'";
  throw new QuantizeError('invalid_option', { detail });
}

/** How the servers of `inputs` are asked; the environment counts as it does for the official tools of the hub. */
export async function webOptions(inputs: readonly string[], { header }: ServerOptions): Promise<WebOptions> {
  const { HF_ENDPOINT } = process.env;
  const isRemote = inputs.some((input) => isHubText(input) || /^https?:/iu.test(input));
  const accessToken = isRemote ? await accessTokenOf(process.env) : undefined;
  return { headers: header?.map(headerOf), accessToken, hubUrl: HF_ENDPOINT === '' ? undefined : HF_ENDPOINT };
}

/** The access token of the environment, else the one that was stored; undefined when there is none. */
async function accessTokenOf(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_TOKEN, HUGGING_FACE_HUB_TOKEN } = environment;
  if (/^(1|on|yes|true)$/iu.test(HF_HUB_DISABLE_IMPLICIT_TOKEN ?? '')) return undefined;
  const given = [HF_TOKEN, HUGGING_FACE_HUB_TOKEN].map((text) => text?.trim() ?? '').find((text) => text !== '');
  if (given !== undefined) return given;
  const stored = await readFile(tokenFile(environment), 'utf8').catch(() => '');
  return stored.trim() === '' ? undefined : stored.trim();
}

function tokenFile({ HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME }: NodeJS.ProcessEnv): string {
  const cache = XDG_CACHE_HOME ?? path.join(homedir(), '.cache');
  return HF_TOKEN_PATH ?? path.join(HF_HOME ?? path.join(cache, 'huggingface'), 'token');
}
