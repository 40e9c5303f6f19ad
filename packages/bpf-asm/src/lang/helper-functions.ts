import { HELPERS } from '../helpers/index.ts';
import type { ProgramType } from '../asm/kernel-types.ts';
import { callHelper, permitted, type GplCompatible } from './helper-call.ts';
import { helperArguments } from './helper-arguments.ts';
import { UNSIGNED_RESULTS, type GplHelper, type HelpersOf, type TypedHelpers } from './helpers.gen.ts';
import type { Scope } from './scope.ts';
import { socketLookup } from './sockets.ts';
import { makeValue } from './value.ts';

/** The helpers that a program of type `P` under licence `L` may call. */
export type HelpersFor<P extends ProgramType, L extends string> = Pick<
  TypedHelpers,
  P extends keyof HelpersOf ? (L extends GplCompatible ? HelpersOf[P] : Exclude<HelpersOf[P], GplHelper>) : never
>;

/** The helpers as functions. Each checks the program's type and licence when it is called: what a type cannot say is an error then. */
export function helperFunctions<P extends ProgramType, L extends string>(scope: () => Scope): HelpersFor<P, L> {
  const functions: Record<string, (...given: unknown[]) => unknown> = {};
  for (const { name } of HELPERS) functions[camelCase(name)] = (...given) => call(scope(), name, given);
  return functions as HelpersFor<P, L>;
}

function call(scope: Scope, name: string, given: readonly unknown[]): unknown {
  const helper = permitted(scope, name);
  const { args, effects } = helperArguments(scope, name, helper.args, given);
  const result = callHelper(scope, name, args, effects);
  switch (helper.returns) {
    case 'void':
      return undefined;
    case 'socket_or_null':
    case 'sock_common_or_null':
      return socketLookup(scope, result, name);
    case 'integer':
      return makeValue(scope, UNSIGNED_RESULTS[name] ?? 'i64', result);
    default:
      throw scope.error(`the language has no form for what ${name} returns`, undefined, 'ERR_HELPER');
  }
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase());
}
