// AF_VSOCK without a hypervisor: the real addon and the real streams over pairs of unix sockets, so
// that a test chooses the CID that a connection comes from. Null where there is no AF_VSOCK.

import { Socket } from "node:net";
import { loadVsock } from "../../parent/platform/native.ts";
import { type OpenVsock, openVsockOver } from "../../parent/platform/vsock.ts";
import { CID_ANY, type Offer, PORT_ANY, type VsockBinding } from "../../shared/wire/vsock.ts";

export const VSOCK_MISSING = "build/vsock.node is not built, or the kernel has no AF_VSOCK";

export class PairVsock {
  readonly open: OpenVsock;
  /** For another `openVsockOver` than the parent's. */
  readonly binding: VsockBinding;
  readonly #real: VsockBinding;
  readonly #offers = new Map<number, Offer>();

  private constructor(real: VsockBinding) {
    this.#real = real;
    const ports = new Map<number, number>();
    const binding: VsockBinding = {
      // A real listener, to whom nobody comes: this machine need not be able to talk to itself.
      listen: (_cid, port, backlog) => {
        const fd = real.listen(CID_ANY, PORT_ANY, backlog);
        ports.set(fd, port);
        return fd;
      },
      accept: (fd, offer) => {
        this.#offers.set(ports.get(fd) ?? 0, offer);
        return real.accept(fd, offer);
      },
      resume: (acceptor) => real.resume(acceptor),
      stop: (acceptor) => real.stop(acceptor),
      connect: (...args) => real.connect(...args),
      peer: (fd) => real.peer(fd),
      localPort: (fd) => real.localPort(fd),
      localCid: () => real.localCid(),
      pair: (offer) => real.pair(offer),
      close: (fd) => real.close(fd),
    };
    this.binding = binding;
    this.open = () => openVsockOver(binding);
  }

  static async load(): Promise<PairVsock | null> {
    const real = loadVsock();
    const vsock = await openVsockOver(real);
    return real === null || !vsock.ok ? null : new PairVsock(real);
  }

  /** A connection from this CID; null when it was turned away. */
  connectFrom(cid: number, port: number): Socket | null {
    const offer = this.#offers.get(port);
    const near: Socket[] = [];
    // The addon offers both ends, and closes the one that nobody takes.
    this.#real.pair((code, fd) => {
      if (code !== null) return false;
      if (near.length > 0) {
        const isLetIn = offer?.(null, fd, cid) === true;
        if (!isLetIn) near.pop()?.destroy();
        return isLetIn;
      }
      near.push(new Socket({ fd, allowHalfOpen: true }));
      return true;
    });
    return near[0] ?? null;
  }
}
