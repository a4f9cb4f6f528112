import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { type TestContext, test } from "node:test";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import {
  ConnectionRefused,
  type RelayAgent,
  type RelayAgentOptions,
} from "../../../../enclave/aws/relay-agent.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err } from "../../../../shared/result.ts";
import {
  agentOf,
  ENDPOINT_HOST,
  type Issued,
  type IssueWish,
  inDays,
  issue,
  startEndpoint,
  startRelayEnd,
} from "../../../fakes/tls-endpoint.ts";

const root = issue({ name: "root", issuer: null });
const middle = issue({ name: "middle", issuer: root });
const leaf = issueLeaf(middle);

function issueLeaf(issuer: Issued, wish: Partial<IssueWish> = {}): Issued {
  return issue({ name: "leaf", issuer, dnsName: ENDPOINT_HOST, ...wish });
}

/** The stream of the agent, or its error. */
function open(agent: RelayAgent): Promise<TLSSocket | Error> {
  return new Promise((resolve) => {
    agent.createConnection({}, (error, stream) => {
      resolve(error ?? (stream as TLSSocket)); // oxlint-disable-line typescript/no-unsafe-type-assertion -- the agent makes no other
    });
  });
}

function codeOf(opened: TLSSocket | Error): string {
  if (!(opened instanceof Error)) return "open";
  assert(opened instanceof ConnectionRefused);
  return opened.refusal?.code ?? "refused";
}

async function codeOfChain(
  context: TestContext,
  chain: readonly Issued[],
  options: Partial<RelayAgentOptions> = {},
  tls: SecureContextOptions = {},
): Promise<string> {
  const endpoint = await startEndpoint(context, chain, undefined, tls);
  const code = codeOf(await open(agentOf(context, endpoint, root, options)));
  assert.equal(endpoint.dialled[0]?.destroyed, code !== "open");
  return code;
}

const otherRoot = issue({ name: "root", issuer: null });

test("TLS takes the one name and the given anchors only", async (context) => {
  assert.equal(await codeOfChain(context, [leaf, middle]), "open");
  assert.equal(await codeOfChain(context, [leaf]), "refused", "no path to the anchor");
  const otherName = issueLeaf(middle, { dnsName: "kms.eu-central-2.amazonaws.com" });
  assert.equal(await codeOfChain(context, [otherName, middle]), "refused");
  const ofOther = { trustAnchors: [otherRoot.pem] };
  assert.equal(await codeOfChain(context, [leaf, middle], ofOther), "refused");
  const both = { trustAnchors: [issue({ name: "another", issuer: null }).pem, root.pem] };
  assert.equal(await codeOfChain(context, [leaf, middle], both), "open");
  assert.equal(await codeOfChain(context, [leaf, middle], { trustAnchors: [] }), "refused");
});

test("the environment can't turn the check of certificates off", async (context) => {
  const name = "NODE_TLS_REJECT_UNAUTHORIZED";
  process.env[name] = "0";
  context.after(() => delete process.env[name]);
  const ofOther = { trustAnchors: [otherRoot.pem] };
  assert.equal(await codeOfChain(context, [leaf, middle], ofOther), "refused");
  // Our own check would have taken these: names are OpenSSL's business alone.
  const otherName = issueLeaf(middle, { dnsName: "kms.eu-central-2.amazonaws.com" });
  assert.equal(await codeOfChain(context, [otherName, middle]), "refused");
});

test("TLS takes version 1.2 and no older one", async (context) => {
  const weak = { ciphers: "DEFAULT@SECLEVEL=0", minVersion: "TLSv1" } as const;
  const chain = [leaf, middle];
  assert.equal(
    await codeOfChain(context, chain, {}, { ...weak, maxVersion: "TLSv1.1" }),
    "refused",
  );
  assert.equal(await codeOfChain(context, chain, {}, { ...weak, maxVersion: "TLSv1.2" }), "open");
});

test("TLS 1.2 takes no cipher without forward secrecy or authenticated encryption", async (context) => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const rsaLeaf = issueLeaf(middle, { key: rsa });
  for (const [own, ciphers, code] of [
    [rsaLeaf, "ECDHE-RSA-AES128-GCM-SHA256", "open"],
    [leaf, "ECDHE-ECDSA-AES256-GCM-SHA384", "open"],
    [rsaLeaf, "AES128-GCM-SHA256", "refused"],
    [rsaLeaf, "DHE-RSA-AES128-GCM-SHA256", "refused"],
    [rsaLeaf, "ECDHE-RSA-AES128-SHA", "refused"],
    [leaf, "ECDHE-ECDSA-AES128-SHA256", "refused"],
  ] as const) {
    const tls = { ciphers, dhparam: "auto", maxVersion: "TLSv1.2" } as const;
    assert.equal(await codeOfChain(context, [own, middle], {}, tls), code, ciphers);
  }
});

