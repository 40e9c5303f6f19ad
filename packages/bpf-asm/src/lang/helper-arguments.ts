import type { IrEffects, IrValue, MemoryClass } from '../compile/index.ts';
import type { HelperArgument } from '../helpers/index.ts';
import type { AnyLayout } from '../layout/index.ts';
import { memoryOf } from './assign.ts';
import { languageError, show } from './language-error.ts';
import type { MapHandle } from './maps.ts';
import { isFirstBytes, LENGTH, placeOf, sizeOf, type AnyView } from './memory.ts';
import type { Scope } from './scope.ts';
import { factsOf } from './types.ts';
import { isValue, own } from './typed.ts';
import type { Value } from './value.ts';

/** A number as helpers take it: of any type, signed ones widened by their sign. */
export type Scalar = Value | number | bigint;

/** A key or a value of a map: by its layout, or memory that is laid out so. */
export type KeyArgument = object | number | bigint | string;

/** What a call is made of. */
export interface HelperArguments {
  readonly args: readonly IrValue[];
  readonly effects: IrEffects;
}

/** The register content of a number. */
export function scalar(scope: Scope, value: unknown): IrValue {
  const b = scope.at();
  if (isValue(value)) {
    own(scope, value);
    const { signed, bits } = factsOf(value.type);
    return signed && bits < 64 ? b.sext(32, value.ir) : value.ir;
  }
  const integer = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));
  if (integer && BigInt(value) >= -(2n ** 63n) && BigInt(value) < 2n ** 64n) return b.constant(value);
  throw scope.error(`${show(value)} is no number that a register holds`, 'give an integer, or a value of the program');
}

/** Turns what the author gave into registers, in the order of the table, and says what the call may write. */
export function helperArguments(
  scope: Scope,
  name: string,
  parameters: readonly HelperArgument[],
  given: readonly unknown[],
): HelperArguments {
  const rest = [...given];
  const writes = new Set<MemoryClass>();
  const args: IrValue[] = [];
  let map: MapHandle | undefined;
  let size: IrValue | number = 0;
  const memory = (value: unknown, written: boolean): IrValue => {
    const place = placeOf(value);
    if (place === undefined) {
      throw scope.error(
        `${name} wants memory, and got ${show(value)}`,
        'give a record, a view, or bytes of the packet',
      );
    }
    size = isFirstBytes(value) ? own(scope, value[LENGTH]).ir : sizeOf(value as AnyView);
    if (written) {
      place.rules.filled?.();
      place.checkWritable();
      writes.add(place.rules.memory);
    }
    return place.pointer();
  };
  for (const { name: parameter, kind } of parameters) {
    const b = scope.at();
    switch (kind) {
      case 'ctx':
      case 'ctx_or_null':
        writes.add('context');
        args.push(scope.requireContext());
        break;
      case 'size':
      case 'size_or_zero':
        args.push(typeof size === 'number' ? b.constant(size) : size);
        break;
      case 'map':
        map = asMap(scope, name, rest.shift());
        args.push(b.map(map.definition.name));
        break;
      case 'map_key':
      case 'map_value':
        args.push(byLayout(scope, name, kind === 'map_key' ? map?.key : map?.value, rest.shift(), parameter));
        break;
      case 'mem_or_null':
        size = 0;
        if (rest[0] === null) args.push(b.constant(0));
        else args.push(memory(rest[0], false));
        rest.shift();
        break;
      case 'sock_common':
      case 'btf_sock_common':
        args.push(socketOf(scope, name, rest.shift()));
        break;
      case 'any':
        args.push(scalar(scope, rest.shift()));
        break;
      default:
        args.push(memory(rest.shift(), kind.endsWith('out')));
    }
  }
  if (rest.length > 0) throw scope.error(`${name} was given ${rest.length} arguments too many`);
  return { args, effects: { writes: [...writes], removable: false } };
}

/** A map that was given to a helper, noted as used. */
export function asMap(scope: Scope, name: string, value: unknown): MapHandle {
  if (typeof value !== 'object' || value === null || !('definition' in value)) {
    throw scope.error(`${name} wants a map, and got ${show(value)}`, 'give what hashMap, arrayMap and so on made');
  }
  const map = value as MapHandle;
  scope.unit.use(map.definition);
  return map;
}

function byLayout(scope: Scope, name: string, layout: AnyLayout | undefined, value: unknown, what: string): IrValue {
  if (layout === undefined)
    throw languageError(`the map of ${name} has no layout for its ${what}`, undefined, scope.unit.locate());
  return memoryOf(scope, layout, value, what).pointer();
}

function socketOf(scope: Scope, name: string, value: unknown): IrValue {
  if (
    typeof value === 'object' &&
    value !== null &&
    'ir' in value &&
    'fields' in value &&
    'scope' in value &&
    value.scope === scope
  ) {
    return value.ir as IrValue;
  }
  throw scope.error(`${name} wants a socket, and got ${show(value)}`, 'look one up');
}
