import assert from "node:assert/strict";
import { Fault } from "../fault.ts";
import type { Manifest } from "../images/manifest.ts";
import { backoffMs } from "./backoff.ts";
import { type Disk, type Order, permitText, type Registration } from "./contract.ts";
import { changeOfDisk, chooseDisk, describeDisk } from "./disk-choice.ts";
import type { BootNetwork } from "./network.ts";
import type { AgentPorts } from "./ports.ts";
import { preflight } from "./preflight.ts";
import { Reporter } from "./reporter.ts";
import type { ServerClient } from "./server-client.ts";
import { formatDuration, formatSize } from "./sizes.ts";
import type { DescribedStream } from "./stream/describe.ts";

/** Every wait of the agent ends; these say when. Milliseconds. */
export const limits = {
  registerMs: 120_000,
  /** The server may restart; after this it is looked for anew. */
  lostServerMs: 120_000,
  /** A host that nobody gives an order starts its own disk then. */
  orderMs: 12 * 3600_000,
  permissionMs: 60_000,
  lastReportMs: 120_000,
  /** How long a failure stays on the screen before the machine restarts. */
  failureShownMs: { untouched: 60_000, changed: 600_000 },
} as const;

const AGAIN_MS = 5000;

type Deploy = Extract<Order, { kind: "deploy" }>;
type Host = { readonly client: ServerClient; readonly host: Registration; readonly network: BootNetwork };

/**
 * The agent, from power-on to the reboot:
 *
 *     booting ► finding ► registering ► waiting ► preflight ► erasing ► receiving
 *       ► verifying ► naming ► finishing ► rebooting ► done         any ► failed
 *
 * Nothing is erased that nobody ordered: the disk is opened for writing only in
 * `#erase`, with an order of the server, after the preflight, while the stream
 * arrives, after the server was asked once more, and with its signed permit.
 *
 * Always ends in a reboot. A host that failed is not given the agent again by
 * the server, so it does not loop.
 */
export async function runAgent(ports: AgentPorts): Promise<"done" | "failed" | "not ordered"> {
  const run = new AgentRun(ports);
  return run.toTheEnd();
}

class AgentRun {
  readonly #ports: AgentPorts;
  readonly #reporter: Reporter;

  constructor(ports: AgentPorts) {
    this.#ports = ports;
    this.#reporter = new Reporter(ports);
  }

  async toTheEnd(): Promise<"done" | "failed" | "not ordered"> {
    let outcome: "done" | "failed" | "not ordered";
    try {
      outcome = await this.#journey();
    } catch (error) {
      await this.#fail(asFault(error));
      outcome = "failed";
    }
    try {
      await this.#ports.reboot();
    } catch (error) {
      this.#ports.log.error({ err: error }, "the restart failed");
      this.#reporter.say("rebooting", "This machine cannot restart itself: switch it off and on.");
    }
    return outcome;
  }

