import assert from "node:assert/strict";
import { test } from "node:test";
import { chainConfig as minimalChainConfig } from "@lodestar/config/configs";
import { createChainForkConfig } from "@lodestar/config";
import { genesisData, networksChainConfig } from "@lodestar/config/networks";
import { gnosisPreset } from "@lodestar/params/presets/gnosis";
import { mainnetPreset } from "@lodestar/params/presets/mainnet";
import { minimalPreset } from "@lodestar/params/presets/minimal";
