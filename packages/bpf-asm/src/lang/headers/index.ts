export * from './ethernet.ts';
export * from './ip.ts';
export * from './ipv4.ts';
export * from './ipv6.ts';
export * from './transport.ts';
