import { ERRNO } from '../errno.ts';
import type { HelperFunction, HelperTable } from '../helper.ts';
import { Code } from '../code.ts';
import type { Machine } from '../machine.ts';
import { ObjectMap, RingbufMap, VmMap } from '../maps/index.ts';
import { Region } from '../region.ts';
import { VmSocket } from '../socket.ts';

/** Iterations that one `bpf_loop` may ask for (`BPF_MAX_LOOPS`). */
const MAX_LOOPS = 8 * 1024 * 1024;

/** The map whose address is in a register. */
function mapIn(machine: Machine, register: number): VmMap {
  const map = machine.regionAt(register)?.object;
  if (map instanceof VmMap && !machine.isNull(register)) return map;
  throw machine.trap(`r${register} is no map`);
}

/** A map of a kind, whose address is in a register. */
function mapOf<T extends VmMap>(machine: Machine, register: number, kind: abstract new (...args: never[]) => T): T {
  const map = mapIn(machine, register);
  if (map instanceof kind) return map;
  throw machine.trap(`the helper takes no map of type ${map.type}`);
}

/** Low word of flags whose high word must be 0; a number that no flag has otherwise. */
function flagsIn(machine: Machine, register: number): number {
  return machine.high(register) === 0 ? machine.u32(register) : 0xffff_ffff;
}

const lookup: HelperFunction = (machine) => {
  const map = mapIn(machine, 1);
  const key = machine.readable(2, map.keySize);
  if (map instanceof ObjectMap && (map.type === 'sockmap' || map.type === 'sockhash')) {
    const socket: unknown = map.object(key.bytes, machine.u32(2));
    if (!(socket instanceof VmSocket)) return 0;
    const reference = socket.reference();
    machine.run.held.push(reference);
    return reference;
  }
  if (map instanceof ObjectMap || map instanceof RingbufMap)
    throw machine.trap(`the helper takes no map of type ${map.type}`);
  return map.lookup(key.bytes, machine.u32(2), machine.run.environment.cpu) ?? 0;
};

const update: HelperFunction = (machine) => {
  const map = mapIn(machine, 1);
  const key = machine.readable(2, map.keySize);
  if (map instanceof ObjectMap && (map.type === 'sockmap' || map.type === 'sockhash')) {
    const socket = machine.regionAt(3)?.object;
    return socket instanceof VmSocket ? map.insert(key.bytes, machine.u32(2), socket) : -ERRNO.EINVAL;
  }
  const value = machine.readable(3, map.valueSize);
  const flags = flagsIn(machine, 4);
  return map.update(key.bytes, machine.u32(2), value.bytes, machine.u32(3), flags, machine.run.environment.cpu);
};

const remove: HelperFunction = (machine) => {
  const map = mapIn(machine, 1);
  return map.remove(machine.readable(2, map.keySize).bytes, machine.u32(2));
};

const lookupPerCpu: HelperFunction = (machine) => {
  const map = mapIn(machine, 1);
  const key = machine.readable(2, map.keySize);
  return map.lookup(key.bytes, machine.u32(2), machine.u32(3)) ?? 0;
};

const tailCall: HelperFunction = (machine) => {
  const programs = mapOf(machine, 2, ObjectMap);
  const code: unknown = programs.object(new Uint8Array(Int32Array.of(machine.s32(3)).buffer));
  return code instanceof Code && machine.tailCall(code) ? 0 : -ERRNO.ENOENT;
};

const loop: HelperFunction = (machine) => {
  const count = machine.u32(1);
  const callback = { low: machine.s32(2), high: machine.high(2) };
  const [argumentLow, argumentHigh] = [machine.s32(3), machine.high(3)];
  if (!machine.isNull(4)) return -ERRNO.EINVAL;
  if (count > MAX_LOOPS) return -ERRNO.E2BIG;
  for (let index = 0; index < count; index++) {
    machine.setWords(1, index, 0);
    machine.setWords(2, argumentLow, argumentHigh);
    machine.callback(callback);
    if (!machine.isNull(0)) return index + 1;
  }
  return count;
};

const forEach: HelperFunction = (machine) => {
  const map = mapIn(machine, 1);
  const callback = { low: machine.s32(2), high: machine.high(2) };
  const [argumentLow, argumentHigh] = [machine.s32(3), machine.high(3)];
  if (!machine.isNull(4)) return -ERRNO.EINVAL;
  let called = 0;
  for (const [key, value] of map.elements(machine.run.environment.cpu)) {
    machine.setAddress(1, map.handle, 0);
    machine.setAddress(2, new Region('key of a map', key, { writable: false }), 0);
    machine.setAddress(3, value, value.start);
    machine.setWords(4, argumentLow, argumentHigh);
    machine.callback(callback);
    called++;
    if (!machine.isNull(0)) break;
  }
  return called;
};

const NO_WAKEUP_AND_FORCE = 3;

const ringbufOutput: HelperFunction = (machine) => {
  const ring = mapOf(machine, 1, RingbufMap);
  const data = machine.bytes(2, machine.u32(3));
  if ((flagsIn(machine, 4) & ~NO_WAKEUP_AND_FORCE) !== 0) return -ERRNO.EINVAL;
  const record = ring.reserve(data.length);
  if (record === undefined) return -ERRNO.EAGAIN;
  record.bytes.set(data);
  ring.finish(record, 'done');
  machine.run.events.push({ map: ring, data: record.snapshot() });
  return 0;
};

const ringbufReserve: HelperFunction = (machine) => {
  const ring = mapOf(machine, 1, RingbufMap);
  if (!machine.isNull(3) || machine.high(2) !== 0) return 0;
  const record = ring.reserve(machine.u32(2));
  if (record === undefined) return 0;
  machine.run.held.push(record);
  return record;
};

function finish(state: 'done' | 'discarded'): HelperFunction {
  return (machine) => {
    const record = machine.regionAt(1);
    const ring = record?.object;
    const held = record === undefined ? -1 : machine.run.held.indexOf(record);
    if (record === undefined || !(ring instanceof RingbufMap) || held < 0)
      throw machine.trap('r1 is no reserved record');
    machine.run.held.splice(held, 1);
    machine.memory.retire(record, 'a record that was handed over');
    ring.finish(record, state);
    if (state === 'done') machine.run.events.push({ map: ring, data: record.snapshot() });
    return 0;
  };
}

const ringbufQuery: HelperFunction = (machine) => mapOf(machine, 1, RingbufMap).query(machine.u32(2));

const perfEventOutput: HelperFunction = (machine) => {
  const map = mapIn(machine, 2);
  if (map.type !== 'perf_event_array') throw machine.trap(`the helper takes no map of type ${map.type}`);
  machine.run.events.push({ map, data: machine.bytes(4, machine.u32(5)).slice() });
  return 0;
};

/** Helpers about maps, callbacks and records. */
export const MAP_HELPERS: HelperTable = {
  map_lookup_elem: lookup,
  map_update_elem: update,
  map_delete_elem: remove,
  map_lookup_percpu_elem: lookupPerCpu,
  tail_call: tailCall,
  loop,
  for_each_map_elem: forEach,
  ringbuf_output: ringbufOutput,
  ringbuf_reserve: ringbufReserve,
  ringbuf_submit: finish('done'),
  ringbuf_discard: finish('discarded'),
  ringbuf_query: ringbufQuery,
  perf_event_output: perfEventOutput,
};
