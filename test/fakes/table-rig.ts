// A table in a stand-in of DynamoDB, made by `redoubt table create`, and stores of several enclaves
// on it: each with credentials, TLS and a relay as in the real thing. What was asked of the table
// is counted.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  DeleteTableCommand,
  DescribeTableCommand,
  UpdateTableCommand,
} from "@aws-sdk/client-dynamodb";
import { createRelayDialer } from "../../enclave/aws/relay-dialer.ts";
import type { LoggedReceipt, StateStore, Ticker } from "../../enclave/core/ports.ts";
import { StoreCredentialRing } from "../../enclave/keys/store-credentials.ts";
import { monotonicClock, ticker } from "../../enclave/platform/clock.ts";
import { connectTo } from "../../enclave/platform/socket.ts";
import type { TableConfig } from "../../enclave/state/dynamo-item.ts";
import { createDynamoStore } from "../../enclave/state/dynamo-store.ts";
import { startRelay } from "../../parent/relay/relay.ts";
import { runTable } from "../../scripts/cli/table.ts";
import type { DynamoBackend } from "../../scripts/local/dynamo-server.ts";
import { invariant } from "../../shared/invariant.ts";
import { LocalDynamo, REGION, USER } from "./local-dynamo.ts";
import { tableConfig } from "./scripted-dynamo.ts";
import { SilentLog } from "./silent-log.ts";

const TABLE = "redoubt-state";

export type TableRigOptions = {
  /** Null: dynalite. */
  readonly backend: DynamoBackend | null;
  /** Whether a write that is refused brings the item that stood in its way. */
  readonly givesItem: boolean;
  readonly hasRecovery: boolean;
};

export type EnclaveStore = {
  readonly store: StateStore;
  /** Receipts that went to the log. */
  readonly logged: readonly LoggedReceipt[];
};

export class TableRig {
  readonly local: LocalDynamo;
  readonly options: TableRigOptions;
  readonly #context: Pick<TestContext, "after">;
  readonly relayPath: string;
  #bootCount = 0;
  #state: TableConfig | null = null;
  /** What was asked since the last look. */
  #asked: string[] = [];

  private constructor(
    context: Pick<TestContext, "after">,
    local: LocalDynamo,
    options: TableRigOptions,
  ) {
    this.#context = context;
    this.local = local;
    this.options = options;
    this.relayPath = join(local.folder, "relay.sock");
  }

  static async start(
    context: Pick<TestContext, "after">,
    options: TableRigOptions,
  ): Promise<TableRig> {
    const rig = new TableRig(context, await LocalDynamo.start(context, options.backend), options);
    await rig.#startRelay();
    await rig.createTable();
    return rig;
  }

  get state(): TableConfig {
    invariant(this.#state !== null, "the table was made");
    return this.#state;
  }

  /** As an operator does. What a manifest would say of it is the rig's state from now on. */
  async createTable(): Promise<void> {
    const made = await runTable([
      "create",
      "--json",
      "--name",
      TABLE,
      "--region",
      REGION,
      ...(this.options.hasRecovery ? [] : ["--without-recovery"]),
      ...this.tableOptions(),
    ]);
    assert.equal(made.exitCode, 0, made.stderr);
    const { state } = JSON.parse(made.stdout) as { state: { tableArn: string; tableId: string } }; // oxlint-disable-line typescript/no-unsafe-type-assertion -- a command's own document
    this.#state = tableConfig(state.tableArn, state.tableId);
  }

  /** As no operator should: it takes leave of the protection first. */
  async deleteTable(): Promise<void> {
    const client = this.local.client();
    const wish = { TableName: TABLE };
    await assert.rejects(client.send(new DeleteTableCommand(wish)), {
      name: "ValidationException",
    });
    await client.send(new UpdateTableCommand({ ...wish, DeletionProtectionEnabled: false }));
    await client.send(new DeleteTableCommand(wish));
    for (;;) {
      const described = client.send(new DescribeTableCommand(wish));
      const isGone = await described.then(
        () => false,
        (error: unknown) => error instanceof Error && error.name === "ResourceNotFoundException",
      );
      if (isGone) return;
    }
  }

  /** Under the same name, so with the same ARN. */
  async replaceTable(): Promise<void> {
    await this.deleteTable();
    await this.createTable();
  }

  /** What `redoubt table` needs to get at the stand-in. */
  tableOptions(): readonly string[] {
    const { endpoint, ca, credentialsFile } = this.local;
    return ["--endpoint", endpoint, "--ca", ca.certificatePath, "--credentials", credentialsFile];
  }

  /**
   * The store of a new enclave: a boot id, connections and receipts of its own. `path` is where it
   * finds the relay.
   */
  enclave(state: TableConfig = this.state, path = this.relayPath): EnclaveStore {
    this.#bootCount += 1;
    const bootId = new Uint8Array(randomBytes(16));
    bootId[0] = this.#bootCount;
    const credentials = new StoreCredentialRing();
    const { accessKeyId, secretAccessKey } = USER;
    credentials.add(bootId, { accessKeyId, secretAccessKey });
    const logged: LoggedReceipt[] = [];
    const store = createDynamoStore({
      state,
      credentials,
      dialer: createRelayDialer(() => connectTo({ kind: "unix", path })),
      trustAnchors: [this.local.ca.certificatePem],
      nowMs: Date.now,
      clock: monotonicClock,
      ticker: this.#ticker(),
      bootId,
      receiptLog: { append: (_scope, receipts) => void logged.push(...receipts) },
    });
    return { store, logged };
  }

  /** What was asked of the table since the last call, in order. */
  takeAsked(): readonly string[] {
    const asked = this.#asked;
    this.#asked = [];
    return asked;
  }

  /** The answer of the next write is lost, if it is the first since this call. */
  loseNextAnswer(): void {
    let isDone = false;
    this.#listen((operation) => {
      if (operation !== "PutItem" || isDone) return undefined;
      isDone = true;
      return { kind: "drop-answer" };
    });
  }

  count(): void {
    this.#listen(() => undefined);
  }

  #listen(fault: LocalDynamo["fault"]): void {
    this.#asked = [];
    this.local.fault = (operation, body) => {
      this.#asked.push(operation);
      return fault(operation, body);
    };
  }

  async #startRelay(): Promise<void> {
    const host = `dynamodb.${REGION}.amazonaws.com:443`;
    const relay = await startRelay({
      listen: { kind: "unix", path: this.relayPath },
      allow: [host],
      hosts: new Map([[host, `127.0.0.1:${this.local.port}`]]),
      log: new SilentLog(),
    });
    this.#context.after(() => relay.close());
  }

  /** Its intervals end with the test. */
  #ticker(): Ticker {
    return {
      after: (delayMs, run) => ticker.after(delayMs, run),
      every: (intervalMs, run) => {
        const timer = ticker.every(intervalMs, run);
        this.#context.after(() => timer.stop());
        return timer;
      },
    };
  }
}
