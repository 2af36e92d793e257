import assert from "node:assert/strict";
import { Fault } from "../fault.ts";
import type { HeldCells } from "../images/held-cells.ts";
import type { Manifest } from "../images/manifest.ts";
import type { Reporter } from "./client/reporter.ts";
import { type Afterwards, type Disk, permitText } from "./contract.ts";
import { checkPermitsOfEnd, endDeploy } from "./deploy-end.ts";
import type { DeployOrder, Host } from "./deploy-order.ts";
import { changeOfDisk, chooseDisk, type DiskTerms, describeDisk, diskChanged } from "./disk/choice.ts";
import type { Erased } from "./disk/erase.ts";
import { diskIdentity } from "./disk/identity.ts";
import { settledDisks } from "./disk/settled-disks.ts";
import { formatDuration, formatSize } from "./disk/sizes.ts";
import { limits } from "./limits.ts";
import { checkUnchanged, keptOf, termsOf, verifiedLine, verifyRuleOf } from "./order-terms.ts";
import type { AgentPorts, LocalDisk } from "./ports.ts";
import { preflight } from "./preflight.ts";
import { restoreRuleOf } from "./restore-rule.ts";
import type { DescribedStream } from "./stream/describe.ts";

/**
 * Carries out one order, from the preflight to the last report:
 *
 *     preflight ► erasing ► receiving ► verifying ► naming ► finishing ► rebooting ► done
 *
 * The disk is opened for writing only in `#erase`: after the preflight, while
 * the stream arrives, after the server was asked once more, and with its signed permit.
 */
export class Deploy {
  readonly #ports: AgentPorts;
  readonly #reporter: Reporter;
  readonly #host: Host;
  readonly #order: DeployOrder;

  constructor(ports: AgentPorts, reporter: Reporter, host: Host, order: DeployOrder) {
    this.#ports = ports;
    this.#reporter = reporter;
    this.#host = host;
    this.#order = order;
  }

  /**
   * @returns what comes afterwards; undefined: the order was taken back while the disk was still as before
   * @throws whatever ended it otherwise
   */
  async run(): Promise<Afterwards | undefined> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    const order = this.#order;
    const image = `${order.image} version ${order.imageVersion}`;
    reporter.order(order.deployId);
    reporter.about({ image, hostName: order.hostName, order: order.deployId });
    try {
      await reporter.enter("preflight", `${image}, to become ${order.hostName}: ${order.reason}`);
      termsOf(order);
      verifyRuleOf(order);
      checkUnchanged(order, this.#host.network.mac);
      const end = { ports, reporter, host: this.#host, order, recheck: (disk: Disk) => this.#recheck(disk) };
      checkPermitsOfEnd(end);
      const stream = await ports.describe(this.#host.client.url, order.streamId);
      const terms = termsOf(order, stream.manifest);
      const disk = await this.#preflight(stream, terms);
      await this.#letCancel(disk);
      const held = await this.#look(disk, stream.manifest);
      reporter.say("preflight", `${describeDisk(disk)} fits; waiting for the stream to arrive`);
      const received = await this.#receive(stream, disk, terms, held);
      await this.#verify(disk, stream.manifest, received, held);
      return await endDeploy(end, disk, stream.manifest);
    } catch (error) {
      const reason = reporter.cancelled.aborted ? reporter.cancelled.reason : error;
      const isWithdrawn = reason instanceof Fault && reason.code === "DEPLOY_CANCELLED";
      if (!isWithdrawn || reporter.disk !== "untouched") throw reason;
      reporter.say("waiting", `${reason.what} ${reason.why} The disk was not touched.`);
      reporter.order(undefined);
      return undefined;
    }
  }

  async #preflight({ manifest }: DescribedStream, terms: DiskTerms): Promise<Disk> {
    const ports = this.#ports;
    this.#reporter.say("preflight", "waiting until no more disks appear");
    const disks = await settledDisks(
      () => ports.inventory(this.#host.network).disks,
      ports.clock,
      (line) => this.#reporter.say("preflight", line),
    );
    this.#reporter.say("preflight", "looking at what the disks hold");
    return preflight({
      disks: await ports.examine(disks),
      availableMemoryBytes: ports.availableMemoryBytes(),
      power: ports.power(),
      manifest,
      terms,
    });
  }

  /** Whoever ordered it at this machine's screen is still there, and sees only now which disk it is. */
  async #letCancel(disk: Disk): Promise<void> {
    const { isByHand, terms } = this.#order;
    // One that goes on after a power cut has erased its disk before.
    if (isByHand !== true || restoreRuleOf(terms, disk) === "resume") return;
    const within = formatDuration(limits.cancelMs);
    await this.#reporter.enter("preflight", `${describeDisk(disk)} is erased in ${within}: press any key to cancel`);
    if (!(await this.#ports.keyPressed(limits.cancelMs))) return;
    throw new Fault("CANCELLED_BY_KEY", {
      what: `Somebody pressed a key, so ${disk.path} was not erased.`,
      why: "The order was given at this machine's screen, and was stopped there.",
      fix: "Order it again, at the screen or on the server.",
    });
  }

  /** What of the image is on the disk already, where the order wants that kept, or goes on after a power cut. */
  async #look(disk: Disk, manifest: Manifest): Promise<HeldCells | undefined> {
    const reporter = this.#reporter;
    const rule = restoreRuleOf(this.#order.terms, disk);
    if (rule === "erase") return undefined;
    const why = rule === "keep" ? "only what differs is restored" : "this restore was interrupted, and goes on";
    await reporter.enter("preflight", `${why}: comparing ${disk.path} with the image`);
    const held = await this.#ports.look({
      disk,
      manifest,
      signal: reporter.cancelled,
      onProgress: (progress) => reporter.progress(progress),
    });
    reporter.cancelled.throwIfAborted();
    const { keptBytes, neededBytes } = held.count();
    reporter.say("preflight", `${formatSize(keptBytes)} are right, ${formatSize(neededBytes)} are to come`);
    return held;
  }

  async #receive(stream: DescribedStream, disk: Disk, terms: DiskTerms, held?: HeldCells): Promise<string> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    const { client, host } = this.#host;
    const target = ports.localDisk(disk, stream.manifest);
    let isErased = false;
    try {
      return await ports.receive({
        server: client.url,
        streamId: this.#order.streamId,
        stream,
        host,
        target,
        held,
        interfaceAddress: await ports.addressTowards(client.url),
        signal: reporter.cancelled,
        onProgress: (progress) => reporter.progress(progress),
        beforeWrite: async () => {
          assert(!isErased, "the erase was asked for twice");
          isErased = true;
          return this.#erase(stream.manifest, disk, target, terms, held);
        },
      });
    } finally {
      await target.close();
    }
  }

