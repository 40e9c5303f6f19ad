/**
 * Reads memory into a register; the bounds have been checked.
 *
 * @param code - one of `ACCESS_CODE`.
 */
export function load(code: number, view: DataView, at: number, lo: Int32Array, hi: Int32Array, d: number): void {
  switch (code) {
    case 0: // u8
      lo[d] = view.getUint8(at);
      hi[d] = 0;
      return;
    case 1: // u16
      lo[d] = view.getUint16(at, true);
      hi[d] = 0;
      return;
    case 2: // u32
      lo[d] = view.getInt32(at, true);
      hi[d] = 0;
      return;
    case 3: // u64
      lo[d] = view.getInt32(at, true);
      hi[d] = view.getInt32(at + 4, true);
      return;
    case 4: // s8
      hi[d] = (lo[d] = view.getInt8(at)) >> 31;
      return;
    case 5: // s16
      hi[d] = (lo[d] = view.getInt16(at, true)) >> 31;
      return;
    case 6: // s32
      hi[d] = (lo[d] = view.getInt32(at, true)) >> 31;
      return;
  }
}

/** Writes words to memory; the bounds have been checked. */
export function store(code: number, view: DataView, at: number, low: number, high: number): void {
  switch (code) {
    case 0:
      view.setInt8(at, low);
      return;
    case 1:
      view.setInt16(at, low, true);
      return;
    case 2:
      view.setInt32(at, low, true);
      return;
    case 3:
      view.setInt32(at, low, true);
      view.setInt32(at + 4, high, true);
      return;
  }
}
