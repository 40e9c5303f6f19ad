/** Examples of commands that change something, and of those that need no engine. */
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { haproxySessions } from '../support/lab-proxy.ts';
import { blocks, PROJECT } from './pages.ts';
import { says, type Step } from './step.ts';

const STATE = '/sys/fs/bpf/ambient';

const ADDRESSES = '10\\.244\\.7\\.21, fd00:7::21';

const PODS_FILE = `- { id: shop/cart-1, netns: /run/netns/cart }
- { id: shop/cart-2, netns: /run/netns/cart-2 }
`;

export const BEFORE_ANY_ENGINE: readonly Step[] = [
  says('ambient-redirect doctor', /✔ Redirection works on this kernel/, /^Redirection works here, or would: 0 errors/m),
  [
    'ambient-redirect doctor --quiet',
    async (node, line) => {
      const out = await node.done(line);
      expect(out).toContain('docs/doctor.md#container-network-namespace');
      expect(out).not.toContain('✔');
    },
  ],
  says('ambient-redirect doctor --attach clsact --steer tproxy', /steering by tproxy.*\n.*by clsact/),
  [
    `ambient-redirect doctor --json | jq -r '.findings[] | select(.severity == "error") | .code'`,
    async (node, line) => {
      // The node's own network namespace is not forwarding any more: that is an error, the only one.
      node.lab.node.sysctl('ipv4/conf/all/forwarding', '0');
      expect(await node.done(line)).toBe('sysctls-forwarding-off\n');
      node.lab.node.sysctl('ipv4/conf/all/forwarding', '1');
    },
  ],
  says('ambient-redirect demo', new RegExp(`^All \\d+ as told\\. Linux ${release()}`, 'm')),
  says('ambient-redirect demo --attach clsact --steer tproxy', /as told\..*programs by clsact.*steered by tproxy/),
  [
    'source <(ambient-redirect completion bash)',
    async (node, line) =>
      expect(await node.done(`${line}\ncomplete -p ambient-redirect`)).toMatch(/-F _ambient_redirect /),
  ],
  [
    'ambient-redirect completion bash > /etc/bash_completion.d/ambient-redirect',
    async (node, line) => {
      await node.done(line);
      const read = 'source /etc/bash_completion.d/ambient-redirect\ncomplete -p ambient-redirect';
      expect(await node.done(read)).toMatch(/-F _ambient_redirect /);
    },
  ],
  [
    'ambient-redirect completion zsh > /usr/local/share/zsh/site-functions/_ambient-redirect',
    async (node, line) => {
      await node.done(line);
      const asked = `zsh -fc 'autoload -Uz compinit && compinit -D -u && echo $_comps[ambient-redirect]'`;
      expect(await node.done(asked)).toBe('_ambient-redirect\n');
    },
  ],
  [
    'ambient-redirect completion fish > ~/.config/fish/completions/ambient-redirect.fish',
    async (node, line) => {
      // As fish makes it when it first starts.
      await node.done('mkdir -p ~/.config/fish/completions');
      await node.done(line);
      expect(await node.done(`fish -c "complete -C 'ambient-redirect recon'"`)).toMatch(/^reconcile\b/);
    },
  ],
];

