import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Control, ControlStatus } from '../../control/index.ts';
import type { EventOptions } from '../../engine/index.ts';
import { parseEventFilter, PcapngWriter, wallClock, type EventFilter, type TrafficEvent } from '../../observe/index.ts';
import type { Arguments } from '../arguments.ts';
import type { CommandIo, CommandRun, TextSink } from '../command-spec.ts';
import { CliError, EXIT, OutputClosed } from '../errors.ts';
import type { Output } from '../output.ts';
import { requirePods } from './known-pods.ts';
import { openToChange } from './node.ts';
import { TraceLines } from './trace-lines.ts';

/** `ambient-redirect trace`. */
export const run: CommandRun = async ({ args, output, io }) => {
  const file = args.text('pcap');
  if (file === '-' && output.json)
    throw new CliError('--pcap - and --json both want the standard output', { hint: 'give --pcap a file' });
  const filter = filterOf(args);
  await using control = await openToChange(args);
  const status = await control.status();
  requirePods(filter.pods ?? [], status.pods);
  const names = interfaceNames(status);
  const wallTime = wallClock();
  const lines = new TraceLines(output, { wallTime, interfaceName: (index) => names.get(index) });
  const capture = file === undefined ? undefined : captureTo(file, io);
  try {
    const pcap = capture && new PcapngWriter(capture.write, { wallTime, interfaceName: (index) => names.get(index) });
    const show = (event: TrafficEvent): void => {
      pcap?.write(event);
      if (file !== '-' && (file === undefined || !output.quiet)) lines.show(event);
    };
    const { isCut, ...end } = await follow(control, optionsOf(args, filter), { args, output, io, filter, show });
    if (io.signal.reason instanceof OutputClosed) return EXIT.ok;
    if (output.json) output.record({ kind: 'end', ...end }, () => '');
    else output.note(`${end.packets} packets${file === undefined || file === '-' ? '' : ` to ${file}`}`);
    if (end.lost > 0)
      output.warn(`${end.lost} packets were lost: there was no room for them; ask for fewer, by --sample or --verdict`);
    if (!isCut) return EXIT.ok;
    output.warn('the agent tells no more: it has ended, or its configuration has changed; begin again');
    return EXIT.failed;
  } finally {
    capture?.close();
  }
};

function filterOf(args: Arguments): EventFilter {
  return parseEventFilter({
    pods: args.all('pod'),
    directions: args.all('direction'),
    verdicts: args.all('verdict'),
    addresses: args.all('address'),
    ports: args.all('port'),
    protocols: args.all('protocol'),
  });
}

function optionsOf(args: Arguments, { pods, verdicts }: EventFilter): EventOptions {
  return {
    sample: args.number('sample') ?? 1,
    ...(pods === undefined ? {} : { pods }),
    ...(verdicts === undefined ? {} : { verdicts }),
    ...(args.text('pcap') === undefined ? {} : { snapshot: true }),
  };
}

/**
 * Shows what comes until there is enough, the time is over, or someone asks for the end.
 * @returns `isCut`: whoever tells of packets ended it
 */
async function follow(
  control: Control,
  options: EventOptions,
  {
    args,
    output,
    io,
    filter,
    show,
  }: {
    readonly args: Arguments;
    readonly output: Output;
    readonly io: CommandIo;
    readonly filter: EventFilter;
    readonly show: (event: TrafficEvent) => void;
  },
): Promise<{ readonly packets: number; readonly lost: number; readonly isCut: boolean }> {
  const most = args.number('count') ?? Infinity;
  const seconds = args.number('duration');
  using stream = await control.events(options);
  output.note('packets are told from here on; Ctrl-C ends it');
  const timer = seconds === undefined ? [] : [AbortSignal.timeout(seconds * 1000)];
  const signal = AbortSignal.any([io.signal, ...timer]);
  let packets = 0;
  try {
    for await (const event of stream.events({ signal })) {
      if (!filter.matches(event)) continue;
      show(event);
      packets += 1;
      if (packets >= most) break;
      await room(io.stdout, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return { packets, lost: stream.dropped, isCut: packets < most && !signal.aborted };
}

/** Waits for who reads what is printed: what comes meanwhile waits, and what there is no room for is counted. */
async function room(sink: TextSink & { readonly writableNeedDrain?: boolean }, signal: AbortSignal): Promise<void> {
  if (sink.writableNeedDrain === true) await once(sink as unknown as NodeJS.WritableStream, 'drain', { signal });
}

/** Names of the host's interfaces that packets are seen at, by their indices. */
function interfaceNames({ pods, proxy }: ControlStatus): ReadonlyMap<number, string> {
  const all = [
    ...pods.map(({ hostInterface }) => hostInterface),
    ...(proxy === undefined ? [] : [proxy.hostInterface]),
  ];
  return new Map(all.map(({ index, name }) => [index, name]));
}

function captureTo(file: string, io: CommandIo): { write(bytes: Uint8Array): void; close(): void } {
  if (file === '-') return { write: (bytes) => void io.stdout.write(bytes), close: () => undefined };
  const fd = openSync(file, 'w');
  return { write: (bytes) => void writeSync(fd, bytes), close: () => closeSync(fd) };
}
