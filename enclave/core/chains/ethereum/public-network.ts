// The public networks, as the manifest names them. They are part of the measured image: a fork that
// is scheduled later needs a new image, or a `custom-network.ts` in the manifest. Sources:
// eth-clients/{mainnet,hoodi,sepolia} and gnosischain/configs; the tests compare all of it with
// @lodestar/config.

import { parseHex } from "../../../../shared/bytes/hex.ts";
import { invariant } from "../../../../shared/invariant.ts";
import {
  type EthereumFork,
  type EthereumNetwork,
  FAR_FUTURE_EPOCH,
  FORK_NAMES,
  networkOf,
} from "./network.ts";

function bytesOf(hex: string): Uint8Array {
  const parsed = parseHex(hex);
  invariant(parsed.ok, "a constant is not hex");
  return parsed.value;
}

/** Versions and epochs in the order of `FORK_NAMES`. */
function forksOf(...rows: readonly (readonly [string, bigint])[]): readonly EthereumFork[] {
  return rows.map(([version, epoch], index) => {
    const name = FORK_NAMES[index];
    invariant(name !== undefined, "more forks than names");
    return { name, version: bytesOf(version), epoch };
  });
}

const MAINNET = networkOf({
  name: "mainnet",
  preset: "mainnet",
  genesisTimeMs: 1_606_824_023_000,
  slotDurationMs: 12_000,
  genesisValidatorsRoot: bytesOf(
    "4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95",
  ),
  forks: forksOf(
    ["00000000", 0n],
    ["01000000", 74_240n],
    ["02000000", 144_896n],
    ["03000000", 194_048n],
    ["04000000", 269_568n],
    ["05000000", 364_032n],
    ["06000000", 411_392n],
    ["07000000", FAR_FUTURE_EPOCH],
  ),
});

const HOODI = networkOf({
  name: "hoodi",
  preset: "mainnet",
  genesisTimeMs: 1_742_213_400_000,
  slotDurationMs: 12_000,
  genesisValidatorsRoot: bytesOf(
    "212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f",
  ),
  forks: forksOf(
    ["10000910", 0n],
    ["20000910", 0n],
    ["30000910", 0n],
    ["40000910", 0n],
    ["50000910", 0n],
    ["60000910", 2048n],
    ["70000910", 50_688n],
    ["80000910", FAR_FUTURE_EPOCH],
  ),
});

const SEPOLIA = networkOf({
  name: "sepolia",
  preset: "mainnet",
  genesisTimeMs: 1_655_733_600_000,
  slotDurationMs: 12_000,
  genesisValidatorsRoot: bytesOf(
    "d8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078",
  ),
  forks: forksOf(
    ["90000069", 0n],
    ["90000070", 50n],
    ["90000071", 100n],
    ["90000072", 56_832n],
    ["90000073", 132_608n],
    ["90000074", 222_464n],
    ["90000075", 272_640n],
    ["90000076", FAR_FUTURE_EPOCH],
  ),
});

const GNOSIS = networkOf({
  name: "gnosis",
  preset: "gnosis",
  genesisTimeMs: 1_638_993_340_000,
  slotDurationMs: 5000,
  genesisValidatorsRoot: bytesOf(
    "f5dcb5564e829aab27264b9becd5dfaa017085611224cb3036f573368dbb9d47",
  ),
  forks: forksOf(
    ["00000064", 0n],
    ["01000064", 512n],
    ["02000064", 385_536n],
    ["03000064", 648_704n],
    ["04000064", 889_856n],
    ["05000064", 1_337_856n],
    ["06000064", 1_714_688n],
    ["07000064", FAR_FUTURE_EPOCH],
  ),
});

const CHIADO = networkOf({
  name: "chiado",
  preset: "gnosis",
  genesisTimeMs: 1_665_396_300_000,
  slotDurationMs: 5000,
  genesisValidatorsRoot: bytesOf(
    "9d642dac73058fbf39c0ae41ab1e34e4d889043cb199851ded7095bc99eb4c1e",
  ),
  forks: forksOf(
    ["0000006f", 0n],
    ["0100006f", 90n],
    ["0200006f", 180n],
    ["0300006f", 244_224n],
    ["0400006f", 516_608n],
    ["0500006f", 948_224n],
    ["0600006f", 1_353_216n],
    ["0700006f", FAR_FUTURE_EPOCH],
  ),
});

export const PUBLIC_NETWORKS: readonly EthereumNetwork[] = [
  MAINNET,
  HOODI,
  SEPOLIA,
  GNOSIS,
  CHIADO,
];

export function publicNetwork(name: string): EthereumNetwork | undefined {
  return PUBLIC_NETWORKS.find((network) => network.name === name);
}
