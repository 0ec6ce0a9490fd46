/** The worker: answers the page's requests with a session on the package. */

import type { Failure, ReplyMessage, RequestMessage, RequestName, Requests } from './protocol';
import { Session } from './session';

type Handlers = {
  readonly [Name in RequestName]: (parameters: Requests[Name]['parameters']) => Promise<Requests[Name]['result']>;
};

const post = (message: ReplyMessage): void => {
  self.postMessage(message);
};

const session = new Session((progress) => {
  post({ kind: 'progress', progress });
});

const handlers: Handlers = {
  start: () => session.start(),
  makeSample: ({ kind }) => session.makeSample(kind),
  open: ({ source }) => session.open(source),
  close: () => session.close(),
  plan: ({ options }) => session.plan(options),
  quantize: ({ options, target }) => session.quantize(options, target),
  cancel: () => session.cancel(),
  viewLayer: ({ name, outputName, shape }) => session.viewLayer(name, outputName, shape),
};

self.addEventListener('message', ({ data }: MessageEvent<RequestMessage>) => {
  void answer(data);
});

async function answer({ id, name, parameters }: RequestMessage): Promise<void> {
  const handler = handlers[name] as (given: unknown) => Promise<unknown>;
  try {
    post({ kind: 'result', id, value: await handler(parameters) });
  } catch (error) {
    post({ kind: 'failure', id, failure: failureOf(error) });
  }
}

/** By fields: errors of the browser (a refused write, no memory) come here too. */
function failureOf(error: unknown): Failure {
  const { code, message, layer, name } = error as Partial<Record<'code' | 'message' | 'layer' | 'name', unknown>>;
  return {
    code: typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown',
    message: typeof message === 'string' && message !== '' ? message : String(error),
    layer: typeof layer === 'string' ? layer : null,
  };
}