export const ENROLMENT: readonly Step[] = [
  says(
    'ambient-redirect proxy set --netns /run/netns/ztunnel',
    /^status +listening/,
    /outbound +ipv4 +0\.0\.0\.0:15001/,
  ),
  [
    'ambient-redirect proxy show',
    async (node, line) => expect(await node.done(line)).toContain(`status      listening, process ${node.proxy.pid}`),
  ],
  says(`ambient-redirect proxy show --json | jq -r '.proxy.status'`, /^listening\n$/),
  [
    'ambient-redirect proxy set --pid 4711',
    async (node, line) => {
      const { pid } = node.proxy;
      expect(await node.done(line.replace('4711', String(pid)))).toContain(`status      listening, process ${pid}`);
    },
  ],
  [
    'ambient-redirect enroll shop/cart-1 --pid 4711 --dns --dry-run',
    async (node, line) => {
      const { pid } = node.cart.spawn(['sleep', 'infinity']);
      expect(await node.done(line.replace('4711', String(pid)))).toMatch(
        /^vethcart1\n +\+ make +app_outbound on ingress/m,
      );
      expect(await node.isCaptured()).toBe(false);
    },
  ],
  [
    'ambient-redirect enroll shop/cart-1 --netns /run/netns/cni-1234',
    async (node, line) => {
      expect(await node.done(line)).toMatch(
        new RegExp(`^shop/cart-1 enrolled: vethcart1, ${ADDRESSES}, by (tcx|clsact)\n$`),
      );
      expect(await node.isCaptured()).toBe(true);
    },
  ],
  [
    'ambient-redirect enroll shop/cart-1 --interface vethcart1 --inbound-exclude-port 9090-9099',
    async (node, line) => {
      await node.cart.serveHttp(8080);
      await node.cart.serveHttp(9095);
      expect(await node.done(line)).toMatch(/^shop\/cart-1 enrolled: vethcart1/);
      const { cart, lab } = node;
      const inbound = async (port: number): Promise<number> => {
        const before = await haproxySessions(lab.proxy);
        await lab.outsider.get(cart.ipv4, port);
        return (await haproxySessions(lab.proxy)).plaintext4 - before.plaintext4;
      };
      expect([await inbound(8080), await inbound(9095)]).toEqual([1, 0]);
    },
  ],
  [
    'ambient-redirect enroll --file pods.yaml',
    async (node, line) => {
      node.write('pods.yaml', PODS_FILE);
      expect(await node.done(line)).toMatch(/^shop\/cart-1 enrolled: .*\nshop\/cart-2 enrolled: vethcart2/);
    },
  ],
  [
    'ambient-redirect proxy set --netns /run/netns/ztunnel --pid 4712 --handover',
    async (node, line) => {
      const old = node.proxy;
      await node.startProxy();
      const { pid } = node.proxy;
      expect(await node.done(line.replace('4712', String(pid)))).toContain(`status      listening, process ${pid}`);
      await old.stop('SIGUSR1');
      await node.done('ambient-redirect proxy set --netns /run/netns/ztunnel');
      expect(await node.isCaptured()).toBe(true);
    },
  ],
];

/** A step whose line takes the first pod out of the mesh; it is enrolled again then. */
const leaves = (line: string): Step => [
  line,
  async (node) => {
    expect(await node.done(line)).toBe('shop/cart-1 unenrolled\n');
    expect(await node.isCaptured()).toBe(false);
    await node.done('ambient-redirect enroll --file pods.yaml');
    expect(await node.isCaptured()).toBe(true);
  },
];

export const THE_END: readonly Step[] = [
  leaves('ambient-redirect unenroll shop/cart-1'),
  leaves('ambient-redirect unenroll shop/cart-1 --now'),
  says(
    'ambient-redirect unenroll shop/cart-1 shop/cart-2 --drain 600',
    /^shop\/cart-1 unenrolled\nshop\/cart-2 unenrolled\n$/,
  ),
  says('ambient-redirect teardown --dry-run', /^proxy\n[^]*- remove +ztunnel_\w+ /m),
  [
    'ambient-redirect teardown --yes',
    async (node, line) => {
      expect(await node.done(line)).toMatch(new RegExp(`^all of ${STATE} taken away, with 0 pods\n`));
      expect(existsSync(node.path(STATE))).toBe(false);
    },
  ],
];

export const THE_AGENT: readonly Step[] = [
  [
    'ambient-redirect agent --config agent.yaml --dry-run',
    async (node, line) => {
      node.write('agent.yaml', blocks('docs/operating.md', 'yaml').join(''));
      expect(await node.done(line)).toContain('the proxy would be named\nshop/cart-1 would be enrolled\n');
      expect(existsSync(node.path(STATE))).toBe(false);
    },
  ],
  [
    'ambient-redirect agent --config agent.yaml',
    async (node, line) => {
      const agent = node.type(line);
      await agent.until(/ready/);
      expect(await node.isCaptured()).toBe(true);
      expect(await node.done('ambient-redirect status')).toMatch(/agent \d+ since .*\/agent\.yaml$/m);
      expect(await agent.interrupt()).toMatchObject({ code: 0, out: '' });
      expect(await node.isCaptured()).toBe(true);
    },
  ],
  [
    // By what is handed out for it, and by the file that its comment has.
    'ambient-redirect agent',
    async (node, line) => {
      const handedOut = readFileSync(join(PROJECT, 'deploy/agent.yaml'), 'utf8');
      node.write('/etc/ambient-redirect/agent.yaml', handedOut);
      node.write('/run/ambient-redirect/pods/cart-1.json', /^# +(\{.*\})$/m.exec(handedOut)?.[1] ?? '');
      const agent = node.type(line);
      await agent.until(/ready/);
      expect(await node.done('curl -s http://127.0.0.1:9090/readyz')).toBe('ready\n');
      expect(await node.isCaptured()).toBe(true);
      // The control socket, as the page about it shows it.
      expect(await agent.interrupt('SIGTERM')).toMatchObject({ code: 0, out: '' });
    },
  ],
];
