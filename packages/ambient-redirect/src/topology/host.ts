import { currentNetns, NetlinkSocket, openNetns, type Netns, type NetnsReference, type Sys } from 'netlink-tc';

/** The network namespace that holds the host's ends of the pods' interfaces, with a netlink socket in it. */
export class Host implements Disposable {
  readonly sys: Sys;
  readonly netns: Netns;
  readonly socket: NetlinkSocket;

  /**
   * @param netns which namespace it is; that of this thread if left out
   * @throws NetlinkTcError `ERR_NOT_FOUND`, `ERR_PERMISSION`
   */
  constructor(sys: Sys, netns?: NetnsReference) {
    this.sys = sys;
    this.netns = netns === undefined ? currentNetns(sys) : openNetns(sys, netns);
    try {
      this.socket = NetlinkSocket.open(sys, { netns: this.netns });
    } catch (error) {
      this.netns.close();
      throw error;
    }
  }

  /** Closes the socket and the handle; the namespace itself is left alone. */
  close(): void {
    this.socket.close();
    this.netns.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