test("no connection resumes the session of another", async (context) => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const endpoint = await startEndpoint(context, [leaf, middle], undefined, { maxVersion });
    const agent = agentOf(context, endpoint, root);
    const other = agentOf(context, endpoint, root);
    for (const next of [agent, agent, other]) {
      const socket = await open(next);
      assert(!(socket instanceof Error));
      assert.equal(socket.servername, ENDPOINT_HOST);
      assert.equal(socket.isSessionReused(), false);
    }
    assert.equal(endpoint.accepted.length, 3);
  }
});

test("a second handshake on a connection ends it", async (context) => {
  const endpoint = await startEndpoint(context, [leaf, middle], undefined, {
    maxVersion: "TLSv1.2",
  });
  const socket = await open(agentOf(context, endpoint, root));
  assert(!(socket instanceof Error));
  socket.resume();
  endpoint.accepted[0]?.renegotiate({}, () => undefined);
  endpoint.accepted[0]?.write("x");
  socket.write("y");
  await new Promise((resolve) => socket.once("close", resolve));
});

/** A chain that is valid by the system's clock, and whose times differ from the others'. */
type TimeCase = {
  readonly root?: Partial<IssueWish>;
  readonly middle?: Partial<IssueWish>;
  readonly leaf?: Partial<IssueWish>;
};

const TRUSTED: Readonly<Record<string, readonly [TimeCase, (days: number) => string]>> = {
  "everything is": [{}, () => "open"],
  "the leaf ends before": [{ leaf: { toDays: 10 } }, (days) => (days > 10 ? "refused" : "open")],
  "the leaf begins after": [
    { leaf: { fromDays: -10 } },
    (days) => (days < -10 ? "refused" : "open"),
  ],
  "what issued it ends before": [
    { middle: { toDays: 10 } },
    (days) => (days > 10 ? "refused" : "open"),
  ],
  "what issued it begins after": [
    { middle: { fromDays: -10 } },
    (days) => (days < -10 ? "refused" : "open"),
  ],
  "the anchor ends before": [{ root: { toDays: 10 } }, (days) => (days > 10 ? "refused" : "open")],
  "the anchor begins after": [
    { root: { fromDays: -10 } },
    (days) => (days < -10 ? "refused" : "open"),
  ],
};

for (const [title, [times, expected]] of Object.entries(TRUSTED)) {
  test(`a chain must be valid at trusted time too: ${title}`, async (context) => {
    const anchor = issue({ name: "root", issuer: null, ...times.root });
    const between = issue({ name: "middle", issuer: anchor, ...times.middle });
    const own = issueLeaf(between, times.leaf);
    for (const days of [-100, 0, 100]) {
      const options = { trustAnchors: [anchor.pem], nowMs: () => inDays(days) };
      const code = await codeOfChain(context, [own, between, anchor], options);
      assert.equal(code, expected(days), `${days} days`);
    }
  });
}

test("trusted time at the very end and beginning of a certificate is inside", async (context) => {
  const own = issueLeaf(middle, { fromDays: -10, toDays: 10 });
  const { validFromDate, validToDate } = new X509Certificate(own.pem);
  const at = (nowMs: number) => codeOfChain(context, [own, middle], { nowMs: () => nowMs });
  assert.equal(await at(validFromDate.getTime() - 1), "refused");
  assert.equal(await at(validFromDate.getTime()), "open");
  assert.equal(await at(validToDate.getTime()), "open");
  assert.equal(await at(validToDate.getTime() + 1), "refused");
});

test("trusted time does not stand in for the system's", async (context) => {
  const expired = issueLeaf(middle, { fromDays: -20, toDays: -10 });
  const options = { nowMs: () => inDays(-15) };
  assert.equal(await codeOfChain(context, [expired, middle], options), "refused");
  assert.equal(await codeOfChain(context, [leaf, middle], { nowMs: () => null }), "refused");
});

test("what a server shows beside its path does not count", async (context) => {
  // A root that an older one certified before it was an anchor: servers show it for years after.
  const old = issue({ name: "old root", issuer: null, toDays: 10 });
  const crossed = issue({ name: "root", issuer: old, key: root.key, toDays: 10 });
  const options = { nowMs: () => inDays(100) };
  assert.equal(await codeOfChain(context, [leaf, middle, crossed, old], options), "open");
  assert.equal(await codeOfChain(context, [leaf, crossed, old, middle], options), "open");
  // Nor does it while it is valid, though it leads to no anchor.
  assert.equal(await codeOfChain(context, [leaf, middle, crossed, old]), "open");
  // An expired twin of the issuer is passed by, too.
  const twin = issue({ name: "middle", issuer: root, key: middle.key, toDays: 10 });
  assert.equal(await codeOfChain(context, [leaf, twin, middle], options), "open");
  assert.equal(await codeOfChain(context, [leaf, twin], options), "refused");
});

