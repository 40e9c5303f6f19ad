/**
 * Listens as the first argument says, a JSON list of `{ protocol, address, port }`, and says `ready`. With a second argument, it starts
 * a child first-hand that inherits the descriptors of its servers, each twice, and says the child's id.
 */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

const fds = [];
for (const { protocol, address, port } of JSON.parse(process.argv[2])) {
  if (protocol === 'udp') {
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' });
    socket.bind({ port, address });
    await once(socket, 'listening');
  } else {
    const server = createServer((socket) => socket.end('hello'));
    server.listen({ host: address, port });
    await once(server, 'listening');
    fds.push(server._handle.fd);
  }
}
if (process.argv[3] === undefined) {
  console.log('ready');
} else {
  // It ends with this process.
  const heir = spawn('setpriv', ['--pdeathsig', 'KILL', 'sleep', 'infinity'], {
    stdio: ['ignore', 'ignore', 'ignore', ...fds, ...fds],
  });
  console.log(`ready ${heir.pid}`);
}
