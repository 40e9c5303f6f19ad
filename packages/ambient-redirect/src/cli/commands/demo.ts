import type { CommandSpec } from '../command-spec.ts';
import { OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect demo`. */
export const demo: CommandSpec = {
  name: 'demo',
  summary: 'show a node with pods and a proxy, in namespaces of its own',
  description:
    'Makes a node, two pods in the mesh, one outside, and a transparent proxy; redirects their traffic, says what is expected of each packet and what became of it, and takes everything away. Nothing else of the machine is touched.',
  options: [
    {
      name: 'attach',
      value: 'HOW',
      choices: ['auto', 'tcx', 'clsact'],
      default: 'auto',
      summary: 'how programs are attached',
    },
    {
      name: 'steer',
      value: 'HOW',
      choices: ['auto', 'sk_lookup', 'tproxy'],
      default: 'auto',
      summary: "how connections find the proxy's listeners",
    },
    { name: 'keep', summary: 'wait for Enter before it is taken away, to look around' },
    ...OUTPUT_OPTIONS,
  ],
  examples: [
    { summary: 'does it work on this kernel?', line: 'ambient-redirect demo' },
    { summary: 'as on a kernel before 5.17', line: 'ambient-redirect demo --attach clsact --steer tproxy' },
  ],
  exitCodes: { 1: 'something was not as told' },
  json: {
    summary: 'What was told and seen, the chains on the interfaces, and what was counted.',
    example: {
      ok: true,
      kernel: '6.18.0',
      attached: 'tcx',
      steering: { mode: 'sk_lookup', reason: 'the kernel has it' },
      checks: [
        {
          what: 'client → server, IPv4',
          expected: 'captured; the server saw 10.88.0.5',
          found: 'captured; the server saw 10.88.0.5',
          ok: true,
          by: 'app_outbound',
        },
      ],
      chains: [],
      counts: [
        {
          pod: 'demo/client',
          direction: 'outbound',
          family: 'ipv4',
          verdict: 'redirected',
          packets: '12',
          bytes: '1893',
        },
      ],
      milliseconds: 5120,
    },
  },
  run: () => import('../run/demo.ts'),
};
