/** Whether this machine is little-endian. Told without Node, so that a browser can import what asks for it. */
export const LITTLE_ENDIAN: boolean = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
