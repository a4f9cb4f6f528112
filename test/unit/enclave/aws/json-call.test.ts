// One call against an endpoint that holds a good certificate and says whatever it likes.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { type AwsJsonCall, callAwsJson } from "../../../../enclave/aws/json-call.ts";
import type { RelayAgentOptions } from "../../../../enclave/aws/relay-agent.ts";
import { SOFTWARE } from "../../../../enclave/version.ts";
import { verifySignature } from "../../../../scripts/local/sigv4.ts";
import { refusal } from "../../../../shared/errors.ts";
import { err } from "../../../../shared/result.ts";
import {
  agentOf,
  ENDPOINT_HOST,
  type Endpoint,
  inDays,
  issue,
  startEndpoint,
} from "../../../fakes/tls-endpoint.ts";

const root = issue({ name: "root", issuer: null });
const leaf = issue({ name: "leaf", issuer: root, dnsName: ENDPOINT_HOST });
const ANSWER_BYTES_MAX = 1000;
const CALL: AwsJsonCall = {
  host: ENDPOINT_HOST,
  region: "eu-central-1",
  service: "kms",
  target: "TrentService.Decrypt",
  jsonVersion: "1.1",
  body: { KeyId: "a", Nested: { list: [1, "ä", null, true] } },
  credentials: {
    accessKeyId: "ASIALOCALLOCALLOCAL1",
    secretAccessKey: "local/secret+access/key+of/forty+chars+00",
    sessionToken: "local-session-token",
  },
  nowMs: 1_800_000_000_000,
  deadlineMs: 30_000,
  answerBytesMax: ANSWER_BYTES_MAX,
};

/** What became of the call, in one word or the answer itself. */
async function outcomeOf(
  context: TestContext,
  endpoint: Endpoint,
  call: Partial<AwsJsonCall> = {},
  options: Partial<RelayAgentOptions> = {},
): Promise<unknown> {
  const agent = agentOf(context, endpoint, root, options);
  const answer = await callAwsJson(agent, { ...CALL, ...call });
  agent.destroy();
  if (!answer.ok) return answer.error.kind;
  if (answer.value.kind === "success") return answer.value.body;
  return [answer.value.status, answer.value.name];
}

/** Says it as soon as a request begins to arrive. */
function sayOnce(text: string, isEnd: boolean): (socket: TLSSocket) => void {
  return (socket) =>
    socket.once("data", () => {
      if (isEnd) socket.end(text, "latin1");
      else socket.write(text, "latin1");
    });
}

function say(context: TestContext, text: string, isEnd = true): Promise<Endpoint> {
  return startEndpoint(context, [leaf], sayOnce(text, isEnd));
}

test("a call is one signed POST, and nothing else is in it", async (context) => {
  const requests: string[] = [];
  const endpoint = await startEndpoint(context, [leaf], (socket) => {
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("utf8");
      if (!received.endsWith("}")) return;
      requests.push(received);
      socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    });
  });
  const dynamodb = {
    service: "dynamodb",
    target: "DynamoDB_20120810.TransactWriteItems",
    jsonVersion: "1.0",
    credentials: { ...CALL.credentials, sessionToken: null },
  } as const;
  for (const call of [CALL, { ...CALL, ...dynamodb }]) {
    assert.deepEqual(await outcomeOf(context, endpoint, call), {});
    const [head = "", sent = ""] = requests.shift()?.split("\r\n\r\n") ?? [];
    assert.equal(sent, JSON.stringify(call.body));
    const [start, ...lines] = head.split("\r\n");
    assert.equal(start, "POST / HTTP/1.1");
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const [, name = "", value = ""] = /^(.+?): (.*)$/.exec(line) ?? [];
      headers[name] = value;
    }
    const { authorization, ...others } = headers;
    assert.equal(typeof authorization, "string");
    const token = call.credentials.sessionToken;
    assert.deepEqual(others, {
      "content-length": String(Buffer.byteLength(sent)),
      "content-type": `application/x-amz-json-${call.jsonVersion}`,
      host: ENDPOINT_HOST,
      "x-amz-target": call.target,
      "x-amz-date": "20270115T080000Z",
      ...(token === null ? {} : { "x-amz-security-token": token }),
      "user-agent": SOFTWARE,
      Connection: "close",
    });
    const signed = { method: "POST", path: "/", headers, body: Buffer.from(sent) };
    const caller = { ...call.credentials, arn: "arn:aws:iam::111122223333:role/redoubt" };
    assert.equal(verifySignature(signed, call.service, [caller], call.nowMs), caller);
  }
});

function answerOf(body: string, head = `content-length: ${body.length}`, status = "200 OK") {
  return `HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`;
}