  async #erase(
    manifest: Manifest,
    disk: Disk,
    target: LocalDisk,
    terms: DiskTerms,
    held: HeldCells | undefined,
  ): Promise<Erased> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    await reporter.enterWithPermission("preflight", "all is checked; asking to erase", limits.permissionMs);
    const challenge = ports.challenge();
    const detail = describeDisk(disk);
    const asks = { challenge, disk: diskIdentity(disk) };
    const permit = await reporter.enterWithPermission("erasing", detail, limits.permissionMs, asks);
    const { deployId, terms: ordered } = this.#order;
    const { name: image, version: imageVersion } = manifest.tag;
    const { mac } = this.#host.network;
    ports.checkPermit(permitText({ challenge, mac, deployId, image, imageVersion, terms: ordered }), permit);
    await this.#recheckBeforeErase(disk, manifest, terms);
    await target.open();
    // The looks took time, and a name whose disk was pulled is given again. From here on it cannot be: it is open.
    this.#recheck(disk, "Nothing was erased.");
    if (held === undefined) reporter.diskIs("erased");
    else reporter.diskIs(held.isWhole ? "complete" : "partly written");
    const erased = await ports.erase({
      disk,
      target,
      manifest,
      held,
      method: ordered?.erase ?? "quick",
      signal: reporter.cancelled,
      onProgress: (progress) => reporter.progress(progress),
    });
    await reporter.enter("receiving", `${disk.path}: ${erased.how}`);
    reporter.cancelled.throwIfAborted();
    if (held?.isWhole !== true) reporter.diskIs("partly written");
    return erased;
  }

  /**
   * A device name is no identity: the disks are looked at again right before one
   * is opened. A second one that appeared meanwhile makes the choice a person's.
   */
  async #recheckBeforeErase(disk: Disk, { diskBytes, sectorBytes }: Manifest, terms: DiskTerms): Promise<void> {
    const ports = this.#ports;
    const disks = await ports.examine(ports.inventory(this.#host.network).disks);
    const now = disks.find(({ path }) => path === disk.path);
    const change = changeOfDisk(disk, now);
    if (change !== undefined) throw diskChanged(change, "Nothing was erased.");
    const chosen = chooseDisk(disks, { imageBytes: diskBytes, sectorBytes }, terms);
    assert.equal(chosen.path, disk.path);
  }

  /** The disk by its name, without looking at what is on it: a controller that was reset may have given the name away. */
  #recheck(disk: Disk, what = "Nothing was written to another disk."): void {
    const now = this.#ports.inventory(this.#host.network).disks.find(({ path }) => path === disk.path);
    const change = changeOfDisk(disk, now && { ...now, usedBy: [] });
    if (change !== undefined) throw diskChanged(change, what);
  }

  async #verify(disk: Disk, manifest: Manifest, received: string, held: HeldCells | undefined): Promise<void> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    const rule = verifyRuleOf(this.#order);
    const next = rule.how === "none" ? "not read back, as ordered" : `reading ${disk.path} back`;
    await reporter.enter("verifying", `received: ${received}; ${next}`, keptOf(held));
    const repaired = await ports.verify({
      disk,
      manifest,
      server: this.#host.client.url,
      streamId: this.#order.streamId,
      rule,
      signal: reporter.cancelled,
      onProgress: (progress) => reporter.progress(progress),
      beforeWrite: () => this.#recheck(disk),
    });
    reporter.diskIs("complete");
    reporter.say("verifying", verifiedLine(rule, repaired));
  }
}
