export type { Ending } from './connection.ts';
export * from './proxy.ts';
export { connectTcp, listenTcp, type ConnectOptions } from './tcp.ts';
export type { Endpoint } from './sockets.ts';
