import { isNetlinkTcError, openRingBuffer, type EventStream } from 'netlink-tc';
import { readTrafficEvent, type TrafficEvent } from '../observe/index.ts';
import type { EngineContext } from './context.ts';
import { readUntold } from './metrics.ts';
import type { Telling } from './telling.ts';

/**
 * The events of the ring buffer, with the names of the pods that they are about. What an earlier reader left in it is thrown away.
 * @param onClose called once, when the stream is closed
 */
export function trafficStream(
  { sys, pods, directory }: Pick<EngineContext, 'sys' | 'pods' | 'directory'>,
  { pods: wanted }: Telling,
  onClose: () => void,
): EventStream<TrafficEvent> {
  const { events: map, proxy_counters: counters } = directory.maps;
  const podOf = (slot: number): string | undefined => [...pods.values()].find((pod) => pod.slot === slot)?.id;
  const ring = openRingBuffer(sys, map);
  ring.drain(() => undefined);
  const before = readUntold(counters);
  let lost = 0;
  const countLost = (): number => {
    try {
      lost = Number(readUntold(counters) - before);
    } catch (error) {
      // The engine was closed, and its maps with it: what was last known stays.
      if (!isNetlinkTcError(error, 'ERR_CLOSED')) throw error;
    }
    return lost;
  };
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    countLost();
    ring.close();
    onClose();
  };
  const events = async function* (of?: {
    readonly signal?: AbortSignal;
  }): AsyncGenerator<TrafficEvent, void, undefined> {
    try {
      for await (const record of ring.events(of)) {
        const event = readTrafficEvent(record, podOf);
        if (event !== undefined && (wanted === undefined || wanted.includes(event.pod ?? ''))) yield event;
      }
    } finally {
      close();
    }
  };
  return {
    get dropped(): number {
      return ring.dropped + (isOpen ? countLost() : lost);
    },
    events,
    close,
    [Symbol.asyncIterator]: () => events(),
    [Symbol.dispose]: close,
  };
}
