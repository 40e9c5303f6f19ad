/** The TCP and UDP ports (host byte order) on which the node-local proxy listens, one a purpose. */
export interface ProxyPorts {
  /** Connections that a pod opens, captured on their way out. */
  readonly outbound: number;
  /** HBONE: mutually authenticated tunnels from other proxies to a pod. */
  readonly hbone: number;
  /** Plaintext connections from outside the mesh to a pod. */
  readonly plaintext: number;
  /** DNS queries of a pod, where DNS capture is on. */
  readonly dns: number;
}

/** The ports that Istio's ztunnel listens on unless it is told otherwise. */
export const DEFAULT_PORTS: ProxyPorts = { outbound: 15001, hbone: 15008, plaintext: 15006, dns: 15053 };
