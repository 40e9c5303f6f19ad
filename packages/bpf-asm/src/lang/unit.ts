import type { MapDefinition } from '../asm/program.ts';
import type { ProgramType } from '../asm/kernel-types.ts';
import type { IrFunction } from '../compile/index.ts';
import { languageError } from './language-error.ts';
import { locator, type Locate } from './position.ts';
import type { Scope } from './scope.ts';

/** What a program is, as far as the language has to know. */
export interface UnitFacts {
  readonly name: string;
  readonly type: ProgramType;
  readonly licence: string;
  readonly positions: boolean;
}

/** A program while it is being built: its functions and maps. */
export class Unit {
  readonly facts: UnitFacts;
  /** The function that is being built; none before and after. */
  current: Scope | undefined = undefined;
  /** Functions that are complete, in the order of their first use; the program itself is not among them. */
  readonly functions: IrFunction[] = [];
  readonly maps: Map<string, MapDefinition> = new Map<string, MapDefinition>();
  readonly locate: Locate;
  /** Names of the functions. */
  readonly names: Set<string> = new Set<string>();
  #numbers = 0;

  constructor(facts: UnitFacts) {
    this.facts = facts;
    this.locate = facts.positions ? locator() : () => undefined;
  }

  /** The function that is being built. @throws when there is none. */
  scope(): Scope {
    if (this.current !== undefined) return this.current;
    throw languageError(
      `the program ${this.facts.name} is complete`,
      'use its parts inside the function that describes it',
    );
  }

  /** Builds one function inside another. */
  within<T>(scope: Scope, build: () => T): T {
    const outer = this.current;
    this.current = scope;
    try {
      return build();
    } finally {
      this.current = outer;
    }
  }

  /** A number for things without a name. */
  nextNumber(): number {
    return this.#numbers++;
  }

  /** Notes a map that the program uses. @throws when another map has its name. */
  use(map: MapDefinition): MapDefinition {
    const known = this.maps.get(map.name);
    if (known === undefined) this.maps.set(map.name, map);
    else if (known !== map) {
      throw languageError(`two maps are named ${map.name}`, 'give one of them another name', this.locate());
    }
    return map;
  }
}
