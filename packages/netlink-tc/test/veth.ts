import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';

/** A pair of interfaces for one test, down and without addresses: no traffic passes. Returns the index of the first. */
export function testVeth(): { readonly name: string; readonly ifindex: number; remove(): void } {
  const name = `nt${process.pid % 100_000}v${performance.now().toFixed(0).slice(-4)}`.slice(0, 14);
  execFileSync('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`]);
  let there = true;
  const remove = (): void => {
    if (there) execFileSync('ip', ['link', 'del', name]);
    there = false;
  };
  onTestFinished(remove);
  return { name, ifindex: Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8')), remove };
}
