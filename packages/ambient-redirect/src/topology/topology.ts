import type { LinkReference, NetnsReference } from 'netlink-tc';
import type { Addresses } from './addresses.ts';

/** How a pod is named: by its network namespace, by the host's end of its interface, or both. */
export interface PodReference {
  /** Its network namespace: by name, path, process id or open descriptor (which stays the caller's). */
  readonly netns?: NetnsReference | { readonly fd: number };
  /** Name or index of the host's end of its interface. */
  readonly hostInterface?: LinkReference;
  /** Name of the interface inside the pod, where it has several. Needs `netns`. */
  readonly podInterface?: string;
  /** Its addresses; those of the interface if left out. */
  readonly addresses?: readonly string[];
}

/** One end of a pair of interfaces. */
export interface InterfaceEnd {
  readonly index: number;
  readonly name: string;
  /** MAC address; undefined for a netkit that works on layer 3. */
  readonly mac: string | undefined;
}

/** How a pod is connected to its host. */
export interface Topology {
  readonly kind: 'veth' | 'netkit';
  /** The end in the host's namespace. */
  readonly hostInterface: InterfaceEnd;
  /** The end in the pod's namespace; its index counts there. */
  readonly podInterface: InterfaceEnd;
  readonly addresses: Addresses;
  readonly netns: {
    /** The id by which the host's namespace knows it. */
    readonly id: number;
    /** Inode number; undefined when the pod was named by its host interface alone. */
    readonly inode: bigint | undefined;
  };
  /** Whether the host routes to it, or a bridge with this index switches. */
  readonly attachment: 'routed' | { readonly bridge: number };
}
