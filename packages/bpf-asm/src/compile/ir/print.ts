import type { IrBlock, IrCallee, IrFunction, IrInstruction, IrTerminator, IrValue } from './ir.ts';
import { hasResult } from './operands.ts';

/** A function as text, for reading and for tests: blocks and values are numbered in their order. */
export function printIr(fn: IrFunction): string {
  return new Printer(fn).text();
}

class Printer {
  readonly #fn: IrFunction;
  readonly #blocks = new Map<IrBlock, string>();
  readonly #values = new Map<IrValue, string>();

  constructor(fn: IrFunction) {
    this.#fn = fn;
    fn.blocks.forEach((block, index) => {
      this.#blocks.set(block, `b${index}`);
      for (const phi of block.phis) this.#values.set(phi, `v${this.#values.size}`);
      for (const i of block.instructions) if (hasResult(i)) this.#values.set(i, `v${this.#values.size}`);
    });
  }

  text(): string {
    const parameters = Array.from({ length: this.#fn.parameters }, (_, index) => `p${index}`);
    const lines = [`${this.#fn.name}(${parameters.join(', ')})`];
    for (const block of this.#fn.blocks) {
      lines.push(`${this.#block(block)}:`);
      for (const phi of block.phis) {
        const inputs = phi.inputs.map((input) => `${this.#block(input.block)} ${this.#value(input.value)}`);
        lines.push(`  ${this.#value(phi)} = phi ${inputs.join(', ')}`);
      }
      for (const i of block.instructions) {
        lines.push(`  ${hasResult(i) ? `${this.#value(i)} = ` : ''}${this.#instruction(i)}`);
      }
      lines.push(`  ${this.#terminator(block.terminator)}`);
    }
    return lines.join('\n');
  }

  #block(block: IrBlock): string {
    return this.#blocks.get(block) ?? `b?${block.id}`;
  }

  #value(value: IrValue): string {
    switch (value.op) {
      case 'const': {
        const signed = BigInt.asIntN(64, value.value);
        return signed > -0x1_0000n && signed < 0x1_0000n ? `${signed}` : `0x${value.value.toString(16)}`;
      }
      case 'param':
        return `p${value.index}`;
      case 'stack_address':
        return `&${value.slot.name}`;
      case 'map':
        return `map ${value.name}`;
      case 'map_value':
        return `&${value.name}[${value.offset}]`;
      case 'function_address':
        return `&${value.name}`;
      default:
        return this.#values.get(value) ?? `v?${value.id}`;
    }
  }

  #instruction(i: IrInstruction): string {
    switch (i.op) {
      case 'alu':
        return `${i.alu}${i.width} ${this.#value(i.a)}, ${this.#value(i.b)}`;
      case 'neg':
        return `neg${i.width} ${this.#value(i.a)}`;
      case 'sext':
      case 'zext':
        return `${i.op}${i.bits} ${this.#value(i.a)}`;
      case 'swap':
        return `${i.swap}${i.bits} ${this.#value(i.a)}`;
      case 'load':
        return `load ${i.type} ${i.memory} ${this.#value(i.base)} + ${i.offset}`;
      case 'store':
        return `store ${i.type} ${i.memory} ${this.#value(i.base)} + ${i.offset}, ${this.#value(i.value)}`;
      case 'atomic': {
        const expected = i.expected === undefined ? '' : `, ${this.#value(i.expected)}`;
        const value = this.#value(i.value);
        return `atomic ${i.atomic}${i.width} ${i.memory} ${this.#value(i.base)} + ${i.offset}, ${value}${expected}`;
      }
      case 'call':
        return `call ${calleeText(i.callee)}(${i.args.map((arg) => this.#value(arg)).join(', ')})`;
    }
  }

  #terminator(i: IrTerminator): string {
    switch (i.op) {
      case 'jump':
        return `jump ${this.#block(i.to)}`;
      case 'return':
        return `return ${this.#value(i.value)}`;
      case 'branch': {
        const mark = (side: 'yes' | 'no'): string => (i.unlikely === side ? ' (unlikely)' : '');
        const condition = `${i.compare}${i.width} ${this.#value(i.a)}, ${this.#value(i.b)}`;
        return `branch ${condition} ? ${this.#block(i.yes)}${mark('yes')} : ${this.#block(i.no)}${mark('no')}`;
      }
    }
  }
}

function calleeText(callee: IrCallee): string {
  if (callee.kind === 'local') return callee.name;
  return callee.kind === 'helper' ? `helper ${callee.id}` : `kernel function ${callee.id}`;
}
