import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { Option } from 'commander';
import { isHubText } from '../endpoints.js';
import { QuantizeError, type WebOptions } from '../index.js';
import { HUB_URL, HUB_URL_FORM, hubUrlOf, isToken } from '../runtime/http/access.js';
import { textOfPage } from '../runtime/hub/address.js';
import { parsePath } from './options.js';

const WEB_URL = /^https?:/iu;

const refused = (detail: string): QuantizeError => new QuantizeError('invalid_option', { detail });

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
A model on a hub is hf:organization/model, with @revision and /file where they are needed, or the address of its page, such as
https://huggingface.co/organization/model/tree/main. The hub is asked with the access
token of HF_TOKEN, or the one that "hf auth login" has stored; HF_ENDPOINT names another hub.`;

/** The name and the value of a header. No message repeats what may be a secret. */
function headerOf(text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([^:\s]+)\s*:\s*(.*?)\s*$/s.exec(text) ?? [];
  if (name !== undefined && value !== undefined && value !== '') return [name, value];
  throw refused("--header must be a name and a value, such as 'Authorization: Bearer …'");
}

/** How the servers of `inputs` are asked; the environment counts as it does for the official tools of the hub. */
export async function webOptions(inputs: readonly string[], { header }: ServerOptions): Promise<WebOptions> {
  const remote = inputs.filter((input) => isHubText(input) || WEB_URL.test(input));
  const headers = header?.map(headerOf);
  if (remote.length === 0) return { headers };
  const hubUrl = hubOf(process.env, remote.some(isHubText));
  const origins = new Set(remote.map((input) => originOf(input, hubUrl)));
  if (headers !== undefined && origins.size > 1) {
    throw refused('--header is for one server, but the models are on two; download one of them first');
  }
  // A token is the hub's: what is wrong with it does not matter to others.
  const accessToken = origins.has(new URL(hubUrl).origin) ? await accessTokenOf(process.env) : undefined;
  return { headers, accessToken, hubUrl };
}

/** What is read as a model: the address of a model's page on the hub of the environment is the model there. */
export function parseInput(text: string): string {
  const input = parsePath(text);
  if (!WEB_URL.test(input) || !URL.canParse(input)) return input;
  return textOfPage(new URL(input), hubUrlOf(process.env['HF_ENDPOINT']?.trim()) ?? HUB_URL) ?? input;
}

/** The server that an input is read from; empty for what is no address. */
function originOf(input: string, hubUrl: string): string {
  if (isHubText(input)) return new URL(hubUrl).origin;
  return URL.canParse(input) ? new URL(input).origin : '';
}

/** `isNeeded`: whether a model is read from the hub for sure. */
function hubOf({ HF_ENDPOINT }: NodeJS.ProcessEnv, isNeeded: boolean): string {
  const given = HF_ENDPOINT?.trim() ?? '';
  const url = given === '' ? HUB_URL : hubUrlOf(given);
  if (url !== null) return url;
  if (!isNeeded) return HUB_URL;
  throw refused(`HF_ENDPOINT must be ${HUB_URL_FORM}`);
}

/** The access token of the environment, else the one that was stored; undefined when there is none. */
async function accessTokenOf(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (/^(1|on|yes|true)$/iu.test(environment['HF_HUB_DISABLE_IMPLICIT_TOKEN'] ?? '')) return undefined;
  const names = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'];
  const name = names.find((one) => (environment[one]?.trim() ?? '') !== '');
  const file = tokenFile(environment);
  const text = name === undefined ? await readFile(file, 'utf8').catch(() => '') : environment[name];
  const token = text?.trim() ?? '';
  if (token === '') return undefined;
  if (isToken(token)) return token;
  throw refused(`${name ?? `the access token in ${file}`} must be a text without spaces`);
}

/** Where `hf auth login` stores the token. An empty variable says nothing, as to the tools of the hub. */
function tokenFile({ HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME }: NodeJS.ProcessEnv): string {
  const cache = folderOf(XDG_CACHE_HOME) ?? path.join(homedir(), '.cache');
  return folderOf(HF_TOKEN_PATH) ?? path.join(folderOf(HF_HOME) ?? path.join(cache, 'huggingface'), 'token');
}

const folderOf = (variable: string | undefined): string | undefined =>
  variable === undefined || variable === '' ? undefined : variable.replace(/^~(?=\/|$)/, homedir());
