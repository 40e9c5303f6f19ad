import {
  hasPorts,
  isoTime,
  VERDICT_MEANING,
  type Outcome,
  type PcapngOptions,
  type TrafficEvent,
} from '../../observe/index.ts';
import type { Output, Paint } from '../output.ts';

const PAINT: Readonly<Record<Outcome, Paint>> = { redirected: 'green', passed: 'cyan', dropped: 'red' };

/** Names of protocols (the registry of protocol numbers at IANA). */
const PROTOCOL: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6' };

/** Prints packets, one a line. */
export class TraceLines {
  readonly #output: Output;
  readonly #options: PcapngOptions;
  /** The widest pod and the widest ends so far: lines stand below each other. */
  #podWidth = 0;
  #endsWidth = 0;

  constructor(output: Output, options: PcapngOptions) {
    this.#output = output;
    this.#options = options;
  }

  /** Prints one. */
  show(event: TrafficEvent): void {
    this.#output.record(this.#record(event), () => this.#line(event));
  }

  #record(event: TrafficEvent): object {
    const { time, pod, direction, verdict, program, ifindex, packet: _packet, ...rest } = event;
    const { outcome, reason } = VERDICT_MEANING[verdict];
    return {
      kind: 'packet',
      time: isoTime(this.#options.wallTime(time)),
      pod,
      direction,
      verdict,
      outcome,
      reason,
      program,
      interface: this.#options.interfaceName(ifindex) ?? String(ifindex),
      ...rest,
    };
  }

  #line(event: TrafficEvent): string {
    const { time, pod = '-', direction, protocol, length, verdict, program } = event;
    const { outcome, reason } = VERDICT_MEANING[verdict];
    const clock = isoTime(this.#options.wallTime(time)).slice(11, -1);
    const ends = `${end(event, 'source')} > ${end(event, 'destination')}`;
    this.#podWidth = Math.max(this.#podWidth, pod.length);
    this.#endsWidth = Math.max(this.#endsWidth, ends.length);
    return [
      clock,
      pod.padEnd(this.#podWidth),
      direction.padEnd(8),
      (PROTOCOL[protocol] ?? `ip ${protocol}`).padEnd(5),
      ends.padEnd(this.#endsWidth),
      `${length} B`.padStart(7),
      `${this.#output.paint(PAINT[outcome], `${verdict}: ${outcome}`)}; ${reason} (${program})`,
    ].join('  ');
  }
}

function end(event: TrafficEvent, which: 'source' | 'destination'): string {
  const { family } = event;
  const address = event[which];
  const port = which === 'source' ? event.sourcePort : event.destinationPort;
  if (!hasPorts(event) || (event.sourcePort === 0 && event.destinationPort === 0)) return address;
  return family === 'ipv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
