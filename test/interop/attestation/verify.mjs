// A second verifier of attestation documents, which follows docs/audit.md (A1 to A15) and shares no
// code with ours: its own CBOR and DER, X.509 and signatures by Node's OpenSSL. It is an oracle for
// tests of that page and of our verifier, and must never be used for anything else.
//
//   node verify.mjs < request.json > answers.json
//
// The request is a list of { document, root, atMs, nonce, allowDebug } in base64 or null; the
// answer the id of the first step that fails for each, or "OK".

import { createPublicKey, verify, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

class Refused extends Error {
  constructor(step) {
    super(step);
    this.step = step;
  }
}

function must(condition, step) {
  if (!condition) throw new Refused(step);
}

// CBOR, as A2 allows it.

function readCbor(bytes, step) {
  let at = 0;
  const take = (count) => {
    must(at + count <= bytes.length, step);
    at += count;
    return bytes.subarray(at - count, at);
  };
  const argument = (low) => {
    if (low < 24) return BigInt(low);
    must(low <= 27, step);
    return BigInt(`0x${take(2 ** (low - 24)).toString("hex")}`);
  };
  const item = (depth) => {
    must(depth < 16, step);
    const [first] = take(1);
    const major = first >> 5;
    const low = first & 31;
    const isOpen = low === 31 && (major === 4 || major === 5);
    if (major === 0) return argument(low);
    if (major === 1) return -1n - argument(low);
    if (major === 2) return take(Number(argument(low)));
    if (major === 3) return decodeText(take(Number(argument(low))), step);
    if (major === 6) throw new Refused(step);
    if (major === 7) {
      must(low >= 20 && low <= 22, step);
      return [false, true, null][low - 20];
    }
    let left = isOpen ? Infinity : Number(argument(low));
    const isOver = () => {
      if (left === 0) return true;
      left -= 1;
      must(at < bytes.length, step);
      if (!isOpen || bytes[at] !== 0xff) return false;
      at += 1;
      return true;
    };
    if (major === 4) {
      const items = [];
      while (!isOver()) items.push(item(depth + 1));
      return items;
    }
    const entries = new Map();
    while (!isOver()) {
      const key = item(depth + 1);
      must((typeof key === "bigint" || typeof key === "string") && !entries.has(key), step);
      entries.set(key, item(depth + 1));
    }
    return entries;
  };
  const value = item(0);
  must(at === bytes.length, step);
  return value;
}

function decodeText(bytes, step) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused(step);
  }
}

const isBytes = (value, min, max) =>
  Buffer.isBuffer(value) && value.length >= min && value.length <= max;
const isText = (value, max) =>
  typeof value === "string" && value.length <= max && /^[\x21-\x7e]+$/.test(value);

function readEnvelope(document) {
  must(document.length >= 1 && document.length <= 16_384, "A1");
  const untagged = document[0] === 0xd2 ? document.subarray(1) : document;
  must(untagged[0] === 0x84, "A2");
  const items = readCbor(untagged, "A2");
  const [header, unprotected, payload, signature] = items;
  must(Buffer.isBuffer(header) && Buffer.isBuffer(payload) && Buffer.isBuffer(signature), "A2");
  must(unprotected instanceof Map && unprotected.size === 0, "A2");
  must(signature.length === 96 || header.toString("hex") !== "a1013822", "A2");
  must(header.toString("hex") === "a1013822", "A3");
  return { payload, signature };
}

const KEYS = [
  "module_id",
  "digest",
  "timestamp",
  "pcrs",
  "certificate",
  "cabundle",
  "public_key",
  "user_data",
  "nonce",
];

function readPayload(payload) {
  const fields = readCbor(payload, "A4");
  must(fields instanceof Map, "A4");
  for (const key of fields.keys()) must(KEYS.includes(key), "A4");
  must(isText(fields.get("module_id"), 128) && isText(fields.get("digest"), 16), "A4");
  const timestamp = fields.get("timestamp");
  must(typeof timestamp === "bigint" && timestamp >= 0n && timestamp <= 253402300799999n, "A4");
  const pcrs = fields.get("pcrs");
  must(pcrs instanceof Map && pcrs.size >= 1 && pcrs.size <= 32, "A4");
  for (const [index, value] of pcrs) {
    must(typeof index === "bigint" && index >= 0n && index <= 31n && isBytes(value, 48, 48), "A4");
  }
  const bundle = fields.get("cabundle");
  must(Array.isArray(bundle) && bundle.length >= 1 && bundle.length <= 8, "A4");
  const path = [...bundle, fields.get("certificate")];
  for (const der of path) must(isBytes(der, 1, 1024), "A4");
  for (const [key, min] of [
    ["public_key", 1],
    ["user_data", 0],
    ["nonce", 0],
  ]) {
    const value = fields.get(key) ?? null;
    must(value === null || isBytes(value, min, 1024), "A4");
  }
  const nonce = fields.get("nonce") ?? null;
  return { digest: fields.get("digest"), timestampMs: Number(timestamp), pcrs, path, nonce };
}

