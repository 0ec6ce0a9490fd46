/**
 * The utility process: a service for every port that the main process sends. It also runs as a worker thread of plain
 * Node, with the port inside the message.
 *
 * Received: { type: 'serve' } with a port, { type: 'shutdown' }. After the latter it ends as soon as all jobs have.
 */
import { parentPort } from 'node:worker_threads';
import { QuantizeService } from './quantize-service.mjs';

const parent = process.parentPort ?? parentPort;
const services = new Set();

parent.on('message', (received) => {
  const { type, port } = received.data ?? received;
  if (type === 'serve') serve(received.ports?.[0] ?? port);
  else if (type === 'shutdown') shutDown();
});

function serve(port) {
  const service = new QuantizeService(port);
  services.add(service);
  service.closed.then(() => services.delete(service));
}

async function shutDown() {
  await Promise.all([...services].map((service) => service.close()));
  process.exit();
}
