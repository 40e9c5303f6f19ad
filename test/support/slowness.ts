/**
 * How many times longer than on an ordinary machine something may take here: 1, or what `AMBIENT_SLOWNESS` says, as on an emulated machine. Limits
 * that are there to end a wait are multiplied by it. Those that are told apart from a timer of the kernel's are not.
 */
export const SLOWNESS: number = Number(process.env['AMBIENT_SLOWNESS'] ?? 1);
