// A validator's view of the signer: HTTPS with a client certificate, Web3Signer's API.

import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";

export type ClientFiles = {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
};

export type HttpAnswer = { readonly status: number; readonly body: unknown; readonly text: string };

const DEADLINE_MS = 10_000;

export class SignClient {
  readonly #url: string;
  readonly #agent: Agent;

  constructor(url: string, files: ClientFiles) {
    this.#url = url;
    this.#agent = new Agent({
      keepAlive: true,
      ca: readFileSync(files.ca),
      cert: readFileSync(files.certificate),
      key: readFileSync(files.key),
      minVersion: "TLSv1.3",
    });
  }

  sign(publicKey: string, body: unknown): Promise<HttpAnswer> {
    return this.send("POST", `/api/v1/eth2/sign/${publicKey}`, JSON.stringify(body));
  }

  send(method: string, path: string, body?: string): Promise<HttpAnswer> {
    return new Promise((settle, fail) => {
      const headers: Record<string, string> = { accept: "application/json" };
      if (body !== undefined) headers["content-type"] = "application/json";
      const sent = request(
        `${this.#url}${path}`,
        { method, headers, agent: this.#agent, timeout: DEADLINE_MS },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", fail);
          answer.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            settle({ status: answer.statusCode ?? 0, body: parseBody(text), text });
          });
        },
      );
      sent.on("timeout", () => sent.destroy(new Error("no answer")));
      sent.on("error", fail);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A text member of a JSON answer; empty when it is not there. */
export function textOf(body: unknown, name: string): string {
  if (typeof body !== "object" || body === null) return "";
  const value: unknown = Reflect.get(body, name);
  return typeof value === "string" ? value : "";
}
