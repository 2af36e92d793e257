import { Fault } from "../fault.ts";
import { Capture } from "./capture/capture.ts";
import { backoffMs } from "./client/backoff.ts";
import { Reporter } from "./client/reporter.ts";
import type { Afterwards, AgentState, HearingTest, Inventory, Order, Registration } from "./contract.ts";
import { Deploy } from "./deploy.ts";
import type { DeployOrder, Host } from "./deploy-order.ts";
import { formatDuration, formatSize } from "./disk/sizes.ts";
import { leave } from "./leave/leave.ts";
import { limits } from "./limits.ts";
import type { BootNetwork } from "./machine/network.ts";
import type { AgentPorts, CaptureOrder } from "./ports.ts";

const AGAIN_MS = 5000;
const MOST_PROBLEM_LETTERS = 500;

/**
 * The agent, from power-on to the reboot:
 *
 *     booting ► finding ► registering ► waiting ► preflight ► erasing ► receiving
 *       ► verifying ► naming ► finishing ► rebooting ► done         any ► failed
 *                                        preflight ► capturing ► finishing ► rebooting
 *
 * Nothing is erased that nobody ordered: this is the way to an order and back to
 * the reboot; only `Deploy`, which one order makes, changes a disk. `Capture` reads one.
 *
 * Always ends in a reboot, or in what was ordered instead (leave/). A host that failed is not given the agent again by
 * the server, so it does not loop.
 */
export async function runAgent(ports: AgentPorts): Promise<"done" | "failed" | "not ordered"> {
  const run = new AgentRun(ports);
  return run.toTheEnd();
}

class AgentRun {
  readonly #ports: AgentPorts;
  readonly #reporter: Reporter;
  #afterwards: Afterwards = "reboot";
  /** What a server gave this agent last: it is the same one still when it registers again. */
  #before: Registration | undefined;

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
    const say = (state: AgentState, text: string) => this.#reporter.say(state, text);
    // Only what was carried out to its end is left as ordered.
    await leave(outcome === "done" ? this.#afterwards : "reboot", this.#ports, { say, log: this.#ports.log });
    return outcome;
  }

  async #journey(): Promise<"done" | "not ordered"> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    reporter.say("booting", `bootcast agent ${ports.version}`);
    const network = ports.network();
    reporter.about({ mac: network.mac, address: network.address });
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
    const seen = ports.inventory(network);
    const inventory = { ...seen, disks: [...(await ports.examine(seen.disks))] };
    reporter.about({ model: modelOf(inventory), server: server.host });
    const about = [inventory.vendor, inventory.model, formatSize(inventory.memoryBytes), inventory.firmware];
    await reporter.enter("registering", `at ${server.host}: ${about.filter(Boolean).join(" ")}, ${network.mac}`);
    const client = ports.connect(server);
    const deadline = ports.clock.now() + limits.registerMs;
    for (let tries = 0; ; tries += 1) {
      try {
        const host = await client.register(inventory, { enrolment: ports.enrolment, before: this.#before });
        this.#before = host;
        reporter.reportTo({ client, host });
        reporter.about({ hostName: host.name });
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
      if (await this.#carryOut(host, order)) return "done";
    }
  }

  /** @returns false: the order was taken back */
  async #carryOut(host: Host, order: DeployOrder | CaptureOrder): Promise<boolean> {
    if (order.kind === "capture") return new Capture(this.#ports, this.#reporter, host, order).run();
    const afterwards = await new Deploy(this.#ports, this.#reporter, host, order).run();
    this.#afterwards = afterwards ?? "reboot";
    return afterwards !== undefined;
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
        if (order.hear !== undefined) await this.#hear(host, order.hear);
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

  /** Somebody at the server wants to know whether its streams would reach this machine. Nothing depends on it. */
  async #hear({ client, host }: Host, test: HearingTest): Promise<void> {
    const { log } = this.#ports;
    const { mark } = test;
    try {
      const address = await this.#ports.addressTowards(client.url);
      const heard = await this.#ports.hearTest(test, address, () => client.hearing(host, { mark }));
      await client.hearing(host, { mark, heard });
      log.info({ test, heard }, "listened for the server's test");
    } catch (error) {
      log.warn({ err: error, test }, "could not listen for the server's test");
      const problem = asFault(error).what.slice(0, MOST_PROBLEM_LETTERS);
      await client.hearing(host, { mark, problem }).catch(() => undefined);
    }
  }

  async #fail(fault: Fault): Promise<void> {
    const ports = this.#ports;
    const reporter = this.#reporter;
    ports.log.error({ err: fault }, "failed");
    let isHeard = await reporter.finally({ fault }, limits.lastReportMs);
    const shownMs = limits.failureShownMs[reporter.disk === "untouched" ? "untouched" : "changed"];
    if (!isHeard) reporter.say("failed", "The server did not hear of this.");
    // Long enough to be read; a machine that hangs for ever would need a hand.
    for (let leftMs = shownMs; leftMs > 0; leftMs -= 30_000) {
      reporter.say("failed", `restarts in ${formatDuration(leftMs)}`);
      // Often it is the network itself that failed, and somebody mends it meanwhile.
      isHeard ||= await reporter.tellLast(0);
      await ports.clock.sleep(Math.min(30_000, leftMs));
    }
  }
}

function modelOf({ vendor, model, serial }: Inventory): string {
  return [vendor, model, serial === "" ? "" : `serial ${serial}`].filter(Boolean).join(" ");
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
