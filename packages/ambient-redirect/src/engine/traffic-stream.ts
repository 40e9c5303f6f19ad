import { openRingBuffer, type EventStream } from 'netlink-tc';
import { trafficCodec, type TrafficEvent } from '../observe/index.ts';
import type { EngineContext } from './context.ts';

/**
 * The events of the ring buffer, with the names of the pods that they are about.
 * @param onClose called once, when the stream is closed
 */
export function trafficStream(
  { sys, pods, directory }: Pick<EngineContext, 'sys' | 'pods' | 'directory'>,
  onClose: () => void,
): EventStream<TrafficEvent> {
  const podOf = (slot: number): string | undefined => [...pods.values()].find((pod) => pod.slot === slot)?.id;
  const ring = openRingBuffer(sys, directory.maps.events, { layout: trafficCodec(podOf) });
  let isOpen = true;
  const close = (): void => {
    ring.close();
    if (!isOpen) return;
    isOpen = false;
    onClose();
  };
  const events = async function* (of?: {
    readonly signal?: AbortSignal;
  }): AsyncGenerator<TrafficEvent, void, undefined> {
    try {
      yield* ring.events(of);
    } finally {
      close();
    }
  };
  return {
    get dropped(): number {
      return ring.dropped;
    },
    events,
    close,
    [Symbol.asyncIterator]: () => events(),
    [Symbol.dispose]: close,
  };
}
