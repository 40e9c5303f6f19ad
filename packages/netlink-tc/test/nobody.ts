/**
 * What an ordinary user is told who wants the listeners of root's process, which the first argument numbers: run as root, it becomes
 * that user for good. Prints one JSON object: for each entry the error's code, errno and hint.
 */
import { isNetlinkTcError, openPidfd, openSys, socketsOf, takeListeners } from '../src/index.ts';

const sys = await openSys();
const pid = Number(process.argv[2]);
process.setgid?.(65_534);
process.setgroups?.([]);
process.setuid?.(65_534);

using held = openPidfd(sys, pid);
const entries: Readonly<Record<string, () => unknown>> = {
  running: () => held.running,
  takeFd: () => held.takeFd(0).number,
  socketsOf: () => socketsOf(pid),
  takeListeners: () => takeListeners(sys, pid),
  own: () => takeListeners(sys, process.pid),
};
const answers: Record<string, unknown> = { open: sys.fds.open().length };
for (const [name, entry] of Object.entries(entries)) {
  try {
    answers[name] = await entry();
  } catch (error) {
    if (!isNetlinkTcError(error)) throw error;
    const { code, errno, hint } = error;
    answers[name] = { code, errno, hint };
  }
}
console.log(JSON.stringify({ ...answers, left: sys.fds.open().length }));
