import { isNetlinkTcError } from '../error.ts';
import type { MessageFormat, MonitorSource } from '../netlink/index.ts';
import { LINK, RTM_LINK } from '../rtnl/link-format.ts';
import { RTNLGRP } from '../rtnl/watch.ts';
import { listFilters, type Filter } from './filter.ts';
import { FILTER, QDISC } from './format.ts';
import { handleNumber, type Handle } from './handle.ts';
import { listQdiscs, type Qdisc } from './qdisc.ts';

const FORMATS = [QDISC, FILTER, LINK] as unknown as readonly MessageFormat[];

/** What to watch for qdiscs: each is known by its link and place. They go with their link, without a word: then they are listed again. */
export function qdiscSource(): MonitorSource<Qdisc> {
  return {
    groups: [RTNLGRP.TC, RTNLGRP.LINK],
    formats: FORMATS,
    list: (socket) => socket.request(listQdiscs()),
    read: ({ type }) => (Object.values(FILTER.types).includes(type) ? undefined : { kind: 'refresh' }),
    key: ({ device, parent, handle }) => `${device} ${parent} ${handle}`,
  };
}

/**
 * What to watch for filters of one qdisc of one link. They go with their qdisc and link, without a word: changes of those lead to a
 * fresh list too.
 */
export function filterSource(where: { readonly device: number; readonly parent: Handle }): MonitorSource<Filter> {
  handleNumber(where.parent);
  return {
    groups: [RTNLGRP.TC, RTNLGRP.LINK],
    formats: FORMATS,
    async list(socket) {
      try {
        return await socket.request(listFilters(where));
      } catch (error) {
        // No such link or qdisc: no filters.
        if (isNetlinkTcError(error) && (error.code === 'ERR_NOT_FOUND' || error.errno === 22)) return [];
        throw error;
      }
    },
    read({ type, header }) {
      const { index } = header as { index?: number };
      // A new link of another index means nothing to these filters.
      if (index !== where.device || type === RTM_LINK.RTM_NEWLINK) return undefined;
      return { kind: 'refresh' };
    },
    key: ({ priority, protocol, handle, chain, kind }) => `${chain} ${priority} ${protocol} ${kind} ${handle}`,
  };
}
