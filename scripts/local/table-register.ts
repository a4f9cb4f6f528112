// What a stand-in of DynamoDB forgets of its tables: an id of 36 characters, and whether a table is
// protected against deletion. Kept beside the tables, or in memory. It must never tell of a table
// more than was asked for when it was made.

import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { isTableId } from "../../shared/table-arn.ts";
import { AwsError } from "./aws-error.ts";
import { isJsonObject, type JsonObject, optionalFlag, parseJsonObject } from "./json-fields.ts";

type Entry = { readonly tableId: string; readonly isProtected: boolean };

export class TableRegister {
  readonly #file: string | null;
  readonly #entries = new Map<string, Entry>();

  /** Null: in memory. */
  constructor(file: string | null) {
    this.#file = file;
    if (file === null || !existsSync(file)) return;
    for (const [name, entry] of Object.entries(parseJsonObject(readFileSync(file, "utf8")))) {
      if (!isJsonObject(entry)) continue;
      const { tableId, isProtected } = entry;
      this.#entries.set(name, { tableId: String(tableId), isProtected: isProtected === true });
    }
  }

  /** Before a request is passed on: a table that is protected here is not deleted. */
  check(operation: string, request: JsonObject): void {
    const name = String(request["TableName"]);
    if (operation !== "DeleteTable" || this.#entries.get(name)?.isProtected !== true) return;
    throw new AwsError("ValidationException", `the table ${name} is protected against deletion`);
  }

  /** After it was carried out. `table`: its description as the answer has it. */
  note(operation: string, request: JsonObject, table: JsonObject): void {
    const name = String(table["TableName"]);
    // A stand-in that knows of the protection keeps it by itself.
    const isForgotten = table["DeletionProtectionEnabled"] === undefined;
    const wished = isForgotten ? optionalFlag(request, "DeletionProtectionEnabled") : false;
    if (operation === "DeleteTable") this.#entries.delete(name);
    else if (operation === "CreateTable") {
      this.#entries.set(name, { tableId: randomUUID(), isProtected: wished === true });
    } else return;
    this.#save();
  }

  /** Whether the wish was about nothing but a protection that is kept here. */
  changeProtection(request: JsonObject): boolean {
    const name = String(request["TableName"]);
    const isProtected = optionalFlag(request, "DeletionProtectionEnabled");
    const entry = this.#entries.get(name);
    const isAlone = Object.keys(request).length === 2;
    if (entry === undefined || isProtected === undefined || !isAlone) return false;
    this.#entries.set(name, { ...entry, isProtected });
    this.#save();
    return true;
  }

  /** What the stand-in says itself stays. */
  describe(table: JsonObject): JsonObject {
    const entry = this.#entries.get(String(table["TableName"]));
    if (entry === undefined) return table;
    const { TableId: id, DeletionProtectionEnabled: isProtected } = table;
    return {
      ...table,
      TableId: typeof id === "string" && isTableId(id) ? id : entry.tableId,
      DeletionProtectionEnabled: isProtected ?? entry.isProtected,
    };
  }

  #save(): void {
    if (this.#file === null) return;
    writeFileSync(this.#file, JSON.stringify(Object.fromEntries(this.#entries)));
  }
}
