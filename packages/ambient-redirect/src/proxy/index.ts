export type { Ending } from './connection.ts';
export * from './proxy.ts';
export { connectTcp, listenTcp, type ConnectOptions } from './tcp.ts';
export { openSocket, type Endpoint, type SocketOptions } from './sockets.ts';
