import { byHostDirectories, knownUuid } from "./byhost.ts";
import { idsFor, parseByHostName } from "./byhost-plan.ts";
import type { IdentityModule } from "./change.ts";
import { FIRST_BOOT_PATH, type FirstBootStep, firstBootJob } from "./first-boot-job.ts";
import { holdsLocalKerberos } from "./mac-traces.ts";
import { productVersion, SYSTEM_VERSION_PATH } from "./system-version.ts";

/**
 * What cannot be done to a Mac's disk from here is left for its first start: by-host preferences where this machine's
 * Hardware UUID is not known, and the local Kerberos, which only the Mac itself can make.
 */
export const macFirstBoot: IdentityModule = {
  name: "mac-first-boot",
  async plan(volume, identity) {
    const version = await volume.readText(SYSTEM_VERSION_PATH);
    if (version === undefined) return undefined;
    const osVersion = productVersion(version);
    const steps: FirstBootStep[] = [];
    const names: string[] = [];
    for (const directory of await byHostDirectories(volume)) names.push(...(await volume.list(directory)));
    const hasByHostFiles = names.some((name) => parseByHostName(name) !== undefined);
    const uuid = knownUuid(identity, names);
    const isKnown = idsFor({ osVersion, mac: identity.mac, uuid }) !== undefined;
    if (osVersion !== undefined && hasByHostFiles && !isKnown) steps.push("byhost");
    if (await holdsLocalKerberos(volume)) steps.push("kerberos");
    // Its traces are away once it is planned for: what is there then stays.
    const canRun = (await volume.stat("/Library/LaunchDaemons"))?.isDirectory() === true;
    if (steps.length === 0) return { changes: [], notes: [] };
    if (!canRun) return { changes: [], notes: ["This Mac has no place for a job at its first start."] };
    const content = firstBootJob(steps);
    const notes = [`At its first start this Mac itself will do: ${steps.map((step) => words[step]).join("; ")}.`];
    if ((await volume.readText(FIRST_BOOT_PATH)) === content) return { changes: [], notes };
    const why = "the Mac does at its first start what cannot be done from here";
    return { changes: [{ kind: "write", path: FIRST_BOOT_PATH, content, why }], notes };
  },
};

const words: Readonly<Record<FirstBootStep, string>> = {
  names: "take its name from the network",
  byhost: "rename its by-host preferences",
  kerberos: "make its local Kerberos",
};
