/** Examples of commands that look, on a node where all is well, and on one where it is not. */
import { expect } from 'vitest';
import { says, type Step } from './step.ts';

export const LOOKING: readonly Step[] = [
  says('ambient-redirect status', /^All is as it is wanted\.$/m, /^shop\/cart-1 +enrolled +\w+ +vethcart1/m),
  [
    'ambient-redirect status --html node.html',
    async (node, line) => {
      await node.done(line);
      expect(node.read('node.html')).toMatch(/^<!doctype html>[^]*vethcart1/i);
    },
  ],
  [
    'ambient-redirect status --stats 3',
    async (node, line) => {
      const out = await node.busy(node.done(line));
      expect(out).toMatch(/^app_outbound +\d+ +[0-9a-f]{16} +\d+ s +[\d,]+ +[1-9]\d* +vethcart1 ingress/m);
      expect(out).toContain('Runs of 3 seconds.');
    },
  ],
  says(
    'ambient-redirect chain show',
    /^vethcart1 #21 ingress: .*\n.*\nours +1 +\w+ +app_outbound .*always$/m,
    /^v-proxy #13/m,
  ),
  says(
    'ambient-redirect chain show eth0 vethcart1',
    /^eth0 #15 ingress: nothing is attached$/m,
    /^vethcart1 #21 egress/m,
  ),
  [
    `ambient-redirect chain show --json | jq '.chains[] | select(any(.entries[]; .ours and .reached == "never")) | .interface'`,
    async (node, line) => {
      expect(await node.done(line)).toBe('');
      expect(await node.done(line.replace('never', 'always'))).toContain('"vethcart1"\n"vethcart1"\n"vethcart2"\n');
    },
  ],
  [
    'ambient-redirect top',
    async (node, line) =>
      expect(await node.watched(line, /captured[^]* UTC, over [^]* UTC, over /)).toMatchObject({ code: 0 }),
  ],
  [
    'ambient-redirect top --once --interval 3',
    async (node, line) =>
      expect(await node.busy(node.done(line))).toMatch(/over 3\.\d s[^]*\nshop\/cart-1 +[1-9].* captured /),
  ],
  says(
    'ambient-redirect metrics',
    /^ambient_redirect_packets_total\{pod="shop\/cart-1",.*verdict="captured".*\} [1-9]\d*$/m,
  ),
  [
    'ambient-redirect trace',
    async (node, line) => {
      const { code, out } = await node.watched(line, /app_outbound/);
      expect([code, out]).toEqual([0, expect.stringMatching(/^[\d:.]+ +shop\/cart-1 +outbound +tcp .*captured: /m)]);
    },
  ],
  [
    'ambient-redirect trace --pod shop/cart-1 --address 10.96.0.0/12 --port 443 --protocol tcp',
    async (node, line) => {
      const { outside } = node.lab;
      // A service's address, that someone beyond the node answers for.
      await outside.exec('ip', 'address', 'add', '10.96.0.10/32', 'dev', 'lo');
      await outside.serveHttp(443);
      const typed = node.type(line);
      await typed.until(/from here on/);
      await node.isCaptured();
      await node.cart.get('10.96.0.10', 443);
      await typed.until(/ > 10\.96\.0\.10:443 /);
      const { code, out } = await typed.interrupt();
      expect(code).toBe(0);
      for (const told of out.trim().split('\n')) expect(told).toMatch(/ 10\.96\.0\.10:443 .*(captured|delivered): /);
    },
  ],
  [
    'ambient-redirect trace --sample 1024 --duration 60 --json',
    async (node, line) => {
      const { code, out } = await node.watched(line, /from here on/);
      expect(code).toBe(0);
      expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toMatchObject({ kind: 'end', lost: 0 });
    },
  ],
  [
    'ambient-redirect trace --pcap cart.pcapng --count 100',
    async (node, line) => {
      const typed = node.type(line);
      await typed.until(/from here on/);
      expect(await node.busy(typed.ended())).toMatchObject({ code: 0 });
      const comments = (await node.done('tshark -r cart.pcapng -T fields -e frame.comment')).trim().split('\n');
      expect(comments).toHaveLength(100);
      expect(comments).toContainEqual(expect.stringMatching(/^captured, app_outbound of shop\/cart-1: /));
    },
  ],
  [
    'ambient-redirect trace --pcap - | tshark -r -',
    async (node, line) => {
      const typed = node.type(line);
      await typed.until(/from here on/);
      expect(await node.isCaptured()).toBe(true);
      // Those of one connection, and no more has to come for them to be told.
      await typed.until(/10\.244\.7\.21 → 10\.244\.7\.6 +TCP .*\[SYN\]/);
      await typed.interrupt();
    },
  ],
];

export const WHAT_IS_WRONG: readonly Step[] = [
  [
    'ambient-redirect proxy clear',
    async (node, line) => {
      expect(await node.done(line)).toBe('the proxy at v-proxy cleared\n');
      await expect(node.cart.get(node.lab.server.ipv4, 80, { timeoutMs: 200 })).rejects.toThrow('timeout');
    },
  ],
  [
    'ambient-redirect trace --verdict dropped',
    async (node, line) => {
      const { code, out } = await node.watched(line, /dropped;/);
      expect([code, out]).toEqual([0, expect.stringMatching(/^.* droppedWithoutProxy: dropped; there is no proxy /)]);
    },
  ],
  [
    `ambient-redirect top --json | jq -c '.pods[] | {id, dropped: [.traffic[] | select(.outcome == "dropped")]}'`,
    async (node, line) => {
      const { out } = await node.watched(line, /cart-2/);
      expect(out).toMatch(/^\{"id":"shop\/cart-1","dropped":\[\{.*"verdict":"droppedWithoutProxy"/);
      expect(out).toContain('{"id":"shop/cart-2","dropped":[]}');
    },
  ],
  says(
    `ambient-redirect metrics | grep 'packets_total.*outcome="dropped"'`,
    /^ambient_redirect_packets_total\{pod="shop\/cart-1",.*verdict="droppedWithoutProxy".*\} [1-9]\d*\n$/,
  ),
  [
    'ambient-redirect status --quiet',
    async (node, line) => {
      await node.done('ambient-redirect proxy set --netns /run/netns/ztunnel');
      // Someone who does not know of it takes a program away.
      const asked = `ambient-redirect chain show vethcart1 --json | jq '.chains[0].entries[0].linkId'`;
      await node.done(`bpftool link detach id ${(await node.done(asked)).trim()}`);
      expect(await node.done(line, 1)).toMatch(
        /^\d things? (is|are) not as wanted:\n +✕ shop\/cart-1: app_outbound .*\n/,
      );
    },
  ],
  says(
    `ambient-redirect status --json | jq -r '.problems[] | "\\(.subject): \\(.what)"'`,
    /^shop\/cart-1: app_outbound .*\n$/,
  ),
  says('ambient-redirect reconcile --dry-run', /^vethcart1\n[^]*\+ make +app_outbound on ingress /),
  [
    'ambient-redirect reconcile',
    async (node, line) => {
      expect(await node.done(line)).toMatch(/^mended +shop\/cart-1: app_outbound .*\n/);
      expect(await node.isCaptured()).toBe(true);
    },
  ],
  says('ambient-redirect upgrade --dry-run', /^nothing would change\n$/),
  says('ambient-redirect upgrade', /^all is as it is wanted\n$/),
];