// DER and certificates, as A5 has them.

function readDer(bytes) {
  let at = 0;
  const [tag] = bytes;
  must(bytes.length >= 2 && (tag & 31) !== 31, "A5");
  let length = bytes[1];
  at = 2;
  if (length >= 0x80) {
    const count = length & 0x7f;
    must(count >= 1 && count <= 3 && bytes.length >= 2 + count && bytes[2] !== 0, "A5");
    length = bytes.readUIntBE(2, count);
    must(length >= 0x80, "A5");
    at += count;
  }
  must(at + length <= bytes.length, "A5");
  const raw = bytes.subarray(0, at + length);
  const content = bytes.subarray(at, at + length);
  const children = [];
  if ((tag & 0x20) !== 0) {
    must((tag & 0xc0) !== 0 || tag === 0x30 || tag === 0x31, "A5");
    for (let rest = content; rest.length > 0; ) {
      const child = readDer(rest);
      children.push(child);
      rest = rest.subarray(child.raw.length);
    }
  } else checkPrimitive(tag, content);
  return { tag, raw, content, children };
}

function checkPrimitive(tag, content) {
  const [first, second] = content;
  if (tag === 0x01) must(content.length === 1 && (first === 0 || first === 0xff), "A5");
  if (tag === 0x02) {
    must(content.length > 0, "A5");
    if (content.length > 1) {
      must(!(first === 0 && second < 0x80) && !(first === 0xff && second >= 0x80), "A5");
    }
  }
  if (tag === 0x03) {
    must(content.length > 0 && first <= 7 && (content.length > 1 || first === 0), "A5");
    must((content.at(-1) & ((1 << first) - 1)) === 0 || content.length === 1, "A5");
  }
  if (tag === 0x05) must(content.length === 0, "A5");
  if (tag === 0x06) {
    must(content.length > 0 && content.at(-1) < 0x80, "A5");
    for (let index = 0; index < content.length; index++) {
      const isStart = index === 0 || content[index - 1] < 0x80;
      must(!(isStart && content[index] === 0x80), "A5");
    }
  }
  must(tag !== 0x00 && tag !== 0x10 && tag !== 0x11, "A5");
}

function whole(bytes) {
  const node = readDer(bytes);
  must(node.raw.length === bytes.length, "A5");
  return node;
}

function sequence(node, min, max = min) {
  must(node?.tag === 0x30, "A5");
  must(node.children.length >= min && node.children.length <= max, "A5");
  return node.children;
}

function unsigned(node, bytesMax) {
  must(node?.tag === 0x02 && node.content[0] < 0x80, "A5");
  const value = node.content[0] === 0 ? node.content.subarray(1) : node.content;
  must(value.length <= bytesMax, "A5");
  return value;
}

