/** Sends frames out of a link, as fast as it can, until it is killed. Arguments: path of the network namespace, index of the link. */
import { openNetns, openSys } from 'netlink-tc';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const BURST = 200;

const sys = await openSys();
using netns = openNetns(sys, { path: process.argv[2] ?? '' });
const socket = netns.run(() => sys.call('socket', AF_PACKET, SOCK_RAW, 0));
const address = new Uint8Array(20);
new DataView(address.buffer).setUint16(0, AF_PACKET, true);
new DataView(address.buffer).setInt32(4, Number(process.argv[3]), true);
const frame = new Uint8Array(60).fill(0xff, 0, 6);
frame.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5], 6);

console.log('ready');
for (;;) {
  for (let i = 0; i < BURST; i += 1) sys.call('sendto', socket, frame, frame.length, 0, address, address.length);
  await new Promise(setImmediate);
}
