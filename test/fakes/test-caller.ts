// The asking end of a link over a socket, for tests that play one side of it.

import type { Socket } from "node:net";
import { connectTo } from "../../parent/platform/socket.ts";
import type { Address } from "../../shared/address.ts";
import { Caller } from "../../shared/wire/link.ts";
import type { Methods } from "../../shared/wire/methods.ts";

export type TestCaller<M extends Methods> = {
  readonly caller: Caller<M>;
  readonly socket: Socket;
};

export async function callerTo<M extends Methods>(
  methods: M,
  address: Address,
): Promise<TestCaller<M>> {
  const socket = await connectTo(address, 5000);
  if (!socket.ok) throw new Error(socket.error.code);
  const caller = new Caller(methods, socket.value, setImmediate);
  socket.value.on("data", (chunk: Buffer) => {
    if (!caller.receive(chunk).ok) socket.value.destroy();
  });
  socket.value.on("close", () => caller.close());
  return { caller, socket: socket.value };
}