function chunked(...chunks: readonly string[]): string {
  const parts = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`);
  return `${parts.join("")}0\r\n\r\n`;
}

function bytesOf(text: string): readonly string[] {
  return text.match(/./g) ?? [];
}

const CHUNKED = "transfer-encoding: chunked";
const FULL = `{"a":"${"x".repeat(ANSWER_BYTES_MAX - 8)}"}`;
const OVER = `{"a":"${"x".repeat(ANSWER_BYTES_MAX - 7)}"}`;
const DENIED = '{"__type":"AccessDeniedException","Message":"no"}';

/** What an endpoint says and then closes, and what becomes of the call. */
const ANSWERS: readonly (readonly [string, string, unknown])[] = [
  ["an object", answerOf('{"a":1}'), { a: 1 }],
  ["an object in one chunk", answerOf(chunked('{"a":1}'), CHUNKED), { a: 1 }],
  ["an object in chunks of one byte", answerOf(chunked(...bytesOf('{"a":1}')), CHUNKED), { a: 1 }],
  ["HTTP/1.0", answerOf("{}").replace("1.1", "1.0"), {}],
  ["as much as the bound", answerOf(FULL), JSON.parse(FULL)],
  [
    "as much as the bound in chunks",
    answerOf(chunked(...bytesOf(FULL)), CHUNKED),
    JSON.parse(FULL),
  ],
  ["one byte above the bound", answerOf(OVER), "malformed"],
  ["one byte above the bound in chunks", answerOf(chunked(...bytesOf(OVER)), CHUNKED), "malformed"],
  ["a fault above the bound", answerOf(OVER, undefined, "503 Busy"), [503, null]],
  ["an error", answerOf(DENIED, undefined, "400 Bad"), [400, "AccessDeniedException"]],
  [
    "an error in its header only",
    answerOf("{}", "content-length: 2\r\nx-amzn-ErrorType: Throttled:http://a/", "400 Bad"),
    [400, "Throttled"],
  ],
  [
    "two errors in headers",
    answerOf("{}", "content-length: 2\r\nx-amzn-ErrorType: A\r\nx-amzn-ErrorType: B", "400 Bad"),
    [400, null],
  ],
  ["an error that we don't know", answerOf('{"__type":"New"}', undefined, "418 X"), [418, "New"]],
  ["a fault in HTML", answerOf("<html>", undefined, "502 Bad Gateway"), [502, null]],
  ["a fault without a length", answerOf("<html>", "a: b", "503 Busy"), [503, null]],
  [
    "a redirect",
    answerOf("{}", `content-length: 2\r\nlocation: https://${ENDPOINT_HOST}/`, "307 Temporary"),
    "malformed",
  ],
  ["garbage", answerOf('{"a":'), "malformed"],
  ["a name twice", answerOf('{"a":1,"a":1}'), "malformed"],
  ["gzip that it was not asked for", answerOf("\x1f\x8b\b", undefined), "malformed"],
  ["no content", answerOf("", "content-length: 0", "204 No Content"), "malformed"],
  ["part of a content", answerOf("{}", undefined, "206 Partial Content"), "malformed"],
  // Where an answer ends must never be the relay's choice.
  ["an object that ends with the connection", answerOf("{}", "a: b"), "malformed"],
  ["another transfer encoding", answerOf("{}", "transfer-encoding: identity"), "malformed"],
  [
    "an encoding around the chunks",
    answerOf(chunked("{}"), "transfer-encoding: gzip, chunked"),
    "malformed",
  ],
  ["less than it announces", answerOf("{}", "content-length: 3"), "unavailable"],
  ["chunks without an end", answerOf("2\r\n{}\r\n", CHUNKED), "unavailable"],
  ["half of its headers", "HTTP/1.1 200 OK\r\ncontent-len", "unavailable"],
  ["half of its status", "HTTP/1.", "unavailable"],
  ["nothing", "", "unavailable"],
  ["two lengths", answerOf("{}", "content-length: 2\r\ncontent-length: 2"), "malformed"],
  [
    "two lengths that differ",
    answerOf("{}", "content-length: 2\r\ncontent-length: 1"),
    "malformed",
  ],
  ["a length and chunks", answerOf(chunked("{}"), `content-length: 2\r\n${CHUNKED}`), "malformed"],
  ["a negative length", answerOf("{}", "content-length: -2"), "malformed"],
  ["a length with a sign", answerOf("{}", "content-length: +2"), "malformed"],
  ["a huge length", answerOf("{}", `content-length: ${"9".repeat(30)}`), "malformed"],
  ["a chunk of a negative size", answerOf("-2\r\n{}\r\n0\r\n\r\n", CHUNKED), "malformed"],
  ["a chunk of a huge size", answerOf(`${"f".repeat(20)}\r\n{}`, CHUNKED), "malformed"],
  ["a chunk that is longer than its size", answerOf("1\r\n{}\r\n0\r\n\r\n", CHUNKED), "malformed"],
  [
    "a line break in the middle of a header",
    answerOf("{}", "content-length: 2\r\na\r\nb: c"),
    "malformed",
  ],
  ["a space before the colon", answerOf("{}", "content-length : 2"), "malformed"],
  ["a header that is folded", answerOf("{}", "content-length:\r\n 2"), "malformed"],
  ["a zero byte in a header", answerOf("{}", "a: \0\r\ncontent-length: 2"), "malformed"],
  ["headers without an end", `HTTP/1.1 200 OK\r\na: ${"b".repeat(20_000)}`, "malformed"],
  ["many headers", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(5000)}`, "malformed"],
  ["text", "<html>", "malformed"],
  ["HTTP/2", "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", "malformed"],
  ["a TLS alert", "\x15\x03\x03\0\x02\x02\x28", "malformed"],
  ["a status of no class", answerOf("{}", undefined, "999 X"), "malformed"],
  ["a status without digits", answerOf("{}", undefined, "OK OK"), "malformed"],
  ["leave to go on, then an answer", `HTTP/1.1 100 Continue\r\n\r\n${answerOf("{}")}`, "malformed"],
  ["leave to go on without end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(2000), "malformed"],
  ["hints", `HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n${answerOf("{}")}`, "malformed"],
  [
    "another protocol",
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n{}",
    "malformed",
  ],
];

for (const [title, text, outcome] of ANSWERS) {
  test(`a call is answered with ${title}`, async (context) => {
    const endpoint = await say(context, text);
    assert.deepEqual(await outcomeOf(context, endpoint), outcome);
    assert.equal(endpoint.dialled.length, 1, "it is asked once");
  });

  test(`a call leaves no stream when the endpoint stays after ${title}`, async (context) => {
    const endpoint = await say(context, text, false);
    await outcomeOf(context, endpoint, { deadlineMs: 60 });
    for (const stream of endpoint.dialled) if (!stream.closed) await once(stream, "close");
  });
}

test("what follows an answer is never part of it", async (context) => {
  for (const rest of ["{}", answerOf('{"b":2}'), "\0".repeat(5000)]) {
    const endpoint = await say(context, answerOf('{"a":1}') + rest);
    const outcome = await outcomeOf(context, endpoint);
    // Whether it is seen in time to refuse the answer is chance.
    if (outcome !== "malformed") assert.deepEqual(outcome, { a: 1 });
  }
});

/** An endpoint that says this, and then nothing, on a connection that it keeps. */
const SILENCES: Readonly<Record<string, string>> = {
  "before the answer": "",
  "within the status": "HTTP/1.1",
  "within the headers": "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n",
  "before the body": answerOf("", "content-length: 2"),
  "within the body": answerOf("{", "content-length: 2"),
  "within the chunks": answerOf("2\r\n{}\r\n", CHUNKED),
  "within a fault": answerOf("{", "content-length: 2", "503 Busy"),
};

for (const [title, text] of Object.entries(SILENCES)) {
  test(`a call ends with its deadline when the endpoint falls silent ${title}`, async (context) => {
    const endpoint = await say(context, text, false);
    assert.equal(await outcomeOf(context, endpoint, { deadlineMs: 60 }), "unavailable");
    for (const stream of endpoint.dialled) if (!stream.closed) await once(stream, "close");
  });
}

test("a whole answer counts though the endpoint keeps the connection", async (context) => {
  const endpoint = await say(context, answerOf('{"a":1}'), false);
  assert.deepEqual(await outcomeOf(context, endpoint), { a: 1 });
});

test("an answer without end is cut off at its bound", async (context) => {
  for (const head of [CHUNKED, "content-length: 1000000000"]) {
    let sentBytes = 0;
    const endpoint = await startEndpoint(context, [leaf], (socket) => {
      socket.once("data", () => {
        socket.write(answerOf("", head));
        const pour = (): void => {
          if (socket.destroyed || sentBytes > 50_000_000) return;
          sentBytes += 1000;
          socket.write(
            head === CHUNKED ? `3e8\r\n${"x".repeat(1000)}\r\n` : "x".repeat(1000),
            pour,
          );
        };
        pour();
      });
    });
    assert.equal(await outcomeOf(context, endpoint), "malformed");
    assert.equal(endpoint.dialled[0]?.destroyed, true);
    assert(sentBytes < 50_000_000);
  }
});

test("a call tells the relay's refusal from a server that is not the endpoint", async (context) => {
  const endpoint = await say(context, answerOf("{}"));
  const dialer = { connect: () => Promise.resolve(err(refusal("RELAY_UNREACHABLE"))) };
  assert.equal(await outcomeOf(context, endpoint, {}, { dialer }), "relay");
  const other = [issue({ name: "other", issuer: null }).pem];
  assert.equal(await outcomeOf(context, endpoint, {}, { trustAnchors: other }), "unavailable");
});

test("nothing is sent before the certificates are valid at trusted time", async (context) => {
  let receivedBytes = 0;
  const endpoint = await startEndpoint(context, [leaf], (socket) => {
    socket.on("data", (chunk: Buffer) => {
      receivedBytes += chunk.length;
    });
  });
  const future = { nowMs: () => inDays(3000) };
  assert.equal(await outcomeOf(context, endpoint, {}, future), "unavailable");
  assert.equal(endpoint.accepted.length, 1);
  assert.equal(receivedBytes, 0);
});
