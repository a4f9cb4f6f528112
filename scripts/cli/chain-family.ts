// For which family of chains the enclave signs, and what follows from it. It must never take an
// enclave that has no manifest yet for one of either.

import { type Refusal, refusal } from "../../shared/errors.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { AnswerOf, ENCLAVE_METHODS } from "../../shared/wire/methods.ts";
import type { Admin } from "./admin.ts";
import type { ExitCode } from "./command.ts";

/** How a command ends: with an exit code, or with what the enclave said. */
export type Ending = Result<ExitCode, Refusal>;

type Status = AnswerOf<(typeof ENCLAVE_METHODS)["status"]>;

export type Enclave =
  | { readonly family: "ethereum"; readonly scope: Uint8Array; readonly status: Status }
  | {
      readonly family: "tendermint";
      readonly chainIds: readonly string[];
      readonly status: Status;
    };

export type EthereumEnclave = Extract<Enclave, { readonly family: "ethereum" }>;

export async function readEnclave(admin: Admin): Promise<Result<Enclave, Refusal>> {
  const answer = await admin.call("status", {});
  if (!answer.ok) return answer;
  const { value: status } = answer;
  const { genesisValidatorsRoot: scope, chainIds, phase } = status;
  if (chainIds.length > 0) return ok({ family: "tendermint", chainIds, status });
  if (scope !== null) return ok({ family: "ethereum", scope, status });
  return err(refusal("PHASE_REFUSED", phase));
}

/** For what there is for Ethereum's keys only. */
export async function readEthereum(admin: Admin): Promise<Result<EthereumEnclave, Refusal>> {
  const enclave = await readEnclave(admin);
  if (!enclave.ok) return enclave;
  return enclave.value.family === "ethereum" ? ok(enclave.value) : err(refusal("CHAIN_OTHER"));
}
