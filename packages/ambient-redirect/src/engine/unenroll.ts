import { POD_FLAG } from '../maps.ts';
import { forgetPod, savePod, type EngineContext } from './context.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';

/**
 * Takes everything away that makes a pod redirected, in an order in which each step leaves something that works: it is no longer held to
 * the proxy before its programs go, and known until they are gone.
 */
export async function removePod(context: EngineContext, pod: PodRecord): Promise<void> {
  const { hooks, podMaps, node } = context;
  const leaving = pod.phase === 'leaving' ? pod : savePod(context, { ...pod, phase: 'leaving' });
  podMaps.set([leaving], node.podCidrs, POD_FLAG.deliver | POD_FLAG.classify);
  for (const hook of [leaving.hooks.ingress, leaving.hooks.egress]) if (hook !== undefined) await hooks.detach(hook);
  podMaps.remove([leaving], node.podCidrs);
  if (leaving.mode !== 'full') context.directFlows.forget(addressesOf(leaving));
  forgetPod(context, leaving);
}
