import { Region } from './region.ts';

/** The address space of one machine: which region has which number. */
export class Memory {
  /** Regions by their numbers. Number 0 holds nothing: an address below 2^32 is null or a stray number. */
  readonly regions: Region[];
  readonly #fixed: number;

  /** @param fixed - the regions that every run begins with, numbered from 1. */
  constructor(fixed: readonly Region[]) {
    this.regions = [Region.handle('null', undefined), ...fixed];
    for (const [id, region] of this.regions.entries()) region.id = id;
    this.#fixed = this.regions.length;
  }

  /** The number of a region, which it gets now if it has none here. */
  idOf(region: Region): number {
    // The number of a region that another memory also knows may be that one's: identity decides.
    if (this.regions[region.id] !== region) region.id = this.regions.push(region) - 1;
    return region.id;
  }

  /** Takes a region away: access through addresses that are left traps, and says why. */
  retire(region: Region, why: string): void {
    if (this.regions[region.id] !== region) return;
    const gone = Region.handle(why, undefined);
    gone.id = region.id;
    this.regions[region.id] = gone;
  }

  /** Forgets all regions but the fixed ones. */
  reset(): void {
    this.regions.length = this.#fixed;
  }
}
