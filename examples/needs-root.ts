import { argv, exit, getuid } from 'node:process';

/** For the examples that touch the kernel: tells an ordinary user in one line what to do, and ends. */
export function needRoot(): void {
  if (getuid?.() === 0) return;
  console.error(`run it as root: sudo ${argv[0]} --conditions=@ambient/source --import tsx ${argv[1]}`);
  exit(1);
}
