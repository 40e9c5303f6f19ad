import { describe, expect, test } from 'vitest';
import { parseEventFilter, type EventFilterWords } from './event-filter.ts';
import type { TrafficEvent } from './traffic-event.ts';

const EVENT: TrafficEvent = {
  time: 1n, pod: 'shop/cart', direction: 'outbound', family: 'ipv4', verdict: 'captured', program: 'app_outbound', protocol: 6,
  source: '10.244.1.5', destination: '10.96.0.10', sourcePort: 40000, destinationPort: 443, length: 66, ifindex: 11,
}; // prettier-ignore
const NONE: EventFilterWords = { pods: [], directions: [], verdicts: [], addresses: [], ports: [], protocols: [] };
const IPV6 = { family: 'ipv6', source: 'fd00::5', destination: '2001:db8::1' } as const;

const filter = (words: Partial<EventFilterWords>): ReturnType<typeof parseEventFilter> =>
  parseEventFilter({ ...NONE, ...words });
const isWanted = (words: Partial<EventFilterWords>, event: Partial<TrafficEvent> = {}): boolean =>
  filter(words).matches({ ...EVENT, ...event });

describe('an event is wanted', () => {
  test.each<readonly [Partial<EventFilterWords>, Partial<TrafficEvent>, boolean]>([
    [{}, {}, true],
    [{ pods: ['shop/cart'] }, {}, true],
    [{ pods: ['other', 'shop/cart'] }, {}, true],
    [{ pods: ['shop'] }, {}, false],
    [{ pods: ['shop/cart'] }, { pod: undefined }, false],
    [{ directions: ['outbound'] }, {}, true],
    [{ directions: ['inbound'] }, {}, false],
    [{ directions: ['inbound', 'outbound'] }, {}, true],
    [{ verdicts: ['captured'] }, {}, true],
    [{ verdicts: ['redirected'] }, {}, true],
    [{ verdicts: ['dropped', 'host'] }, {}, false],
    [{ verdicts: ['dropped', 'host'] }, { verdict: 'spoofed' }, true],
    [{ addresses: ['10.244.1.5'] }, {}, true],
    [{ addresses: ['10.96.0.0/16'] }, {}, true],
    [{ addresses: ['10.97.0.0/16', '10.244.1.4'] }, {}, false],
    [{ addresses: ['0.0.0.0/0'] }, {}, true],
    [{ addresses: ['0.0.0.0/0'] }, IPV6, false],
    [{ addresses: ['2001:db8::/32'] }, IPV6, true],
    [{ addresses: ['fd00::5'] }, IPV6, true],
    [{ addresses: ['::/0'] }, {}, false],
    [{ ports: ['443'] }, {}, true],
    [{ ports: ['40000-40001'] }, {}, true],
    [{ ports: ['444-39999'] }, {}, false],
    [{ ports: ['0'] }, { protocol: 1, sourcePort: 0, destinationPort: 0 }, false],
    [{ protocols: ['tcp'] }, {}, true],
    [{ protocols: ['udp', '132'] }, { protocol: 132 }, true],
    [{ protocols: ['icmp'] }, { protocol: 58 }, true],
    [{ protocols: ['udp'] }, {}, false],
    [{ ports: ['443'], verdicts: ['captured'], pods: ['shop/cart'] }, {}, true],
    [{ ports: ['443'], verdicts: ['captured'], pods: ['other'] }, {}, false],
  ])('%j of %j: %s', (words, event, wanted) => {
    expect(isWanted(words, event)).toBe(wanted);
  });
});

test('pods and verdicts are told to the programs', () => {
  expect(filter({})).toMatchObject({ pods: undefined, verdicts: undefined });
  expect(filter({ pods: ['a', 'a', 'b'], verdicts: ['dropped', 'spoofed'] })).toMatchObject({
    pods: ['a', 'b'],
    verdicts: ['droppedWithoutProxy', 'spoofed'],
  });
});

test.each<Partial<EventFilterWords>>([
  { directions: ['out'] },
  { verdicts: ['drop'] },
  { addresses: ['10.0.0'] },
  { addresses: ['10.0.0.0/33'] },
  { addresses: ['10.0.0.0/8/8'] },
  { addresses: ['fe80::1%eth0'] },
  { addresses: ['::/129'] },
  { addresses: [''] },
  { ports: ['http'] },
  { ports: ['70000'] },
  { ports: ['9-8'] },
  { ports: ['-1'] },
  { protocols: ['sctp'] },
  { protocols: ['256'] },
])('what is no word is refused, with what is: %j', (words) => {
  const [[word] = []] = Object.values(words);
  expect(() => filter(words)).toThrow(
    expect.objectContaining({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(JSON.stringify(word)),
      hint: expect.stringMatching(/^give /),
    }),
  );
});
