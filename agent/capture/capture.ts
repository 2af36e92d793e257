import { Fault } from "../../fault.ts";
import type { Reporter } from "../client/reporter.ts";
import { capturePermitText, type Disk } from "../contract.ts";
import type { Host } from "../deploy-order.ts";
import { changeOfDisk, describeDisk, diskChanged } from "../disk/choice.ts";
import { settledDisks } from "../disk/settled-disks.ts";
import { limits } from "../limits.ts";
import type { AgentPorts, CaptureOrder } from "../ports.ts";
import { refuseShortMemory } from "../preflight.ts";
import { chooseCaptureDisk } from "./disk.ts";

/**
 * Carries out one order to capture this machine's disk:
 *
 *     preflight ► capturing ► finishing ► rebooting ► done
 *
 * The disk is read and nothing else: none of the ports that open one for writing is used here. Nothing is sent
 * before the server's signed permit came, because a disk may hold what nobody else should see.
 */
export class Capture {
  readonly #ports: AgentPorts;
  readonly #reporter: Reporter;
  readonly #host: Host;
  readonly #order: CaptureOrder;

  constructor(ports: AgentPorts, reporter: Reporter, host: Host, order: CaptureOrder) {
    this.#ports = ports;
    this.#reporter = reporter;
    this.#host = host;
    this.#order = order;
  }

  /** False: the order was taken back. @throws whatever ended it otherwise */
  async run(): Promise<boolean> {
    const reporter = this.#reporter;
    const { deployId, image, reason } = this.#order;
    reporter.order(deployId);
    reporter.about({ image, order: deployId });
    try {
      await reporter.enter("preflight", `this disk is to become the image ${image}: ${reason}`);
      const disk = await this.#preflight();
      await this.#askToCapture(disk);
      await this.#capture(disk);
      return true;
    } catch (error) {
      const thrown = reporter.cancelled.aborted ? reporter.cancelled.reason : error;
      if (!(thrown instanceof Fault) || thrown.code !== "DEPLOY_CANCELLED") throw thrown;
      reporter.say("waiting", `${thrown.what} ${thrown.why} The disk was only read.`);
      reporter.order(undefined);
      return false;
    }
  }

  async #preflight(): Promise<Disk> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    reporter.say("preflight", "waiting until no more disks appear");
    const disks = await settledDisks(
      () => ports.inventory(this.#host.network).disks,
      ports.clock,
      (line) => reporter.say("preflight", line),
    );
    refuseShortMemory(ports.availableMemoryBytes());
    return chooseCaptureDisk(disks, this.#order.mostDiskBytes);
  }

  async #askToCapture(disk: Disk): Promise<void> {
    const ports = this.#ports;
    const challenge = ports.challenge();
    const detail = `${describeDisk(disk)}, which is only read`;
    const permit = await this.#reporter.enterWithPermission("capturing", detail, limits.permissionMs, { challenge });
    const { deployId, image } = this.#order;
    const { mac } = this.#host.network;
    ports.checkPermit(capturePermitText({ challenge, mac, deployId, image }), permit);
    this.#recheck(disk);
  }

  /** A device name is no identity: what is now there must not be sent in its place. */
  #recheck(disk: Disk): void {
    const now = this.#ports.inventory(this.#host.network).disks.find(({ path }) => path === disk.path);
    // Whether it may be written does not matter here.
    const change = changeOfDisk(disk, now && { ...now, isReadOnly: false });
    if (change !== undefined) throw diskChanged(change, "Nothing was sent.");
  }

  async #capture(disk: Disk): Promise<void> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    const { client, host } = this.#host;
    const captured = await ports.capture({
      server: client.url,
      host,
      order: this.#order,
      disk,
      signal: reporter.cancelled,
      onProgress: (progress) => reporter.progress(progress),
      // Opening it may have taken half a minute. While it is open its name cannot become another disk's.
      onOpen: () => this.#recheck(disk),
      beforeFinish: (sent) => reporter.enter("finishing", sent),
    });
    for (const warning of captured.warnings) reporter.say("finishing", warning);
    const name = `${captured.image} version ${captured.imageVersion}`;
    await reporter.enter("rebooting", `into its own disk, which is now ${name}`);
    await reporter.finally({ done: `${host.name} is captured as ${name}` }, limits.lastReportMs);
  }
}
