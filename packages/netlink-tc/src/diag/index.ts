export { NETLINK_SOCK_DIAG } from './format.ts';
export * from './socket.ts';
export * from './sockets.ts';
export { TCP_CONNECTED, TCP_STATES, type TcpState } from './state.ts';
