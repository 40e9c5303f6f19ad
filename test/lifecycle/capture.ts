/** What passes on a wire, seen by somebody else: tcpdump, a process of its own. Needs `tool('tcpdump')`. */
import type { LabHost } from '../support/lab-host.ts';

/** Packets that are being watched for. */
export interface Capture {
  /** Watches no more. @returns a line for each packet that was seen @throws Error when the kernel dropped some unseen */
  finish(): Promise<readonly string[]>;
}

/**
 * TCP that is not by the proxy, where what a pod gets is looked at. Everyone in a lab sends with a hop limit of 64. What the proxy sends goes straight into
 * the pod, with 64 still; the node's stack, which is the way past the proxy, counts down.
 */
const ROUTED = '(ip and tcp and ip[8] != 64) or (ip6 and ip6[6] == 6 and ip6[7] != 64)';

/** Watches at the interface of a pod for TCP that comes by way of the node's stack. */
export async function captureRouted(pod: LabHost): Promise<Capture> {
  const started = pod.spawn(['tcpdump', '--immediate-mode', '-l', '-n', '-i', 'eth0', '-Q', 'in', ROUTED]);
  await started.until('listens', () => started.output.includes('listening on eth0'));
  return {
    async finish() {
      await started.stop('SIGINT');
      const { output } = started;
      if (!output.includes('\n0 packets dropped by kernel')) throw new Error(`not all was seen: ${output}`);
      return output.split('\n').filter((line) => /^\d\d:\d\d:\d\d/.test(line));
    },
  };
}
