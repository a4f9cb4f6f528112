// The network of `npm start`: the minimal preset with short slots, so that the boot floor passes in
// seconds, and every fork from genesis on, so that every kind of operation can be signed. It is a
// network of nobody: its genesis validators root is made up.

export type LocalNetwork = {
  readonly name: string;
  readonly preset: "minimal";
  /** Unix seconds. */
  readonly genesisTime: number;
  readonly slotDurationMs: number;
  readonly genesisValidatorsRoot: string;
  readonly forks: readonly {
    readonly name: string;
    readonly version: string;
    readonly epoch: string;
  }[];
};

const FORKS = ["phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas"];
const GENESIS_AGE_SECONDS = 3600;

export function localNetwork(nowMs: number): LocalNetwork {
  return {
    name: "local",
    preset: "minimal",
    genesisTime: Math.floor(nowMs / 1000) - GENESIS_AGE_SECONDS,
    slotDurationMs: 1000,
    genesisValidatorsRoot: `0x${"10ca1".padEnd(64, "0")}`,
    forks: FORKS.map((name, index) => ({
      name,
      version: `0x${(0x4c00_0000 + index).toString(16)}`,
      epoch: "0",
    })),
  };
}
