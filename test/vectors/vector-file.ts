// Which kind of vector a file is, by its name and its form, and what running it gives. A file of no
// known kind fails: it must never pass, or be left out, because nobody knew what to do with it.
// Pages for people are the one exception, and files that belong to a vector beside them count with
// it.

import { basename, dirname } from "node:path";
import { hasDocumentForm, runAttestationVector } from "./attestation-vector.ts";
import { interchangeVector } from "./interchange-file.ts";
import { runInterchangeVector } from "./interchange-vector.ts";
import { findRecipientRole, hasVectorOf, runRecipientVector } from "./recipient-vector.ts";
import { runRootVector } from "./root-vector.ts";
import { failed, passed, runCase, type VectorResult, type Verdict } from "./vector-result.ts";

/** `path` is absolute: the folder's name and the files beside it tell what a file is. */
export async function runVectorFile(
  path: string,
  bytes: Uint8Array,
): Promise<readonly VectorResult[]> {
  const folder = basename(dirname(path));
  const name = `${folder}/${basename(path)}`;
  if (name.endsWith(".md")) return [];
  const role = findRecipientRole(path);
  if (role !== null) {
    if (role.kind === "vector") return [await runCase(name, () => runRecipientVector(role, bytes))];
    if (hasVectorOf(role)) return [];
    return [{ name, ...failed("the vector that it is a part of is not beside it") }];
  }
  if (name.endsWith(".json")) return [await runCase(name, () => runJson(bytes))];
  if (name.endsWith(".pem")) return [await runCase(name, () => runRootVector(bytes))];
  if (folder === "attestation-documents" || hasDocumentForm(bytes)) {
    return runAttestationVector(name, bytes);
  }
  return [{ name, ...failed("no known kind of vector") }];
}

async function runJson(bytes: Uint8Array): Promise<Verdict> {
  const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  if (hasMembers(value, ["chain_id", "keys", "payloads"])) {
    return { outcome: "skipped", detail: "Tezos signing is not part of this release" };
  }
  if (!hasMembers(value, ["steps"])) return failed("no known kind of vector");
  const vector = interchangeVector.safeParse(value);
  if (!vector.success) {
    const [issue] = vector.error.issues;
    return failed(`no EIP-3076 vector: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  }
  const { stepCount, attemptCount, mismatches } = await runInterchangeVector(vector.data);
  if (mismatches.length > 0) return failed(mismatches.join("; "));
  return passed(`${stepCount} imports, ${attemptCount} attempts to sign`);
}

function hasMembers(value: unknown, names: readonly string[]): boolean {
  return (
    typeof value === "object" && value !== null && names.every((name) => Object.hasOwn(value, name))
  );
}
