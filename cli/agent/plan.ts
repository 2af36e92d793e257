import { hostname, networkInterfaces } from "node:os";
import { pino } from "pino";
import { readDisks } from "../../agent/disk/disks.ts";
import { planDisk, planDiskFit, type VolumePlan } from "../../agent/disk/plan-disk.ts";
import { describeChange, type Identity } from "../../agent/identity/change.ts";
import { hardwareUuidCandidates } from "../../agent/identity/hardware-uuid.ts";
import { identityModules } from "../../agent/identity/modules.ts";
import { thisMachine } from "../../agent/machine/machine-files.ts";
import { bootNetwork } from "../../agent/machine/network.ts";
import { systemUuidBytes } from "../../agent/machine/smbios.ts";
import { tools } from "../../agent/machine/tools.ts";
import { Fault } from "../../fault.ts";
import { isHostName } from "../../server/hosts/host-identity.ts";
import { printResult } from "../terminal/output.ts";

export type PlanFlags = {
  /** None: every disk of this machine. */
  readonly disk: readonly string[];
  readonly hostName?: string | undefined;
  readonly mac?: string | undefined;
  readonly hardwareUuid?: string | undefined;
};

type DiskPlan = { readonly disk: string; readonly fit: readonly string[]; readonly volumes: readonly VolumePlan[] };

/** `bootcast agent --plan`: what the naming of a restored disk would change. Nothing is written anywhere. */
export async function agentPlan(flags: PlanFlags): Promise<void> {
  const identity = identityOf(flags);
  const paths = flags.disk.length > 0 ? flags.disk : readDisks(thisMachine).map(({ path }) => path);
  const log = pino({ level: "silent" });
  const disks: DiskPlan[] = [];
  for (const disk of paths) {
    const fit = await planDiskFit(disk, { tools });
    disks.push({ disk, fit, volumes: await planDisk(disk, identityModules, identity, { tools, log }) });
  }
  printResult({ identity, disks: disks.map(withoutContents) }, () => textOf(identity, disks));
}

function identityOf({ hostName = hostname(), mac, hardwareUuid }: PlanFlags): Identity {
  if (!isHostName(hostName)) throw usage(`"${hostName}" cannot be a host's name.`, "--host-name lab-07");
  if (mac !== undefined && !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac))
    throw usage(`"${mac}" is no Ethernet address.`, "--mac 00:1b:63:01:02:03");
  if (hardwareUuid !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(hardwareUuid))
    throw usage(`"${hardwareUuid}" is no Hardware UUID.`, "--hardware-uuid 2B12FE1B-1090-593B-B740-2E45F371D1E4");
  const own = hardwareUuidCandidates(systemUuidBytes(thisMachine.bytes("/sys/firmware/dmi/entries/1-0/raw")));
  return {
    hostName,
    mac: mac?.toLowerCase() ?? bootNetwork(networkInterfaces(), undefined).mac,
    hardwareUuids: hardwareUuid === undefined ? own : [hardwareUuid.toUpperCase()],
  };
}

function usage(what: string, example: string): Fault {
  return new Fault("USAGE", { what, why: "The plan is made for one host.", fix: `Give it as in: ${example}` });
}

/** A registry or a script in a list of changes helps nobody. */
function withoutContents({ disk, fit, volumes }: DiskPlan) {
  return {
    disk,
    fit,
    volumes: volumes.map(({ plans, ...volume }) => ({
      ...volume,
      plans: plans.map(({ module, changes, notes }) => ({ module, changes: changes.map(describeChange), notes })),
    })),
  };
}

function textOf({ hostName, mac }: Identity, disks: readonly DiskPlan[]): string {
  const lines = [`As ${hostName}, ${mac}:`];
  for (const { disk, fit, volumes } of disks) {
    lines.push("", disk, ...fit.map((line) => `  ${line}`));
    for (const volume of volumes) lines.push(...linesOf(volume));
  }
  return [...lines, "", "This is only a plan: nothing was changed."].join("\n");
}

function linesOf({ number, fileSystem, label, plans, leftAlone }: VolumePlan): string[] {
  const kind = fileSystem === "" ? "nothing that is known" : fileSystem;
  const name = [number === 0 ? "whole" : `partition ${number}`, kind, label === "" ? "" : `"${label}"`];
  const lines = [`  ${name.filter((word) => word !== "").join(", ")}`];
  if (leftAlone !== undefined) return [...lines, `    ${leftAlone}`];
  if (plans.length === 0) return [...lines, "    holds no system that is known"];
  for (const { module, changes, notes } of plans) {
    lines.push(`    ${module}${changes.length === 0 && notes.length === 0 ? ": nothing to change" : ""}`);
    for (const change of changes) lines.push(`      ${describeChange(change)}`);
    for (const note of notes) lines.push(`      note: ${note}`);
  }
  return lines;
}
