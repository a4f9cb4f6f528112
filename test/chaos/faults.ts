// How each fault is made. When one has settled, its cause is gone: whatever was killed runs again,
// whatever was stopped goes on. What is left of it in the signers is theirs to get over.

import type { SmallDisk } from "../fakes/small-disk.ts";
import { until } from "../fakes/until.ts";
import type { Cluster } from "./cluster.ts";
import type { Fault, FaultKind } from "./plan.ts";
import type { Site } from "./site.ts";
import { NO_FAULTS } from "./store-faults.ts";

type Place = {
  readonly cluster: Cluster;
  readonly site: Site;
  /** Of the site's state file; null when it is no disk that can be filled. */
  readonly disk: SmallDisk | null;
  readonly lengthMs: number;
};

const HELD_WAIT_MS_MAX = 5000;
const FAILING = {
  delayed: 0.3,
  delayMsMax: 1500,
  requestDropped: 0.1,
  answerDropped: 0.15,
  throttled: 0.15,
  failed: 0.15,
};

const RUN: Readonly<Record<FaultKind, (place: Place) => Promise<void>>> = {
  "enclave killed": ({ site }) => site.killEnclave(),
  "enclave killed twice": async ({ site, lengthMs }) => {
    await site.killEnclave();
    // Once more while it is measured, unsealed or opened.
    await pause(lengthMs);
    await site.killEnclave();
  },
  "every enclave killed": async ({ cluster, lengthMs }) => {
    await Promise.all(
      cluster.sites.map(async (site, index) => {
        await pause(index * lengthMs);
        await site.killEnclave();
      }),
    );
  },
  "parent killed": async ({ site, lengthMs }) => {
    await site.killParent();
    await pause(lengthMs);
    await site.startParent();
  },
  "enclave and parent killed": ({ site, lengthMs }) => killSite(site, lengthMs),
  "everything killed": async ({ cluster, lengthMs }) => {
    const sites = cluster.sites.map(async (site, index) => {
      await pause((index * lengthMs) / 2);
      await killSite(site, lengthMs);
    });
    await cluster.killStore();
    await pause(lengthMs);
    await cluster.startStore();
    await Promise.all(sites);
  },
  "enclave stopped": ({ site, lengthMs }) => stopEnclave(site, lengthMs),
  "enclave stopped while its writes are answered": async ({ site, lengthMs }) => {
    site.proxy.hold("answers");
    await until(() => site.proxy.heldCount > 0, HELD_WAIT_MS_MAX);
    site.signalEnclave("SIGSTOP");
    // They wait in its sockets, and are the first that it sees.
    site.proxy.pass();
    await pause(lengthMs);
    site.signalEnclave("SIGCONT");
  },
  "parent stopped": async ({ site, lengthMs }) => {
    site.signalParent("SIGSTOP");
    await pause(lengthMs);
    site.signalParent("SIGCONT");
  },
  "store killed": async ({ cluster, lengthMs }) => {
    await cluster.killStore();
    await pause(lengthMs);
    await cluster.startStore();
  },
  "store stopped": async ({ cluster, lengthMs }) => {
    cluster.signalStore("SIGSTOP");
    await pause(lengthMs);
    cluster.signalStore("SIGCONT");
  },
  "store failing": async ({ cluster, lengthMs }) => {
    cluster.setStoreFaults(FAILING);
    await pause(lengthMs);
    cluster.setStoreFaults(NO_FAULTS);
  },
  "connections half-open": async ({ site, lengthMs }) => {
    site.proxy.lose("requests", "answers");
    await pause(lengthMs);
    site.proxy.pass();
  },
  "answers of the store lost": async ({ site, lengthMs }) => {
    site.proxy.lose("answers");
    await pause(lengthMs);
    site.proxy.pass();
  },
  "requests to the store held": async ({ site, lengthMs }) => {
    site.proxy.hold("requests");
    await pause(lengthMs);
    site.proxy.pass();
  },
  "connections cut": async ({ site, lengthMs }) => {
    site.proxy.cut();
    await pause(lengthMs);
    site.proxy.cut();
  },
  "disk full": async ({ site, disk, lengthMs }) => {
    if (disk === null) throw new Error("no disk to fill");
    const pid = site.parentPid;
    disk.fill(pid, `${site.layout.stateFile}-wal`);
    await pause(lengthMs);
    disk.free(pid);
  },
};

export async function runFault(
  cluster: Cluster,
  disks: readonly SmallDisk[],
  { kind, siteIndex, leadMs, lengthMs }: Fault,
): Promise<void> {
  const site = cluster.sites[siteIndex];
  if (site === undefined) throw new Error("a fault of a site that is not there");
  await pause(leadMs);
  await RUN[kind]({ cluster, site, disk: disks[siteIndex] ?? null, lengthMs });
}

export function pause(ms: number): Promise<void> {
  return new Promise((settle) => setTimeout(settle, ms));
}

async function killSite(site: Site, gapMs: number): Promise<void> {
  const enclave = site.killEnclave();
  await pause(gapMs);
  await site.killParent();
  await site.startParent();
  await enclave;
}

async function stopEnclave(site: Site, lengthMs: number): Promise<void> {
  site.signalEnclave("SIGSTOP");
  await pause(lengthMs);
  site.signalEnclave("SIGCONT");
}
