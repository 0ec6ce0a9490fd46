/** Does what the bench asks for over its channel: `page.html?channel=<id>`. */
import * as work from './work.mjs';

const query = new URL(location.href).searchParams;
const channel = new URL(`/${location.pathname.split('/')[1]}/channel/${query.get('channel')}`, location.href);

async function carryOut({ number, name, options }) {
  try {
    return { number, value: await work[name](options) };
  } catch (error) {
    return { number, error: String(error?.stack ?? error) };
  }
}

for (let report = null; ;) {
  const response = await fetch(channel, { method: 'POST', body: report === null ? '' : JSON.stringify(report) });
  const command = await response.json();
  report = command === null ? null : await carryOut(command);
}
