// The smoke test of streams over descriptors, for the start of a program: tries on this Node all
// that `descriptor-stream.ts` relies on. It must never need a peer, and never wait without bound.

import { concatBytes, isEqualBytes } from "../bytes/compare.ts";
import { type Refusal, refusal } from "../errors.ts";
import { err, type Result } from "../result.ts";
import {
  type Deliver,
  DescriptorStreams,
  type StreamServer,
  type StreamSocket,
} from "./descriptor-stream.ts";
import {
  CID_ANY,
  createVsock,
  type Offer,
  PORT_ANY,
  type Vsock,
  type VsockPorts,
} from "./vsock.ts";

const SMOKE_DEADLINE_MS = 5000;
const SMOKE_BYTES = new Uint8Array([0xff, 0x00, 0x0d, 0x0a, 0x80]);

/** BOOT_ADDON when anything is not as it was when this was written. */
export async function verifyVsock<Socket extends StreamSocket, Server extends StreamServer>(
  ports: VsockPorts<Socket, Server>,
): Promise<Result<Vsock<Socket, Server>, Refusal<"BOOT_ADDON">>> {
  const vsock = createVsock(ports);
  if (!vsock.ok) return vsock;
  const isSound = await new Promise<boolean>((settle) => {
    const callOff = ports.after(SMOKE_DEADLINE_MS, () => settle(false));
    isAllSound(ports, vsock.value)
      .then(settle, () => settle(false))
      .finally(callOff);
  });
  return isSound ? vsock : err(refusal("BOOT_ADDON"));
}

async function isAllSound<Socket extends StreamSocket, Server extends StreamServer>(
  { binding, net }: VsockPorts<Socket, Server>,
  vsock: Vsock<Socket, Server>,
): Promise<boolean> {
  // A real listener, whom nobody may talk to.
  const nobody = { isPeerAllowed: () => false };
  const listener = await vsock.listen(CID_ANY, PORT_ANY, () => {}, nobody);
  listener.close();
  const pair = (offer: Offer) => binding.pair(offer);
  const streams = DescriptorStreams.learn(net, pair);
  return streams !== null && isEqualBytes(await echo(streams, pair), SMOKE_BYTES);
}

/** Sends bytes over a pair, and gets them back after this side has ended: half-open both ways. */
async function echo<Socket extends StreamSocket, Server extends StreamServer>(
  streams: DescriptorStreams<Socket, Server>,
  pair: (offer: Offer) => void,
): Promise<Uint8Array> {
  const gate: { deliver: Deliver | null } = { deliver: null };
  const server = await streams.serve(
    (given) => {
      gate.deliver = given;
      return { stop: () => {} };
    },
    (socket) => void readAll(socket).then((bytes) => socket.end(bytes)),
    true,
  );
  const ends: (Socket | null)[] = [];
  pair((_code, fd) => {
    // The first end to the server, the other one to us.
    if (gate.deliver?.(fd) === true) {
      gate.deliver = null;
      return true;
    }
    ends.push(streams.adopt(fd, true));
    return ends.at(-1) !== null;
  });
  server.close();
  const [client] = ends;
  if (client === undefined || client === null || ends.length > 1) return new Uint8Array();
  client.end(SMOKE_BYTES);
  return readAll(client);
}

function readAll(socket: StreamSocket): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  return new Promise((settle) => {
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("end", () => settle(concatBytes(...chunks)));
    socket.on("error", () => settle(new Uint8Array()));
  });
}
