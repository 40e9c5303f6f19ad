import { ERRNO } from '../errno.ts';
import type { HelperFunction, HelperTable } from '../helper.ts';
import type { Machine } from '../machine.ts';

const now: HelperFunction = (machine) => machine.run.environment.now();
const random: HelperFunction = (machine) => machine.run.environment.random() >>> 0;
const cpu: HelperFunction = (machine) => machine.run.environment.cpu;

/** Conversions of `trace_printk`: `%d %i %u %x %p %c %s`, with `l` or `ll`. */
const CONVERSION = /%(?:(%)|(0?\d*)(ll?)?([diuxpcs]))/g;

const tracePrintk: HelperFunction = (machine) => {
  const bytes = machine.bytes(1, machine.u32(2));
  const end = bytes.indexOf(0);
  if (end < 0) return -ERRNO.EINVAL;
  let register = 3;
  const line = text(bytes.subarray(0, end)).replace(CONVERSION, (_, percent, width, long, conversion: string) => {
    if (percent !== undefined) return '%';
    if (register > 5) throw machine.trap('trace_printk takes three values at most');
    const value = convert(machine, register++, long !== undefined, conversion);
    const digits = Number(width ?? 0);
    return value.padStart(digits, String(width ?? '').startsWith('0') ? '0' : ' ');
  });
  machine.run.log.push(line);
  return line.length + 1;
};

function convert(machine: Machine, register: number, long: boolean, conversion: string): string {
  const bits = long || conversion === 'p' ? 64 : 32;
  const value = BigInt.asUintN(bits, machine.u64(register));
  switch (conversion) {
    case 'd':
    case 'i':
      return BigInt.asIntN(bits, value).toString();
    case 'u':
      return value.toString();
    case 'c':
      return String.fromCharCode(Number(value & 0xffn));
    case 's': {
      const region = machine.readable(register, 1);
      const rest = region.bytes.subarray(machine.u32(register), region.end);
      const end = rest.indexOf(0);
      return text(end < 0 ? rest : rest.subarray(0, end));
    }
    default:
      return value.toString(16);
  }
}

function text(bytes: Uint8Array): string {
  let line = '';
  for (const byte of bytes) line += String.fromCharCode(byte);
  return line;
}

/** Helpers about time, chance and words. */
export const SYSTEM_HELPERS: HelperTable = {
  ktime_get_ns: now,
  ktime_get_boot_ns: now,
  ktime_get_coarse_ns: now,
  ktime_get_tai_ns: now,
  get_prandom_u32: random,
  get_smp_processor_id: cpu,
  trace_printk: tracePrintk,
};
