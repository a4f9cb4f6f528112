// What tmkms has and Redoubt has not, found in a configuration and named one by one. It must never
// print a value: passwords and API keys stand beside these fields.

import type { TmkmsConfig } from "./config-schema.ts";

type IsMeant = (chainId: string) => boolean;

const ACCOUNT = "an account key: no transactions are signed here";

type ForeignKey = {
  readonly at: string;
  readonly chainIds: readonly string[];
  readonly type: "consensus" | "account";
  readonly why: string;
};

/** Consensus keys of other providers than softsign: no file has their secret. */
export function listForeignKeys(config: TmkmsConfig, isMeant: IsMeant): readonly string[] {
  return foreignKeys(config)
    .filter(({ type, chainIds }) => type === "consensus" && chainIds.some(isMeant))
    .map(({ at, chainIds, why }) => `${at} (${chainIds.filter(isMeant).join(", ")}): ${why}`);
}

function foreignKeys({ providers }: TmkmsConfig): readonly ForeignKey[] {
  return [
    ...providers.yubihsm.flatMap((hsm, index) =>
      hsm.keys.map(({ chain_ids: chainIds, type }, at) => ({
        at: `providers.yubihsm[${index}].keys[${at}]`,
        chainIds,
        type,
        why: "a key in a YubiHSM: seal the file that it was imported from, if there is one",
      })),
    ),
    ...providers.ledgertm.map(({ chain_ids: chainIds }, index) => ({
      at: `providers.ledgertm[${index}]`,
      chainIds,
      type: "consensus" as const,
      why: "a key in a Ledger: it never leaves the device",
    })),
    ...providers.fortanixdsm.flatMap((dsm, index) =>
      dsm.signing_keys.map(({ chain_ids: chainIds, type }, at) => ({
        at: `providers.fortanixdsm[${index}].signing_keys[${at}]`,
        chainIds,
        type,
        why: "a key in Fortanix DSM: seal the file that it was imported from, if there is one",
      })),
    ),
  ];
}

/** Settings that have no counterpart. */
export function listSettings(config: TmkmsConfig, isMeant: IsMeant): readonly string[] {
  const chains = config.chain.flatMap((chain, index) => {
    if (!isMeant(chain.id)) return [];
    const at = `chain[${index}]`;
    return [
      ...said(chain.state_hook, `${at}.state_hook`, "no command is run; import the state instead"),
      ...said(
        chain.sign_extensions,
        `${at}.sign_extensions`,
        "no setting: precommits of a block get their extension signed, unless the node says not to",
      ),
    ];
  });
  const validators = config.validator.flatMap((validator, index) => {
    if (!isMeant(validator.chain_id)) return [];
    const at = `validator[${index}]`;
    return [
      ...said(
        validator.reconnect ? undefined : false,
        `${at}.reconnect`,
        "the parent dials again, always",
      ),
      ...said(validator.timeout, `${at}.timeout`, "fixed here: 10 s without a request"),
      ...said(
        validator.protocol_version,
        `${at}.protocol_version`,
        validator.protocol_version === "v0.34"
          ? "deprecated in tmkms already; all versions are answered alike, without a setting"
          : "all versions are answered alike, without a setting",
      ),
    ];
  });
  return [...chains, ...validators, ...listAccounts(config, isMeant), ...listServers(config)];
}

function listAccounts(config: TmkmsConfig, isMeant: IsMeant): readonly string[] {
  const foreign = foreignKeys(config).filter(
    ({ type, chainIds }) => type === "account" && chainIds.some(isMeant),
  );
  const own = config.providers.softsign.flatMap((entry, index) =>
    entry.key_type === "account" && entry.chain_ids.some(isMeant)
      ? [`providers.softsign[${index}].key_type: ${ACCOUNT}`]
      : [],
  );
  return [...own, ...foreign.map(({ at }) => `${at}.type: ${ACCOUNT}`)];
}

function listServers(config: TmkmsConfig): readonly string[] {
  return config.providers.yubihsm.flatMap((hsm, index) =>
    said(
      hsm.connector_server,
      `providers.yubihsm[${index}].connector_server`,
      "no HSM is served here",
    ),
  );
}

function said(value: unknown, at: string, instead: string): readonly string[] {
  return value === undefined ? [] : [`${at}: ${instead}`];
}