function timeOf(node) {
  const text = node.content.toString("latin1");
  let iso;
  if (node.tag === 0x17 && /^\d{12}Z$/.test(text)) {
    const century = Number(text.slice(0, 2)) >= 50 ? "19" : "20";
    iso = century + text;
  } else if (node.tag === 0x18 && /^\d{14}Z$/.test(text) && Number(text.slice(0, 4)) >= 2050) {
    iso = text;
  }
  must(iso !== undefined, "A5");
  const form = iso.replace(/^(....)(..)(..)(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6.000Z");
  const ms = Date.parse(form);
  must(Number.isFinite(ms) && ms >= 0 && new Date(ms).toISOString() === form, "A5");
  return ms;
}

const ECDSA_SHA384 = "06082a8648ce3d040303";
const EC_KEY = "06072a8648ce3d0201";
const P384 = "06052b81040022";

function readCertificate(der) {
  const [tbsNode, outer, signatureNode] = sequence(whole(der), 3);
  const [version, serial, inner, issuer, validity, subject, spki, wrapped] = sequence(tbsNode, 8);
  must(version.tag === 0xa0 && version.content.toString("hex") === "020102", "A5");
  unsigned(serial, 20);
  for (const algorithm of [inner, outer]) {
    must(sequence(algorithm, 1)[0].raw.toString("hex") === ECDSA_SHA384, "A5");
  }
  must(issuer.tag === 0x30 && subject.tag === 0x30, "A5");
  const [from, to] = sequence(validity, 2).map(timeOf);
  must(from <= to, "A5");
  const [keyAlgorithm, point] = sequence(spki, 2);
  const [kind, curve] = sequence(keyAlgorithm, 2);
  must(kind.raw.toString("hex") === EC_KEY && curve.raw.toString("hex") === P384, "A5");
  must(point.tag === 0x03 && point.content.length === 98, "A5");
  must(point.content[0] === 0 && point.content[1] === 4, "A5");
  must(signatureNode.tag === 0x03 && signatureNode.content[0] === 0, "A5");
  for (const part of sequence(whole(signatureNode.content.subarray(1)), 2)) unsigned(part, 48);
  must(wrapped.tag === 0xa3 && wrapped.children.length === 1, "A5");
  const rights = readExtensions(sequence(wrapped.children[0], 1, 16));
  let publicKey;
  try {
    // OpenSSL refuses a point that is not on the curve.
    publicKey = createPublicKey({ key: spki.raw, format: "der", type: "spki" });
  } catch {
    throw new Refused("A5");
  }
  const signature = signatureNode.content.subarray(1);
  return { der, tbs: tbsNode.raw, issuer, subject, from, to, publicKey, signature, ...rights };
}

function readExtensions(extensions) {
  const rights = { isAuthority: false, pathLength: Infinity, usage: null };
  const seen = new Set();
  for (const extension of extensions) {
    const parts = sequence(extension, 2, 3);
    const value = parts.at(-1);
    const isCritical = parts.length === 3;
    must(parts[0].tag === 0x06 && value.tag === 0x04, "A5");
    must(!isCritical || parts[1].raw.toString("hex") === "0101ff", "A5");
    const oid = parts[0].content.toString("hex");
    must(!seen.has(oid), "A5");
    seen.add(oid);
    if (oid === "551d13") {
      const constraints = sequence(whole(value.content), 0, 2);
      if (constraints.length > 0) {
        must(constraints[0].raw.toString("hex") === "0101ff", "A5");
        rights.isAuthority = true;
        if (constraints.length === 2) {
          rights.pathLength = Number(`0x${unsigned(constraints[1], 4).toString("hex") || "0"}`);
        }
      }
    } else if (oid === "551d0f") {
      const usage = whole(value.content);
      must(usage.tag === 0x03 && usage.content.length >= 2 && usage.content.length <= 3, "A5");
      rights.usage = usage.content[1];
    } else must(!isCritical, "A5");
  }
  return rights;
}

function checkPath(path, root, atMs) {
  must(path.length >= 2 && path[0].der.equals(root), "A6");
  for (const [index, certificate] of path.entries()) {
    if (index === 0) continue;
    const above = path[index - 1];
    must(!path.slice(0, index).some(({ der }) => der.equals(certificate.der)), "A7");
    must(certificate.issuer.raw.equals(above.subject.raw), "A7");
    must(verify("sha384", certificate.tbs, above.publicKey, certificate.signature), "A7");
    // What OpenSSL's own reading of the certificate says of the same signature.
    must(new X509Certificate(certificate.der).verify(above.publicKey), "A7");
  }
  for (const { from, to } of path) must(from <= atMs && atMs <= to, "A8");
  for (const [index, { isAuthority, pathLength, usage }] of path.entries()) {
    must(usage !== null, "A9");
    const below = path.length - 1 - index - 1;
    if (index === path.length - 1) must(!isAuthority && (usage & 0x80) !== 0, "A9");
    else must(isAuthority && (usage & 0x04) !== 0 && pathLength >= below, "A9");
  }
}

function signedBytes(payload) {
  const length = payload.length;
  const head =
    length < 24
      ? [0x40 + length]
      : length < 256
        ? [0x58, length]
        : [0x59, length >> 8, length & 255];
  const before = Buffer.from("846a5369676e61747572653144a101382240", "hex");
  return Buffer.concat([before, Buffer.from(head), payload]);
}

function judge({ document, root, atMs, nonce, allowDebug }) {
  const { payload, signature } = readEnvelope(document);
  const fields = readPayload(payload);
  const path = fields.path.map(readCertificate);
  checkPath(path, root, atMs);
  const key = { key: path.at(-1).publicKey, dsaEncoding: "ieee-p1363" };
  must(verify("sha384", signedBytes(payload), key, signature), "A10");
  must(fields.digest === "SHA384", "A11");
  for (const index of [0n, 1n, 2n]) {
    const value = fields.pcrs.get(index);
    must(allowDebug || (value !== undefined && !value.equals(Buffer.alloc(48))), "A12");
  }
  if (nonce !== null) must(fields.nonce !== null && fields.nonce.equals(nonce), "A14");
  must(fields.timestampMs <= atMs + 60_000, "A15");
}

function answerOf(request) {
  try {
    judge({
      document: Buffer.from(request.document, "base64"),
      root: Buffer.from(request.root, "base64"),
      atMs: request.atMs,
      nonce: request.nonce === null ? null : Buffer.from(request.nonce, "base64"),
      allowDebug: request.allowDebug,
    });
    return "OK";
  } catch (error) {
    if (error instanceof Refused) return error.step;
    throw error;
  }
}

const requests = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(`${JSON.stringify(requests.map(answerOf))}\n`);
