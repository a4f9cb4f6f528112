// One history: two enclaves, two keys that move between them (never in both at once), a validator
// that asks for anything, and a parent of some temper. A seed decides all of it.

import { type Link, GuardEntry } from "../../enclave/core/guard.ts";
import { ethereumRule, type EthereumRecord } from "../../enclave/core/chains/ethereum/slashing-rule.ts";
import { keyNameOf } from "../../enclave/keys/key-name.ts";
import type { BundleKey } from "../../shared/bundle/keys.ts";
import { encodeHex } from "../../shared/bytes/hex.ts";
import type { ErrorCode } from "../../shared/errors.ts";
import { invariant } from "../../shared/invariant.ts";
import { Parent, type Temper } from "./parent.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";
import { KEYS, type Sabotage, SimulatedEnclave } from "./simulated-enclave.ts";
import {
  GENESIS_MS,
  type Request,
  SLOTS_PER_EPOCH,
  SLOT_MS,
  blockRequest,
  hostileRequest,
  slotOf,
  voteRequest,
} from "./validator.ts";
