import { FunctionBuilder, type IrBlock, type IrStackSlot, type IrValue } from '../compile/index.ts';
import type { BpfAsmError, BpfAsmErrorCode } from '../error.ts';
import type { SourcePosition } from '../source.ts';
import { ENDED, type Ended } from './ended.ts';
import { initialFlow, mergeFlows, type Cursor, type Epoch, type Flow, type Held } from './flow.ts';
import { languageError } from './language-error.ts';
import type { Unit } from './unit.ts';

/** What a function is: the program, a function that it calls, or one that a helper calls back. */
export type ScopeKind = 'program' | 'subprogram' | 'callback';

/** A loop that is being built, and what its body has relied on of the time before it. */
interface Loop {
  readonly before: Flow;
  /** Where a header from before the loop was used in it. */
  firstUse: SourcePosition | undefined;
  usesPacket: boolean;
  usesCursor: boolean;
}

/** A function while it is being built. Every value, condition and view carries the one that it belongs to, so that there is no global state. */
export class Scope {
  readonly unit: Unit;
  readonly name: string;
  readonly kind: ScopeKind;
  /** The context, in functions that have it. */
  readonly context: IrValue | undefined;
  /** What is known at the point that is being built. */
  flow: Flow = initialFlow();
  readonly #builder: FunctionBuilder;
  readonly #loops: Loop[] = [];
  readonly #free: IrStackSlot[] = [];
  readonly #taken: IrStackSlot[] = [];

  constructor(unit: Unit, name: string, kind: ScopeKind, parameters: number, contextAt: number | undefined) {
    this.unit = unit;
    this.name = name;
    this.kind = kind;
    this.#builder = new FunctionBuilder(name, parameters);
    this.context = contextAt === undefined ? undefined : this.#builder.param(contextAt);
  }

  /** The builder, with the author's line noted for what is emitted next. @throws when another function is being built. */
  at(): FunctionBuilder {
    this.#builder.source = this.unit.locate();
    if (this.unit.current !== this) {
      const now = this.unit.current;
      throw this.error(
        now === undefined
          ? `a value of ${this.name} is used after the program was built`
          : `a value of ${this.name} is used in ${now.name}`,
        'hand it over: as an argument to a function, in the state to a loop of the kernel',
      );
    }
    return this.#builder;
  }

  /** Whether what is built now can be reached. */
  get reachable(): boolean {
    return this.#builder.reachable;
  }

  /** The function, when its body is complete. */
  finish(): ReturnType<FunctionBuilder['finish']> {
    return this.#builder.finish();
  }

  /** An error at the author's line. */
  error(message: string, hint?: string, code?: BpfAsmErrorCode): BpfAsmError {
    return languageError(message, hint, this.unit.locate(), code);
  }

  /** The context. @throws when this function does not have it. */
  requireContext(): IrValue {
    if (this.context !== undefined) return this.context;
    throw this.error(
      `${this.name} has no context`,
      this.kind === 'subprogram'
        ? 'declare the function with { context: true }'
        : 'do what needs it outside the loop, or use repeat with another kind of loop',
    );
  }

  /** Ends the path with a return value, giving back what is held. */
  return(value: IrValue): Ended {
    this.release([]);
    this.at().return(value);
    return ENDED;
  }

  /** Notes something that must be given back. */
  hold(held: Held): void {
    this.flow = { ...this.flow, held: [...this.flow.held, held] };
  }

  /** Notes that something was dealt with. @throws when it was already. */
  letGo(held: Held): void {
    if (!this.reachable) return;
    if (!this.flow.held.includes(held))
      throw this.error(`${held.what} was dealt with already`, 'do so once on each path');
    this.flow = { ...this.flow, held: this.flow.held.filter((one) => one !== held) };
  }

  /** Gives back what is held, the newest first, but for `keep`. @throws when it needs the author's word. */
  release(keep: readonly Held[]): void {
    if (!this.reachable) return;
    for (const held of this.flow.held.filter((one) => !keep.includes(one)).toReversed()) {
      if (held.release === undefined) {
        const { problem = 'is still held where this path ends', hint } = held.unsettled ?? {};
        throw languageError(`${held.what} ${problem}`, hint, this.unit.locate() ?? held.source);
      }
      held.release();
      this.letGo(held);
    }
  }

