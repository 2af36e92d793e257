import { Fault } from "../fault.ts";
import type { Manifest } from "../images/manifest.ts";
import type { Reporter } from "./client/reporter.ts";
import { type Afterwards, aliveText, type Disk, type ScriptResult, scriptsText } from "./contract.ts";
import type { DeployOrder, Host } from "./deploy-order.ts";
import { contentText } from "./disk/content.ts";
import { formatDuration } from "./disk/sizes.ts";
import { limits } from "./limits.ts";
import { fitOrderOf } from "./order-terms.ts";
import type { AgentPorts } from "./ports.ts";
import { hasSucceeded, scriptLine } from "./scripts.ts";
import type { RestoredVolume } from "./volumes/partitions.ts";

/** One order at its end. */
export type DeployEnd = {
  readonly ports: AgentPorts;
  readonly reporter: Reporter;
  readonly host: Host;
  readonly order: DeployOrder;
  /** Throws when the disk is another one now. */
  recheck(disk: Disk): void;
};

/**
 * Before anything is erased: a script that nobody ordered is not run, a call that nobody ordered is not written to the
 * disk, and the order of either is not carried out.
 *
 * @throws {Fault} SCRIPTS_NOT_PERMITTED, ALIVE_NOT_PERMITTED
 */
export function checkPermitsOfEnd({ ports, host, order }: Omit<DeployEnd, "recheck">): void {
  const { deployId, scripts, alive } = order;
  const { mac } = host.network;
  if (scripts !== undefined) ports.checkPermit(scriptsText({ mac, deployId, list: scripts.list }), scripts.permit);
  if (alive !== undefined) ports.checkPermit(aliveText({ mac, deployId, ...alive }), alive.permit);
}

/** What is done to the restored disk, until the last report: naming, scripts, boot entry. @returns what comes then */
export async function endDeploy(end: DeployEnd, disk: Disk, manifest: Manifest): Promise<Afterwards> {
  const { ports, reporter, host, order } = end;
  await reporter.enter("naming", order.hostName);
  reporter.cancelled.throwIfAborted();
  end.recheck(disk);
  const { mac } = host.network;
  const fitted = await ports.fit({
    disk,
    order: fitOrderOf(order, mac),
    signal: reporter.cancelled,
    onProgress: (progress) => reporter.progress(progress),
  });
  for (const note of fitted.notes) reporter.say("naming", note);
  reporter.cancelled.throwIfAborted();
  end.recheck(disk);
  const { alive } = order;
  const named = { disk, manifest, hostName: order.hostName, mac, renewedUuids: fitted.renewed };
  const naming = await ports.name(alive === undefined ? named : { ...named, alive });
  const modules = naming.modules.length > 0 ? naming.modules.join(", ") : "no known system on the disk";
  reporter.say("naming", `${naming.changes} changes: ${modules}`);
  for (const note of naming.notes) reporter.say("naming", note);
  const callsWhenUp = alive !== undefined && naming.callsWhenUp === true;
  if (alive !== undefined && !callsWhenUp) {
    reporter.say("naming", "WARNING: no system on the disk can say that it is up; nobody waits for its word");
  }
  await runScripts(end, disk, manifest, naming.systems);
  await reporter.enter("finishing", "boot entry");
  end.recheck(disk);
  for (const line of await ports.finish({ disk, manifest, image: manifest.tag.name })) reporter.say("finishing", line);
  const afterwards = await prepared(end, disk, manifest);
  reporter.callsWhenUp = callsWhenUp;
  await reporter.enter("rebooting", afterwardsLine(afterwards, order));
  const [restored] = await ports.examine([disk]);
  const holds = restored?.holds === undefined ? {} : { holds: contentText(restored) };
  await reporter.finally({ done: `${order.hostName} is ready`, ...holds }, limits.lastReportMs);
  return afterwards;
}

async function runScripts(
  end: DeployEnd,
  disk: Disk,
  manifest: Manifest,
  systems: readonly RestoredVolume[],
): Promise<void> {
  const { ports, reporter, host, order } = end;
  const { hostName, scripts } = order;
  // As it is signed: what the order itself calls the image is for the screen alone.
  const image = manifest.tag.name;
  const { mac } = host.network;
  for (const script of scripts?.list ?? []) {
    const detail = `script ${script.name}, ${formatDuration(script.mostSeconds * 1000)} at most`;
    await reporter.enter("naming", detail);
    reporter.cancelled.throwIfAborted();
    end.recheck(disk);
    const signal = reporter.cancelled;
    // The server's answers to these words are how a host hears that its order was taken back.
    const onProgress = () => reporter.progress({ detail });
    const result = await ports.runScript({ script, systems, disk, image, hostName, mac, signal, onProgress });
    await reporter.scriptEnded(result, scriptLine(result));
    reporter.cancelled.throwIfAborted();
    if (!hasSucceeded(result)) throw scriptFailed(result);
  }
}

/** What comes afterwards: a kernel that cannot be loaded is no failure of the restore, the machine restarts. */
async function prepared({ ports, reporter, order }: DeployEnd, disk: Disk, manifest: Manifest): Promise<Afterwards> {
  const { afterwards = "reboot" } = order.terms ?? {};
  if (afterwards !== "kexec") return afterwards;
  try {
    reporter.say("finishing", await ports.loadKernel({ disk, manifest }));
    return afterwards;
  } catch (error) {
    ports.log.warn({ err: error }, "the restored kernel was not loaded");
    const why = error instanceof Fault ? `${error.what} ${error.why}` : String(error);
    reporter.say("finishing", `WARNING: the machine restarts instead of starting the kernel at once: ${why}`);
    return "reboot";
  }
}

function afterwardsLine(afterwards: Afterwards, { image, hostName }: DeployOrder): string {
  const into = `into ${image} as ${hostName}`;
  if (afterwards === "power-off") return `switches itself off; the next start is ${into}`;
  return afterwards === "wait" ? `stays on until Enter is pressed, then restarts ${into}` : into;
}

function scriptFailed(result: ScriptResult): Fault {
  return new Fault("SCRIPT_FAILED", {
    what: `The disk is restored and named, but a script of the order failed: ${scriptLine(result)}`,
    why: result.output === "" ? "It said nothing." : result.output.split("\n").slice(-10).join("\n"),
    fix: "Correct it (bootcast script list), and order the image again.",
  });
}
