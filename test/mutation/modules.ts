// Which modules are mutated, and by which tests their mutants die: fast ones, the most likely
// first. What is not in this list is not covered by the figures in docs/safety.md.

import { availableParallelism } from "node:os";

const CORE = "test/unit/enclave/core";
const STATE = "test/unit/enclave/state";
const SERVICE = "test/unit/enclave/service";
const STORE = "test/unit/parent/store";
const ORACLE = "test/property/slashing-oracle.test.ts";
const CONSENSUS_ORACLE = "test/property/duplicate-vote-oracle.test.ts";
const HISTORIES = "test/mutation/histories.test.ts";
const DYNAMO = [`${STATE}/dynamo-store.test.ts`, HISTORIES];

export const MODULES: Readonly<Record<string, readonly string[]>> = {
  "enclave/core/guard.ts": [`${CORE}/guard.test.ts`, `${STATE}/ledger.test.ts`, HISTORIES],
  "enclave/core/signed-root.ts": [
    `${CORE}/chains/ethereum/slashing-rule.test.ts`,
    `${CORE}/chains/tendermint/consensus-rule.test.ts`,
    ORACLE,
    CONSENSUS_ORACLE,
  ],
  "enclave/core/chains/ethereum/slashing-rule.ts": [
    `${CORE}/chains/ethereum/slashing-rule.test.ts`,
    `${CORE}/chains/ethereum/slashing-record.test.ts`,
    `${CORE}/guard.test.ts`,
    `${STATE}/ledger.test.ts`,
    ORACLE,
  ],
  "enclave/core/chains/ethereum/time-bound.ts": [`${CORE}/chains/ethereum/time-bound.test.ts`],
  "enclave/state/account.ts": [`${STATE}/ledger.test.ts`],
  "enclave/state/ledger.ts": [
    `${STATE}/ledger.test.ts`,
    `${STATE}/ledger-acts.test.ts`,
    `${STATE}/ledger-commit.test.ts`,
    `${STATE}/ledger-receipts.test.ts`,
    `${SERVICE}/state-acts.test.ts`,
    `${SERVICE}/key-reservation.test.ts`,
    HISTORIES,
  ],
  "enclave/state/dynamo-store.ts": [
    `${STATE}/dynamo-read.test.ts`,
    `${STATE}/dynamo-client.test.ts`,
    `${STATE}/dynamo-receipts.test.ts`,
    ...DYNAMO,
  ],
  "enclave/state/dynamo-write.ts": [`${STATE}/dynamo-write.test.ts`, ...DYNAMO],
  "enclave/state/dynamo-item.ts": [`${STATE}/dynamo-item.test.ts`, ...DYNAMO],
  "enclave/state/dynamo-refusal.ts": [`${STATE}/dynamo-refusal.test.ts`],
  "enclave/state/table-identity.ts": [`${STATE}/table-identity.test.ts`, ...DYNAMO],
  "enclave/state/store-client.ts": [`${STATE}/store-client.test.ts`],
  "enclave/state/record-codec.ts": [
    `${STATE}/record-codec.test.ts`,
    `${STATE}/ledger.test.ts`,
    `${SERVICE}/key-reservation.test.ts`,
  ],
  "enclave/state/state-digest.ts": [`${STATE}/state-digest.test.ts`, `${SERVICE}/handover.test.ts`],
  "enclave/core/chains/tendermint/consensus-rule.ts": [
    `${CORE}/chains/tendermint/consensus-rule.test.ts`,
    `${STATE}/tendermint-ledger.test.ts`,
    CONSENSUS_ORACLE,
  ],
  "enclave/core/chains/tendermint/reservation.ts": [
    `${CORE}/chains/tendermint/reservation.test.ts`,
    `${SERVICE}/key-reservation.test.ts`,
  ],
  "enclave/service/key-reservation.ts": [
    `${SERVICE}/key-reservation.test.ts`,
    `${SERVICE}/key-reservation-orders.test.ts`,
    `${SERVICE}/key-reservation-faults.test.ts`,
    `${SERVICE}/reserved-acts.test.ts`,
  ],
  "enclave/core/chains/tendermint/consensus-record.ts": [
    `${CORE}/chains/tendermint/consensus-record.test.ts`,
    `${STATE}/tendermint-ledger.test.ts`,
    CONSENSUS_ORACLE,
  ],
  "enclave/core/chains/tendermint/position.ts": [
    `${CORE}/chains/tendermint/position.test.ts`,
    `${CORE}/chains/tendermint/consensus-rule.test.ts`,
    `${CORE}/chains/tendermint/consensus-record.test.ts`,
  ],
  "enclave/service/claim-recorder.ts": [
    `${SERVICE}/privval.test.ts`,
    `${SERVICE}/privval-faults.test.ts`,
    `${SERVICE}/key-reservation.test.ts`,
    `${SERVICE}/reserved-acts.test.ts`,
    `${SERVICE}/consensus-override.test.ts`,
  ],
  "enclave/service/early-work.ts": [`${SERVICE}/early-work.test.ts`],
  "enclave/service/unbound-signatures.ts": [`${SERVICE}/privval-faults.test.ts`],
  "enclave/service/privval.ts": [`${SERVICE}/privval.test.ts`, `${SERVICE}/privval-faults.test.ts`],
  "enclave/service/consensus-acts.ts": [
    `${SERVICE}/consensus-acts.test.ts`,
    `${SERVICE}/consensus-retire.test.ts`,
    `${SERVICE}/consensus-override.test.ts`,
    `${SERVICE}/reserved-acts.test.ts`,
    `${SERVICE}/privval-faults.test.ts`,
  ],
  "enclave/service/retire-act.ts": [
    `${SERVICE}/retire-acts.test.ts`,
    `${SERVICE}/consensus-retire.test.ts`,
    `${SERVICE}/reserved-acts.test.ts`,
    `${SERVICE}/state-acts.test.ts`,
  ],
  "enclave/service/override-act.ts": [
    `${SERVICE}/override-acts.test.ts`,
    `${SERVICE}/consensus-override.test.ts`,
    `${SERVICE}/state-acts.test.ts`,
  ],
  "enclave/service/record-act.ts": [
    `${SERVICE}/init-acts.test.ts`,
    `${SERVICE}/raise-acts.test.ts`,
    `${SERVICE}/consensus-acts.test.ts`,
    `${SERVICE}/handover.test.ts`,
  ],
  "enclave/service/ethereum-accounts.ts": [
    `${SERVICE}/ethereum-accounts.test.ts`,
    `${SERVICE}/retire-acts.test.ts`,
    `${SERVICE}/state-acts.test.ts`,
    `${SERVICE}/handover.test.ts`,
    `${SERVICE}/service.test.ts`,
  ],
  "enclave/service/act-turns.ts": [`${SERVICE}/act-turns.test.ts`],
  "enclave/service/handover.ts": [
    `${SERVICE}/handover-parts.test.ts`,
    `${SERVICE}/handover.test.ts`,
  ],
  "enclave/service/state-acts.ts": [
    `${SERVICE}/raise-acts.test.ts`,
    `${SERVICE}/retire-acts.test.ts`,
    `${SERVICE}/init-acts.test.ts`,
    `${SERVICE}/override-acts.test.ts`,
    `${SERVICE}/state-acts.test.ts`,
    `${SERVICE}/handover.test.ts`,
  ],
  "parent/store/group.ts": [`${STORE}/group.test.ts`],
  "parent/store/database.ts": [
    `${STORE}/database-faults.test.ts`,
    `${STORE}/database-receipts.test.ts`,
    `${STORE}/database.test.ts`,
  ],
};

/** A trial is one busy process; more of them than cores would only time out. */
export const WORKER_COUNT = Math.min(2, availableParallelism());
