/** Opens the state in the directory that the argument names, says so, and waits to be killed. */
import { openSys } from 'netlink-tc';
import { StateDirectory } from '../src/engine/directory.ts';

const directory = StateDirectory.open(await openSys(), process.argv[2] ?? '', { create: true });
directory.records.put('held', 'by a process');
console.log('held');
setInterval(() => directory.path, 1000);
