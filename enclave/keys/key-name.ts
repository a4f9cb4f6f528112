// A public key as what a Map finds by value, at the least cost: a string of one character a byte.

export function keyNameOf(publicKey: Uint8Array): string {
  return Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString("latin1");
}