  async #journey(): Promise<"done" | "not ordered"> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    reporter.say("booting", `bootcast agent ${ports.version}`);
    const network = ports.network();
    // A server on the command line that does not answer is not the end: mDNS may know another.
    let given = ports.givenServer;
    const deadline = ports.clock.now() + limits.orderMs;
    for (;;) {
      const server = await this.#find(network, given);
      given = undefined;
      const host = await this.#register(network, server);
      if (host === undefined) continue;
      const order = await this.#work(host, deadline);
      if (order !== "lost server") return order;
      given = ports.givenServer;
    }
  }

  async #find(network: BootNetwork, given: URL | undefined): Promise<URL> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    const where = `${network.name} ${network.address}`;
    if (given !== undefined) {
      await reporter.enter("finding", `${where}: the boot loader named ${given.host}`);
      return given;
    }
    await reporter.enter("finding", `${where}: asking by mDNS`);
    return ports.findServer(network, (line) => reporter.say("finding", line));
  }

  /** Undefined: this server does not answer and there is another way to look for one. */
  async #register(network: BootNetwork, server: URL): Promise<Host | undefined> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    const inventory = ports.inventory(network);
    const about = [inventory.vendor, inventory.model, formatSize(inventory.memoryBytes), inventory.firmware];
    await reporter.enter("registering", `at ${server.host}: ${about.filter(Boolean).join(" ")}, ${network.mac}`);
    const client = ports.connect(server);
    const deadline = ports.clock.now() + limits.registerMs;
    for (let tries = 0; ; tries += 1) {
      try {
        const host = await client.register(inventory);
        reporter.reportTo({ client, host });
        return { client, host, network };
      } catch (error) {
        const waitMs = backoffMs(tries, 10_000);
        const isOver = ports.clock.now() + waitMs > deadline;
        if (isOver && server === ports.givenServer) {
          reporter.say("registering", `${asFault(error).what} Looking for another server.`);
          await client.close();
          return undefined;
        }
        if (isOver) throw error;
        reporter.say("registering", `${asFault(error).what} Trying again in ${formatDuration(waitMs)}.`);
        await ports.clock.sleep(waitMs);
      }
    }
  }

  /** Waits for orders and carries them out, until the machine is to restart or the server is gone. */
  async #work(host: Host, deadline: number): Promise<"done" | "not ordered" | "lost server"> {
    for (;;) {
      const order = await this.#waitForOrder(host, deadline);
      if (order === "lost server") return order;
      if (order.kind === "boot-disk") {
        await this.#reporter.enter("rebooting", `into the disk as it is: ${order.reason}`);
        return "not ordered";
      }
      if (await this.#deploy(host, order)) return "done";
    }
  }

  async #waitForOrder(host: Host, deadline: number): Promise<Exclude<Order, { kind: "wait" }> | "lost server"> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    await reporter.enter("waiting", `as ${host.host.name}, for an order`);
    let shown = "";
    let lostSince: number | undefined;
    for (let failures = 0; ports.clock.now() < deadline; ) {
      const askedAt = ports.clock.now();
      try {
        const order = await host.client.order(host.host);
        if (order.kind !== "wait") return order;
        if (order.reason !== shown) await reporter.enter("waiting", order.reason);
        shown = order.reason;
        failures = 0;
        lostSince = undefined;
        // A server that does not hold the question must not be asked without pause.
        if (ports.clock.now() - askedAt < 1000) await ports.clock.sleep(1000);
      } catch (error) {
        // It restarted without its database, or was told to forget us: it is not lost, it must only know us again.
        if (asFault(error).code === "TOKEN_WRONG") {
          reporter.say("waiting", asFault(error).what);
          // Two machines with one address would register in turn without end.
          await ports.clock.sleep(AGAIN_MS);
          return "lost server";
        }
        lostSince ??= askedAt;
        if (ports.clock.now() - lostSince > limits.lostServerMs) return "lost server";
        const waitMs = backoffMs(failures, 16_000);
        failures += 1;
        reporter.say("waiting", `${asFault(error).what} Asking again in ${formatDuration(waitMs)}.`);
        await ports.clock.sleep(waitMs);
      }
    }
    return { kind: "boot-disk", reason: `nobody gave an order in ${formatDuration(limits.orderMs)}` };
  }

  /** Carries out one order. False: it was taken back while the disk was still as before. */
  async #deploy(host: Host, order: Deploy): Promise<boolean> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    const image = `${order.image} version ${order.imageVersion}`;
    reporter.order(order.deployId);
    try {
      await reporter.enter("preflight", `${image}, to become ${order.hostName}: ${order.reason}`);
      const stream = await ports.describe(host.client.url, order.streamId);
      const disk = this.#preflight(host, stream);
      reporter.say("preflight", `${describeDisk(disk)} fits; waiting for the stream to arrive`);
      const received = await this.#receive(host, order, stream, disk);
      await this.#verify(host, order, disk, stream.manifest, received);
      await this.#nameAndFinish(host, order, disk, stream.manifest);
      return true;
    } catch (error) {
      const reason = reporter.cancelled.aborted ? reporter.cancelled.reason : error;
      const isWithdrawn = reason instanceof Fault && reason.code === "DEPLOY_CANCELLED";
      if (!isWithdrawn || reporter.disk !== "untouched") throw reason;
      reporter.say("waiting", `${reason.what} ${reason.why} The disk was not touched.`);
      reporter.order(undefined);
      return false;
    }
  }

  #preflight(host: Host, { manifest }: DescribedStream): Disk {
    const ports = this.#ports;
    return preflight({
      disks: ports.inventory(host.network).disks,
      availableMemoryBytes: ports.availableMemoryBytes(),
      power: ports.power(),
      manifest,
    });
  }

  async #receive(host: Host, order: Deploy, stream: DescribedStream, disk: Disk): Promise<string> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    const target = ports.localDisk(disk);
    let isErased = false;
    try {
      return await ports.receive({
        server: host.client.url,
        streamId: order.streamId,
        stream,
        host: host.host,
        target,
        interfaceAddress: await ports.addressTowards(host.client.url),
        signal: reporter.cancelled,
        onProgress: (progress) => reporter.progress(progress),
        beforeWrite: async () => {
          assert(!isErased, "the erase was asked for twice");
          isErased = true;
          await reporter.enterWithPermission("preflight", "all is checked; asking to erase", limits.permissionMs);
          const challenge = ports.challenge();
          const detail = describeDisk(disk);
          const permit = await reporter.enterWithPermission("erasing", detail, limits.permissionMs, challenge);
          const { name: image, version: imageVersion } = stream.manifest.tag;
          const { mac } = host.network;
          ports.checkPermit(permitText({ challenge, mac, deployId: order.deployId, image, imageVersion }), permit);
          this.#recheckBeforeErase(host, disk, stream.manifest);
          await target.open();
          reporter.diskIs("erased");
          const erased = await ports.erase(disk, target);
          await reporter.enter("receiving", `${disk.path}: ${erased.how}`);
          reporter.cancelled.throwIfAborted();
          reporter.diskIs("partly written");
          return erased;
        },
      });
    } finally {
      await target.close();
    }
  }

  /**
   * A device name is no identity: the disks are looked at again right before one
   * is opened. A second one that appeared meanwhile makes the choice a person's.
   */
  #recheckBeforeErase(host: Host, disk: Disk, { diskBytes, sectorBytes }: Manifest): void {
    const { disks } = this.#ports.inventory(host.network);
    const now = disks.find(({ path }) => path === disk.path);
    const change = changeOfDisk(disk, now);
    if (change !== undefined) throw diskChanged(change, "Nothing was erased.");
    const chosen = chooseDisk(disks, { imageBytes: diskBytes, sectorBytes });
    assert.equal(chosen.path, disk.path);
  }

  /** The restored disk, before it is opened again: a controller that was reset may have given its name away. */
  #recheck(host: Host, disk: Disk): void {
    const now = this.#ports.inventory(host.network).disks.find(({ path }) => path === disk.path);
    const change = changeOfDisk(disk, now && { ...now, usedBy: [] });
    if (change !== undefined) throw diskChanged(change, "Nothing was written to another disk.");
  }

  async #verify(host: Host, order: Deploy, disk: Disk, manifest: Manifest, received: string): Promise<void> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    await reporter.enter("verifying", `received: ${received}; reading ${disk.path} back`);
    const repaired = await ports.verify({
      disk,
      manifest,
      server: host.client.url,
      streamId: order.streamId,
      signal: reporter.cancelled,
      onProgress: (progress) => reporter.progress(progress),
      beforeWrite: () => this.#recheck(host, disk),
    });
    reporter.diskIs("complete");
    reporter.say("verifying", repaired === 0 ? "every cell is right" : `${repaired} cells had to be written again`);
  }

  async #nameAndFinish(host: Host, order: Deploy, disk: Disk, manifest: Manifest): Promise<void> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    await reporter.enter("naming", order.hostName);
    reporter.cancelled.throwIfAborted();
    const mac = host.network.mac;
    this.#recheck(host, disk);
    const naming = await ports.name({ disk, manifest, hostName: order.hostName, mac });
    const modules = naming.modules.length > 0 ? naming.modules.join(", ") : "no known system on the disk";
    reporter.say("naming", `${naming.changes} changes: ${modules}`);
    for (const note of naming.notes) reporter.say("naming", note);
    await reporter.enter("finishing", "partition table and boot entry");
    this.#recheck(host, disk);
    for (const line of await ports.finish({ disk, manifest, image: order.image })) reporter.say("finishing", line);
    await reporter.enter("rebooting", `into ${order.image} as ${order.hostName}`);
    await reporter.finally({ done: `${order.hostName} is ready` }, limits.lastReportMs);
  }

  async #fail(fault: Fault): Promise<void> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    ports.log.error({ err: fault }, "failed");
    const isHeard = await reporter.finally({ fault }, limits.lastReportMs);
    const shownMs = limits.failureShownMs[reporter.disk === "untouched" ? "untouched" : "changed"];
    if (!isHeard) reporter.say("failed", "The server did not hear of this.");
    // Long enough to be read; a machine that hangs for ever would need a hand.
    for (let leftMs = shownMs; leftMs > 0; leftMs -= 30_000) {
      reporter.say("failed", `restarts in ${formatDuration(leftMs)}`);
      await ports.clock.sleep(Math.min(30_000, leftMs));
    }
  }
}

function diskChanged(change: string, what: string): Fault {
  return new Fault("DISK_CHANGED", {
    what: "The disk is not the one any more that was chosen.",
    why: `${change}.`,
    fix: `Check the cables and start the machine again. ${what}`,
  });
}

/** Whatever was thrown, as something that can be told. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault(
    "AGENT_DEFECT",
    {
      what: "The agent met something that it does not expect.",
      why: error instanceof Error ? error.message : String(error),
      fix: "Report this as a defect of bootcast, with /run/bootcast/agent.log.",
    },
    error,
  );
}
