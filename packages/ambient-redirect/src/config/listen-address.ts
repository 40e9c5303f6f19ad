import { isIP } from 'node:net';

/** Where something listens: TCP. */
export interface ListenAddress {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

/** Where `9090` (of 127.0.0.1), `10.0.0.1:9090` or `[::]:9090` is; undefined for anything else. */
export function listenAddress(given: string | number): ListenAddress | undefined {
  const [, bracketed, plain, port] = /^(?:(?:\[(.*)\]|([^:]*)):)?(\d{1,5})$/.exec(String(given)) ?? [];
  const host = bracketed ?? plain ?? '127.0.0.1';
  const isAddress = bracketed === undefined ? isIP(host) === 4 : isIP(host) === 6;
  const number = Number(port);
  return port !== undefined && isAddress && number <= 0xffff ? { host, port: number } : undefined;
}
