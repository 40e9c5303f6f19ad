import type { Link, LinkReference } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import type { InterfaceEnd, Topology } from './topology.ts';

/** A link that is one end of a pair whose other end is in another namespace. */
export interface PairLink extends Link {
  readonly kind: Topology['kind'];
  readonly parent: number;
  readonly parentNetnsId: number;
}

function isPair(link: Link): link is Link & { kind: Topology['kind'] } {
  return link.kind === 'veth' || link.kind === 'netkit';
}

/**
 * Makes sure that a link is one end of a pair between two namespaces.
 * @param where the link is, in words
 * @throws AmbientRedirectError `ERR_NOT_A_VETH`, `ERR_PEER_ELSEWHERE` when both ends are in one namespace
 */
export function pairLink(link: Link, where: string): PairLink {
  const { name, kind = 'no virtual interface' } = link;
  if (!isPair(link)) {
    throw new AmbientRedirectError('ERR_NOT_A_VETH', `${name} ${where} is ${kind}, neither a veth nor a netkit`, {
      interface: name,
      hint: 'only pods on a pair of interfaces can be redirected: not macvlan, ipvlan, SR-IOV, nor the network of the host',
    });
  }
  const { parent, parentNetnsId } = link;
  if (parent === undefined || parentNetnsId === undefined || parentNetnsId < 0) {
    throw new AmbientRedirectError('ERR_PEER_ELSEWHERE', `the other end of ${name} is in the same namespace`, {
      interface: name,
    });
  }
  return { ...link, parent, parentNetnsId };
}

/** What is known of the interface that is looked for inside a pod. */
export interface Wanted {
  /** Its name inside the pod. */
  readonly name?: string | undefined;
  /** Index of its other end. */
  readonly peer?: number | undefined;
}

/**
 * Chooses a pod's interface among those of its namespace.
 * @param links all interfaces of the pod
 * @param hostId the id by which the pod's namespace knows the host's; undefined where it knows none
 * @throws AmbientRedirectError `ERR_INTERFACE_NOT_FOUND`, `ERR_NOT_A_VETH`, `ERR_PEER_ELSEWHERE`, `ERR_AMBIGUOUS_INTERFACE`
 */
export function choosePodLink(links: readonly Link[], hostId: number | undefined, wanted: Wanted = {}): PairLink {
  const isOurs = (link: PairLink): boolean => link.parentNetnsId === hostId;
  const names = (some: readonly Link[]): string[] => some.map(({ name }) => name);
  if (wanted.name !== undefined) {
    const named = links.find(({ name }) => name === wanted.name);
    if (named === undefined) {
      throw new AmbientRedirectError('ERR_INTERFACE_NOT_FOUND', `the pod has no interface ${wanted.name}`, {
        interface: wanted.name,
        candidates: names(links),
        hint: `it has ${names(links).join(', ')}`,
      });
    }
    const link = pairLink(named, 'in the pod');
    if (isOurs(link) && (wanted.peer === undefined || wanted.peer === link.parent)) return link;
    const other = wanted.peer === undefined ? "in the host's namespace" : `interface ${wanted.peer} of the host`;
    throw new AmbientRedirectError('ERR_PEER_ELSEWHERE', `the other end of the pod's ${link.name} is not ${other}`, {
      interface: link.name,
      hint: "run in the namespace that holds the host's end, or name another interface",
    });
  }
  const others = links.filter(({ name }) => name !== 'lo');
  const crossing = others.filter(isPair).filter(({ parentNetnsId = -1 }) => parentNetnsId >= 0);
  const ours = crossing
    .map((link) => pairLink(link, 'in the pod'))
    .filter((link) => isOurs(link) && (wanted.peer === undefined || link.parent === wanted.peer));
  const [only, second] = ours;
  if (only === undefined) throw none(others, crossing, wanted);
  if (second === undefined) return only;
  throw new AmbientRedirectError('ERR_AMBIGUOUS_INTERFACE', `the pod has ${ours.length} interfaces to this host`, {
    candidates: names(ours),
    hint: `name one of ${names(ours).join(', ')} as podInterface`,
  });
}

function none(others: readonly Link[], crossing: readonly Link[], { peer }: Wanted): AmbientRedirectError {
  const candidates = others.map(({ name }) => name);
  const told = others.map(({ name, kind }) => `${name} (${kind ?? 'no kind'})`).join(', ');
  if (peer !== undefined || crossing.length > 0) {
    const what = peer === undefined ? 'to this host' : `whose other end is interface ${peer} of the host`;
    return new AmbientRedirectError('ERR_PEER_ELSEWHERE', `the pod has no interface ${what}`, {
      candidates,
      hint: `it has ${told === '' ? 'only loopback' : told}`,
    });
  }
  if (others.length === 0) {
    return new AmbientRedirectError('ERR_INTERFACE_NOT_FOUND', 'the pod has no interface but loopback', {
      candidates,
      hint: 'enroll it once its network has been set up',
    });
  }
  return new AmbientRedirectError('ERR_NOT_A_VETH', `none of the pod's interfaces is a veth or netkit: ${told}`, {
    candidates,
  });
}

/**
 * Makes sure that a link of the host is the other end of a pod's, and the pod's of it.
 * @param podId the id by which the host's namespace knows the pod's
 * @throws AmbientRedirectError `ERR_PEER_ELSEWHERE` when they changed meanwhile
 */
export function checkPair(host: PairLink, pod: Link, podId: number | undefined): void {
  if (host.parent === pod.index && host.parentNetnsId === podId) return;
  throw new AmbientRedirectError(
    'ERR_PEER_ELSEWHERE',
    `${host.name} of the host and ${pod.name} of the pod are no pair`,
    {
      interface: host.name,
      hint: 'the pod was replaced while it was looked at: try again',
    },
  );
}

/** What of a link goes into a topology. */
export function endOf({ index, name, address }: Link): InterfaceEnd {
  return { index, name, mac: address };
}

/** A link's reference in words. */
export function nameOf(reference: LinkReference): string {
  return typeof reference === 'string' ? reference : `interface ${reference}`;
}
