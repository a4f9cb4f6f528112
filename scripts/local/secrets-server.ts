// The local Secrets Manager: the operations that Redoubt uses, one file for each secret. It keeps
// the newest version only. A secret that is to be deleted later is there but answers nothing, as on
// AWS; its time never comes.

import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SECRET_BYTES_MAX } from "../../shared/limits.ts";
import { AwsError, validation } from "./aws-error.ts";
import type { AwsService } from "./aws-server.ts";
import {
  isJsonObject,
  type JsonObject,
  optionalFlag,
  optionalList,
  optionalNumber,
  optionalText,
  parseJsonObject,
  requiredBytes,
  requiredText,
} from "./json-fields.ts";

type Secret = {
  readonly Name: string;
  readonly ARN: string;
  readonly VersionId: string;
  readonly SecretBinary?: string;
  readonly SecretString?: string;
  /** Unix seconds from which on it is to be deleted; answers of AWS have it in this form. */
  readonly DeletedDate?: number;
};

type SecretValue = Pick<Secret, "SecretBinary" | "SecretString">;

const NAME = /^[A-Za-z0-9/_+=.@-]{1,512}$/;
const PAGE_COUNT_MAX = 100;
const RECOVERY_DAYS = { min: 7, max: 30 } as const;
const DAY_SECONDS = 86_400;

export function createLocalSecretsManager(folder: string, arnPrefix: string): AwsService {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const store = new SecretFiles(folder, arnPrefix);
  return {
    name: "secretsmanager",
    target: "secretsmanager",
    operations: {
      CreateSecret: (body) => create(store, body),
      PutSecretValue: (body) => {
        const secret = store.findLive(requiredText(body, "SecretId"));
        return headOf(store.write(secret.Name, valueOf(body)));
      },
      GetSecretValue: (body) => ({ ...store.findLive(requiredText(body, "SecretId")) }),
      DescribeSecret: (body) => {
        const { Name, ARN, DeletedDate } = store.find(requiredText(body, "SecretId"));
        return { Name, ARN, ...(DeletedDate === undefined ? {} : { DeletedDate }) };
      },
      DeleteSecret: (body) => remove(store, body),
      ListSecrets: (body) => list(store, body),
    },
  };
}

class SecretFiles {
  readonly #folder: string;
  readonly #arnPrefix: string;

  constructor(folder: string, arnPrefix: string) {
    this.#folder = folder;
    this.#arnPrefix = arnPrefix;
  }

  read(name: string): Secret | undefined {
    return this.all().find((secret) => secret.Name === name);
  }

  /** By name or ARN. */
  find(id: string): Secret {
    const secret = this.all().find(({ Name, ARN }) => Name === id || ARN === id);
    if (secret !== undefined) return secret;
    const text = "Secrets Manager can't find the specified secret.";
    throw new AwsError("ResourceNotFoundException", text);
  }

  /** One that is not to be deleted. */
  findLive(id: string): Secret {
    const secret = this.find(id);
    if (secret.DeletedDate === undefined) return secret;
    const text =
      "You can't perform this operation on the secret because it was marked for deletion.";
    throw new AwsError("InvalidRequestException", text);
  }

