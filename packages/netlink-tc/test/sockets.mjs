/**
 * A process with sockets of every kind and state that a namespace with nothing but `lo` (and `v0`, which leads nowhere) can have.
 * Says `ready` when they are there; a line on its standard input is the command to answer: `name: events of that socket so far`.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const events = {};
function watch(name, socket) {
  events[name] = [];
  for (const event of ['end', 'close']) socket.on(event, () => events[name].push(event));
  socket.on('error', ({ code }) => events[name].push(code));
  return socket;
}

const accepted = [];
async function listen(options) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    watch(`server of ${socket.remotePort}`, socket).resume();
  });
  server.listen(options);
  await once(server, 'listening');
}
async function client(name, host, port, localPort) {
  const socket = watch(name, connect({ host, port, localPort, allowHalfOpen: true }));
  socket.resume();
  await once(socket, 'connect');
  return socket;
}
async function bound(type, port, address) {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' });
  socket.bind({ port, address });
  await once(socket, 'listening');
  return socket;
}
/** Waits until both ends of a connection are there. */
async function served(count) {
  while (accepted.length < count) await new Promise(setImmediate);
}

await listen({ host: '127.0.0.1', port: 81 });
await listen({ host: '::1', port: 82, ipv6Only: true });
await listen({ host: '::', port: 83 });
await client('ipv4', '127.0.0.1', 81, 4001);
await client('ipv6', '::1', 82, 4002);
await client('mapped', '127.0.0.1', 83, 4003);
// Half closed: FIN_WAIT2 here and CLOSE_WAIT there.
(await client('half', '127.0.0.1', 81, 4004)).end();
// Closed here first: TIME_WAIT.
const over = await client('over', '::1', 83, 4005);
await served(5);
over.end();
const server = accepted.find(({ remotePort }) => remotePort === 4005);
await once(server, 'end');
server.end();
await once(over, 'close');
// Nobody answers there: SYN_SENT.
watch('lost', connect({ host: '10.9.0.2', port: 80, localPort: 4006 }));
await bound('udp4', 84, '127.0.0.1');
await bound('udp6', 85, '::');
const udp = await bound('udp4', 86, '127.0.0.1');
udp.connect(84, '127.0.0.1');
await once(udp, 'connect');
console.log('ready');
createInterface({ input: process.stdin }).on('line', (name) => console.log(`${name}: ${events[name]?.join(' ')}`));
