/**
 * Attaches by clsact, and as the kernel likes best, in the network namespace that the first argument names, on the side that the second does, says so, and
 * waits to be killed.
 */
import { exit, mov64 } from 'bpf-asm';
import { attach, loadProgram, NetlinkSocket, openNetns, openSys, type Direction } from '../src/index.ts';
import { programOf } from './program.ts';

const [path = '', direction = ''] = process.argv.slice(2);
const sys = await openSys();
const netns = openNetns(sys, { path });
const socket = NetlinkSocket.open(sys, { netns });
const program = loadProgram(sys, programOf([mov64('r0', -1), exit()], { name: 'dying' }));
const options = { device: 2, direction: direction as Direction, netns, name: 'dying' };
const attachments = [
  await attach(sys, socket, program, options),
  await attach(sys, socket, program, { ...options, mode: 'clsact' }),
];
console.log(`attached ${attachments.length}`);
setInterval(() => attachments.length, 1000);
