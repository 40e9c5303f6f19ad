import { BPF_COMMAND, type Sys } from 'netlink-tc';

/** Commands of bpf(2) that change what outlives a process, or what a packet meets. */
const CHANGES: ReadonlySet<number> = new Set(
  (
    [
      'BPF_MAP_UPDATE_ELEM',
      'BPF_MAP_DELETE_ELEM',
      'BPF_MAP_UPDATE_BATCH',
      'BPF_MAP_DELETE_BATCH',
      'BPF_OBJ_PIN',
      'BPF_LINK_CREATE',
      'BPF_LINK_UPDATE',
      'BPF_LINK_DETACH',
    ] as const
  ).map((name) => BPF_COMMAND[name]),
);

/** A door to the kernel that counts. */
export interface Steps {
  readonly sys: Sys;
  /** Calls so far that change something. */
  readonly taken: number;
  /** Counts from 0 again. */
  restart(): void;
}

/**
 * Counts the calls by a door that change something.
 * @param before called before each, with its number from 1
 */
export function countSteps(real: Sys, before: (number: number) => void): Steps {
  let taken = 0;
  const step = (): void => before((taken += 1));
  const bpf = (command: number): void => {
    if (CHANGES.has(command)) step();
  };
  const sys: Sys = {
    backend: real.backend,
    platform: real.platform,
    pageSize: real.pageSize,
    fds: real.fds,
    call: (name, ...args) => {
      // A request to netlink.
      if (name === 'sendto') step();
      return real.call(name, ...args);
    },
    bpf: (command, attr) => (bpf(command), real.bpf(command, attr)),
    bpfAt: (command, address, size) => (bpf(command), real.bpfAt(command, address, size)),
    addressOf: (bytes) => real.addressOf(bytes),
    mmap: (request) => real.mmap(request),
    poll: (fd, listener) => real.poll(fd, listener),
  };
  return {
    sys,
    get taken(): number {
      return taken;
    },
    restart: () => {
      taken = 0;
    },
  };
}