test("a valid certificate that leads nowhere does not hide the one that leads to the anchor", async (context) => {
  const expired = issue({ name: "middle", issuer: root, key: middle.key, toDays: 10 });
  const nowhere = issue({ name: "middle", issuer: otherRoot, key: middle.key });
  // OpenSSL goes by the first one; at trusted time only the last one counts.
  const options = { nowMs: () => inDays(100) };
  assert.equal(await codeOfChain(context, [leaf, expired, nowhere, middle], options), "open");
  assert.equal(await codeOfChain(context, [leaf, expired, nowhere], options), "refused");
});

test("authorities that certify themselves and each other lead nowhere, and do so in the end", async (context) => {
  // What OpenSSL goes by has ended at trusted time; what is left are circles.
  const anchor = issue({ name: "root", issuer: null, toDays: 10 });
  const itself = issue({ name: "root", issuer: null, key: anchor.key });
  const other = issue({ name: "other", issuer: itself });
  const crossed = issue({ name: "root", issuer: other, key: anchor.key });
  const own = issueLeaf(anchor);
  const options = { trustAnchors: [anchor.pem], nowMs: () => inDays(100) };
  assert.equal(await codeOfChain(context, [own, itself], options), "refused");
  assert.equal(await codeOfChain(context, [own, crossed, other], options), "refused");
});

test("a server shows 8 certificates beside its own, and no more", async (context) => {
  const others = Array.from({ length: 8 }, () => issue({ name: "middle", issuer: otherRoot }));
  assert.equal(await codeOfChain(context, [leaf, middle, ...others.slice(1)]), "open");
  assert.equal(await codeOfChain(context, [leaf, middle, ...others]), "refused");
});

test("the relay's own refusal is told apart from TLS", async (context) => {
  const endpoint = await startEndpoint(context, [leaf, middle]);
  const dialer = { connect: () => Promise.resolve(err(refusal("RELAY_HOST_DENIED"))) };
  assert.equal(
    codeOf(await open(agentOf(context, endpoint, root, { dialer }))),
    "RELAY_HOST_DENIED",
  );
});

/** What a relay may do with a stream in the middle of a handshake. */
const CUTS: Readonly<Record<string, (socket: Socket) => void>> = {
  "ends at once": (socket) => socket.end(),
  "breaks at once": (socket) => socket.destroy(),
  "ends when the handshake begins": (socket) => socket.once("data", () => socket.end()),
  "breaks when the handshake begins": (socket) => socket.once("data", () => socket.destroy()),
  "answers something else": (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
  "answers with its own handshake": (socket) =>
    socket.once("data", (hello: Buffer) => socket.end(hello)),
};

for (const [title, cut] of Object.entries(CUTS)) {
  test(`a relay that ${title} gives no connection and leaves no stream`, async (context) => {
    const end = await startRelayEnd(context, cut);
    assert.equal(codeOf(await open(agentOf(context, end, root))), "refused");
    assert.equal(end.dialled[0]?.destroyed, true);
  });
}

test("an agent that is destroyed while it dials leaves no stream behind", async (context) => {
  const end = await startEndpoint(context, [leaf, middle]);
  const held = Promise.withResolvers<null>();
  const agent = agentOf(context, end, root, {
    dialer: {
      connect: async (host, port) => {
        await held.promise;
        return end.dialer.connect(host, port);
      },
    },
  });
  const opened = open(agent);
  agent.destroy();
  held.resolve(null);
  assert.equal(codeOf(await opened), "refused");
  assert.equal(end.dialled[0]?.destroyed, true);
});

test("an agent that is destroyed within a handshake leaves no stream behind", async (context) => {
  const reached = Promise.withResolvers<null>();
  const end = await startRelayEnd(context, (socket) => {
    socket.once("data", () => reached.resolve(null));
  });
  const agent = agentOf(context, end, root);
  const opened = open(agent);
  await reached.promise;
  agent.destroy();
  assert.equal(codeOf(await opened), "refused");
  assert.equal(end.dialled[0]?.destroyed, true);
});

test("an agent that keeps connections makes no more at once than it keeps", async (context) => {
  const end = await startEndpoint(context, [leaf, middle]);
  const held = Promise.withResolvers<null>();
  const agent = agentOf(context, end, root, {
    keptCountMax: 2,
    dialer: {
      connect: async (host, port) => {
        await held.promise;
        return end.dialer.connect(host, port);
      },
    },
  });
  const opened = [open(agent), open(agent)];
  assert.equal(codeOf(await open(agent)), "RELAY_UNREACHABLE");
  held.resolve(null);
  assert.deepEqual((await Promise.all(opened)).map(codeOf), ["open", "open"]);
  assert.equal(codeOf(await open(agent)), "open");
});

test("a handshake that does not end is given up", async (context) => {
  const agent = agentOf(context, await startRelayEnd(context, () => undefined), root);
  assert.equal(codeOf(await open(agent)), "refused");
});
