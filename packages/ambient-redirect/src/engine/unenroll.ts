import { POD_FLAG } from '../maps.ts';
import type { CaptureMode } from '../programs/index.ts';
import { appFacts, forgetPod, savePod, type EngineContext } from './context.ts';
import { convergeHostIn } from './converge.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';

/**
 * Lets a pod's new connections go past the proxy, while those that go by it run on. Between two steps, the program of one may be at one hook of
 * the pod and that of the next at the other, and no connection may suffer that begins then:
 *
 * 1. It is no longer held to the proxy, before it has connections that go past it.
 * 2. `preserve`: what a program notes from now on, both look up. In `full`, none would, and the answer to what one hook lets pass would be
 *    captured at the other.
 * 3. `drain`: new connections go past the proxy, and are noted.
 * 4. What the proxy gets from it is not its own any more. And what others open to it by the proxy goes by the node's stack from the beginning: that
 *    can go on when the pod's programs are gone.
 */
export async function letPass(context: EngineContext, pod: PodRecord): Promise<PodRecord> {
  const { podMaps, node } = context;
  const { deliver, classify } = POD_FLAG;
  let now = pod;
  if (now.mode !== 'drain') {
    podMaps.set([now], node.podCidrs, deliver | classify);
    now = await change(context, now, 'preserve');
    now = await change(context, now, 'drain');
  }
  podMaps.set([now], node.podCidrs, deliver);
  return now;
}

/**
 * Takes everything away that makes a pod redirected, in an order in which each step leaves something that works: its new connections go past the
 * proxy before its programs go, by `observe`, which captures nothing, and it is known until they are gone. What goes by the proxy still is cut off:
 * see `beginDrain` for how it is waited for.
 */
export async function removePod(context: EngineContext, pod: PodRecord): Promise<void> {
  const { hooks, podMaps, node } = context;
  let now = savePod(context, { ...pod, phase: 'leaving' });
  if (now.mode === 'full' || now.mode === 'preserve') now = await letPass(context, now);
  // What begins when nobody notes it any more must go by the node's stack from its first segment on: tracking drops what it saw half of.
  podMaps.set([now], node.podCidrs, 0);
  now = await change(context, now, 'observe');
  for (const hook of [now.hooks.ingress, now.hooks.egress]) if (hook !== undefined) await hooks.detach(hook);
  podMaps.remove([now], node.podCidrs);
  context.directFlows.forget(addressesOf(now));
  forgetPod(context, now);
}

/** Replaces the programs of a pod where they are still there: nothing is attached to what may be another interface by now. */
async function change(context: EngineContext, pod: PodRecord, mode: CaptureMode): Promise<PodRecord> {
  const { hooks, programs } = context;
  const now = pod.mode === mode ? pod : savePod(context, { ...pod, mode });
  await convergeHostIn(context);
  const facts = appFacts(context, now);
  for (const [hook, program] of [
    [now.hooks.ingress, programs.outbound(facts)],
    [now.hooks.egress, programs.inbound(facts)],
  ] as const) {
    if (hook !== undefined && (await hooks.state(hook)).status === 'ours') await hooks.replace(hook, program);
  }
  return now;
}