  all(): readonly Secret[] {
    const names = readdirSync(this.#folder).filter((name) => name.endsWith(".json"));
    return names
      .map((name) => parseSecret(readFileSync(join(this.#folder, name), "utf8")))
      .sort((a, b) => (a.Name < b.Name ? -1 : 1));
  }

  write(name: string, value: SecretValue): Secret {
    const secret = {
      Name: name,
      ARN: `${this.#arnPrefix}:secret:${name}-local1`,
      VersionId: randomUUID(),
      ...value,
    };
    this.#save(secret);
    return secret;
  }

  schedule(secret: Secret, deletedDate: number): void {
    this.#save({ ...secret, DeletedDate: deletedDate });
  }

  remove(name: string): void {
    rmSync(this.#path(name));
  }

  #save(secret: Secret): void {
    const path = this.#path(secret.Name);
    writeFileSync(`${path}.new`, JSON.stringify(secret), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  #path(name: string): string {
    return join(this.#folder, `${Buffer.from(name).toString("base64url")}.json`);
  }
}

function parseSecret(text: string): Secret {
  const file = parseJsonObject(text);
  const binary = optionalText(file, "SecretBinary");
  const plain = optionalText(file, "SecretString");
  const deletedDate = optionalNumber(file, "DeletedDate");
  return {
    Name: requiredText(file, "Name"),
    ARN: requiredText(file, "ARN"),
    VersionId: requiredText(file, "VersionId"),
    ...(binary === undefined ? {} : { SecretBinary: binary }),
    ...(plain === undefined ? {} : { SecretString: plain }),
    ...(deletedDate === undefined ? {} : { DeletedDate: deletedDate }),
  };
}

function create(store: SecretFiles, body: JsonObject): JsonObject {
  const name = requiredText(body, "Name");
  if (!NAME.test(name)) throw validation("Name has a character that is not allowed");
  const there = store.read(name);
  if (there?.DeletedDate !== undefined) {
    const text = `the secret ${name} is already scheduled for deletion`;
    throw new AwsError("InvalidRequestException", text);
  }
  if (there !== undefined) {
    throw new AwsError("ResourceExistsException", `the secret ${name} already exists`);
  }
  return headOf(store.write(name, valueOf(body)));
}

/** At once and without a trace, also when there is none, or after a window of some days. */
function remove(store: SecretFiles, body: JsonObject): JsonObject {
  const id = requiredText(body, "SecretId");
  const days = optionalNumber(body, "RecoveryWindowInDays");
  const nowSeconds = Math.floor(Date.now() / 1000);
  if (optionalFlag(body, "ForceDeleteWithoutRecovery") === true) {
    if (days !== undefined) throw invalidParameter("a window and none exclude each other");
    const secret = store.read(id) ?? store.all().find(({ ARN }) => ARN === id);
    if (secret !== undefined) store.remove(secret.Name);
    return { Name: secret?.Name ?? id, ARN: secret?.ARN ?? id, DeletionDate: nowSeconds };
  }
  const windowDays = days ?? RECOVERY_DAYS.max;
  if (windowDays < RECOVERY_DAYS.min || windowDays > RECOVERY_DAYS.max) {
    throw invalidParameter("the window has from 7 to 30 days");
  }
  const secret = store.findLive(id);
  const deletionDate = nowSeconds + windowDays * DAY_SECONDS;
  store.schedule(secret, deletionDate);
  return { Name: secret.Name, ARN: secret.ARN, DeletionDate: deletionDate };
}

function invalidParameter(message: string): AwsError {
  return new AwsError("InvalidParameterException", message);
}

function valueOf(body: JsonObject): SecretValue {
  const text = optionalText(body, "SecretString");
  if (text === undefined) {
    const binary = requiredBytes(body, "SecretBinary", SECRET_BYTES_MAX);
    return { SecretBinary: binary.toString("base64") };
  }
  const byteCount = Buffer.byteLength(text);
  if (body["SecretBinary"] !== undefined || byteCount === 0 || byteCount > SECRET_BYTES_MAX) {
    throw validation("either SecretString or SecretBinary is required, of at most 65536 bytes");
  }
  return { SecretString: text };
}

function headOf(secret: Secret): JsonObject {
  return { Name: secret.Name, ARN: secret.ARN, VersionId: secret.VersionId };
}

/** By the beginning of the name only, as `Key: name` filters; without what is to be deleted. */
function list(store: SecretFiles, body: JsonObject): JsonObject {
  const prefixes = optionalList(body, "Filters").flatMap((filter) => {
    if (!isJsonObject(filter) || filter["Key"] !== "name") throw validation("unsupported filter");
    return optionalList(filter, "Values").map((value) => {
      if (typeof value !== "string") throw validation("a filter's value is not a string");
      return value;
    });
  });
  const matching = store
    .all()
    .filter(
      ({ Name, DeletedDate }) =>
        DeletedDate === undefined &&
        (prefixes.length === 0 || prefixes.some((prefix) => Name.startsWith(prefix))),
    );
  const start = Number(optionalText(body, "NextToken") ?? "0");
  const count = optionalNumber(body, "MaxResults") ?? PAGE_COUNT_MAX;
  if (!Number.isSafeInteger(start) || start < 0 || count < 1 || count > PAGE_COUNT_MAX) {
    throw new AwsError("InvalidNextTokenException", "the token or the count is out of range");
  }
  const end = start + count;
  return {
    SecretList: matching.slice(start, end).map(({ Name, ARN }) => ({ Name, ARN })),
    ...(end < matching.length ? { NextToken: String(end) } : {}),
  };
}
