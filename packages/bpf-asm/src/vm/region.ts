/** Reads and writes of a region that are not plain memory: a context, whose fields have rules. */
export interface FieldAccess {
  /**
   * Puts a field in a register.
   *
   * @param to - takes the value.
   * @param register - number of the register that takes it.
   * @param offset - byte offset of the read.
   * @param size - its size in bytes.
   * @param signed - whether the value is sign-extended.
   * @returns whether the kernel allows this read.
   */
  load(to: RegisterWriter, register: number, offset: number, size: number, signed: boolean): boolean;
  /**
   * Puts a value in a field: `size` bytes, of which `low` is the low word.
   *
   * @returns whether the kernel allows this write.
   */
  store(offset: number, size: number, low: number, high: number): boolean;
}

/** What can take a value or an address: the machine's registers. */
export interface RegisterWriter {
  /** Sets a register to two words. */
  setWords(register: number, low: number, high: number): void;
  /** Sets a register to the address of byte `offset` of a region. */
  setAddress(register: number, region: Region, offset: number): void;
}

/** What a region is besides its bytes. */
export interface RegionOptions {
  /** First byte that may be reached; 0 where nothing is said. */
  readonly start?: number;
  /** One after the last byte that may be reached; the length of the bytes where nothing is said. */
  readonly end?: number;
  /** Whether programs may write; true where nothing is said. */
  readonly writable?: boolean;
  /** The map, socket or code that a pointer to this region stands for. */
  readonly object?: unknown;
  /** Rules of access, instead of plain memory. */
  readonly fields?: FieldAccess;
}

/**
 * A stretch of memory that a program may reach, with its bounds. An address is 64 bits: the number of a region in the high
 * word and a byte offset in the low one, so that a bounds check takes one look-up and two compares, and no arithmetic on a
 * pointer leads from one region into another.
 */
export class Region {
  /** Its number in the memory that knows it; meaningful only there. */
  id = 0;
  /** What traps call it: `stack`, `packet`, `value of map pods`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly start: number;
  /** Reads end here. 0 where access goes by `fields`: then every access takes the slow path. */
  readonly end: number;
  /** Writes end here: `end`, or 0 where the region is read-only. */
  readonly writeEnd: number;
  readonly object: unknown;
  readonly fields: FieldAccess | undefined;

  constructor(name: string, bytes: Uint8Array, options: RegionOptions = {}) {
    this.name = name;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.start = options.start ?? 0;
    this.end = options.fields === undefined ? (options.end ?? bytes.byteLength) : 0;
    this.writeEnd = (options.writable ?? true) ? this.end : 0;
    this.object = options.object;
    this.fields = options.fields;
  }

  /** Makes a region of no bytes, whose address stands for an object. */
  static handle(name: string, object: unknown): Region {
    return new Region(name, NOTHING, { object });
  }

  /** A copy of the bytes that may be reached. */
  snapshot(): Uint8Array {
    return this.bytes.slice(this.start, this.end);
  }
}

const NOTHING = new Uint8Array(0);
