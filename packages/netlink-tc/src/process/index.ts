export * from './listeners.ts';
export { openPidfd, Pidfd } from './pidfd.ts';
export { descendantsOf, socketsOf, type ProcessSocket } from './proc.ts';
