// The connections whose TLS handshake is under way. They verify against the files that were in
// force when they were accepted, also when others take their place meanwhile: without this list a
// client that was revoked could hold a handshake open across the reload and come in afterwards.

import type { Socket } from "node:net";

type RemoteEnd = Pick<Socket, "remoteAddress" | "remotePort">;

export class HandshakeList {
  /** Node does not show which stream a TLS socket is on, but both tell the same remote end. */
  readonly #streams = new Map<string, Socket>();

  begin(stream: Socket): void {
    const name = nameOf(stream);
    this.#streams.set(name, stream);
    stream.once("close", () => {
      if (this.#streams.get(name) === stream) this.#streams.delete(name);
    });
  }

  end(socket: RemoteEnd): void {
    this.#streams.delete(nameOf(socket));
  }

  cutAll(): void {
    for (const stream of this.#streams.values()) stream.destroy();
  }
}

function nameOf({ remoteAddress, remotePort }: RemoteEnd): string {
  return `${remoteAddress ?? ""} ${remotePort ?? ""}`;
}
