// The stand-in's Noise against go-libp2p's: keys, messages and frames of one connection, made with
// go-libp2p 0.47.0 and flynn/noise 1.1.0, which CometBFT v0.40.0 goes by, from seeds of one byte
// each (identities 1 and 2, static keys 3 and 4, ephemeral keys 5 and 6).

import assert from "node:assert/strict";
import { test } from "node:test";
import { peerIdOfEd25519 } from "../../../../parent/privval/peer-id.ts";
import { identityOfSeed } from "../../../../parent/privval/privval-identity.ts";
import {
  encodePayload,
  NoiseResponder,
  noiseKeyOf,
  openPayload,
} from "../../../../scripts/local/noise-handshake.ts";

const FIRST = "50a61409b1ddd0325e9b16b700e719e9772c07000b1bd7786e907c653d20495d";
const SECOND =
  "f5b2d6e60f9477e310c2982daaa6c9136c108a1777c5947e448fa37d68174557a16cb8fafe6fcec12593015a064545" +
  "f434c5c48d8d154256ecdd2012848233a50e33d4a3d058e47ae77d4c9bc84d9f93f39e2a53a7c04755fc914813fa5026" +
  "4b70f587f078ce9c34ac5b60070650d6312fe47cbd3d2eeab15d663b4da7b27abbffde13a63b76b5b58ef0133ed2a947" +
  "862da950f165f3d23ce31ea7b842ffd050193aaabff8d88068ad072fe4f8424aba10c14b7f601c9b30550c6a5c365bcd" +
  "ac512940c4eec9da9ca155";
const THIRD =
  "c7e957e82bac138ecc5726d23d172ede00b769dba6d9b94d0d9eedf12f63cd78b9b9ac02febd4d0d286bf1f54523a3" +
  "e47f57440e2f50e0a0bd9d54517a3ab83e31785d37e6f7604cd83a597c7b7c2246d7e7f5db26113d5b0f6ad764694" +
  "69deb59e69d811aff324889da1eb92d22df7b11ac48052cb16bdbec526ef8dd3c44f13707edb888b47c93d96373c9" +
  "0a467f4240764e1431312a51de7af39892cc0e291bd6a2874a01fa66bb8f";
const FROM_SIGNER = "21c4052c0d3cf4da0a7fabad373b6f481b89d4e97cfe92139446f8cd4ed53c";
const FROM_NODE = "499ccc541d633b7a55d2fcb9a6fc4bd8d9a8adc8ddc7fb14260c42a8df";
const SIGNER_ID = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

function seedOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

test("NoiseResponder says what go-libp2p says, and understands it", () => {
  const responder = new NoiseResponder(noiseKeyOf(seedOf(6)), noiseKeyOf(seedOf(4)));
  responder.takeFirst(Buffer.from(FIRST, "hex"));
  const payload = encodePayload(identityOfSeed(seedOf(2)), responder.staticKey);
  assert.equal(responder.second(payload).toString("hex"), SECOND);
  const third = responder.takeThird(Buffer.from(THIRD, "hex"));
  assert.deepEqual(third.staticKey, Buffer.from(noiseKeyOf(seedOf(3)).publicKey));
  assert.equal(peerIdOfEd25519(openPayload(third.payload, third.staticKey)), SIGNER_ID);
  const { receive, send } = responder.split();
  assert.equal(receive.open(Buffer.from(FROM_SIGNER, "hex")).toString(), "from the signer");
  assert.equal(send.seal(Buffer.from("from the node")).toString("hex"), FROM_NODE);
});