  /** Room on the stack for one call: taken again for others when the call is made. */
  temporary(size: number, align: 1 | 2 | 4 | 8, name: string): IrStackSlot {
    const free = this.#free.findIndex((slot) => slot.size === size);
    const slot = free < 0 ? this.at().stackSlot(size, align, name) : (this.#free.splice(free, 1)[0] as IrStackSlot);
    this.#taken.push(slot);
    return slot;
  }

  /** Says that the call is made for which room was taken. */
  releaseTemporaries(): void {
    this.#free.push(...this.#taken.splice(0));
  }

  /** Begins a new epoch: every pointer into the packet is void. */
  invalidate(what: string): void {
    if (!this.reachable) return;
    const after = { what, source: this.unit.locate() };
    this.flow = { ...this.flow, epoch: { after }, packet: undefined, cursor: undefined };
  }

  /** Checks that a pointer into the packet is still good. @throws when a helper has voided it. */
  requireEpoch(epoch: Epoch): void {
    if (!this.reachable) return;
    if (epoch !== this.flow.epoch) {
      const { what, source } = this.flow.epoch.after ?? { what: 'a helper', source: undefined };
      const where = source === undefined ? '' : ` at ${source.file}:${source.line}`;
      throw this.error(
        `this header was parsed before ${what}${where}, which may move the packet`,
        `parse again after ${what}`,
      );
    }
    for (const loop of this.#loops) {
      if (loop.before.epoch !== epoch || loop.usesPacket) continue;
      loop.usesPacket = true;
      loop.firstUse = this.unit.locate();
    }
  }

  /** Where the next header begins. @throws when paths met that stand at different places. */
  cursor(): Cursor | undefined {
    const { cursor } = this.flow;
    if (cursor === 'unknown') {
      throw this.error(
        'the paths that meet here stand at different places of the packet',
        'parse on each path, or begin again by rewind()',
      );
    }
    for (const loop of this.#loops) loop.usesCursor ||= loop.before.cursor === cursor;
    return cursor;
  }

  /**
   * Builds the body of a loop, to which control comes back. What it does to the packet must hold for its second round as well.
   *
   * @throws when the body uses a header from before the loop and voids it, or goes on from another place of the packet.
   */
  loop(body: () => void, flowsBack: () => readonly Flow[]): void {
    const before = this.flow;
    const loop: Loop = { before, firstUse: undefined, usesPacket: false, usesCursor: false };
    this.#loops.push(loop);
    // Nothing was read of the packet: what the body reads is of its own round.
    if (before.packet === undefined) this.flow = { ...before, epoch: { ...before.epoch } };
    body();
    this.#loops.pop();
    for (const back of flowsBack()) {
      if (loop.usesPacket && back.epoch !== before.epoch) {
        throw languageError(
          `a header that was parsed before the loop is used in it, and ${back.epoch.after?.what ?? 'a helper'} voids it before the next round`,
          'parse in the loop, after the call',
          loop.firstUse,
        );
      }
      if (loop.usesCursor && back.cursor !== before.cursor) {
        throw this.error(
          'a loop that parses headers comes back with the packet at another place',
          "write { as: 'unrolled' }, so that each round has its own place",
        );
      }
    }
  }

  /**
   * Builds blocks that lead to the same place, each from what is known now, and goes on there.
   *
   * @param paths - each block with what is built in it; what is held on its way is given back at its end.
   * @param join - where those go on that do not end.
   */
  fork(paths: readonly { readonly block: IrBlock; readonly build: () => unknown }[], join: IrBlock): void {
    const before = this.flow;
    const flows: Flow[] = [];
    for (const { block, build } of paths) {
      this.flow = before;
      this.#builder.enter(block);
      build();
      if (!this.reachable) continue;
      this.release(before.held);
      flows.push(this.flow);
      this.at().jump(join);
    }
    this.join(join, flows, before);
  }

  /** Goes on where several paths meet; with `before` where none gets there. */
  join(block: IrBlock, flows: readonly Flow[], before: Flow): void {
    const [first, ...rest] = flows;
    this.flow = first === undefined ? before : mergeFlows([first, ...rest]);
    for (const flow of rest) {
      const odd = [...flow.held, ...this.flow.held].find(
        (one) => !flow.held.includes(one) || !this.flow.held.includes(one),
      );
      if (odd === undefined) continue;
      throw this.error(
        `${odd.what} is dealt with on one of the paths that meet here, and not on another`,
        'do so on each',
      );
    }
    this.#builder.enter(block);
  }
}
