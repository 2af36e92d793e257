import type { Logger } from "pino";
import { isMachineAddress } from "../bsdp/address.ts";
import { AnswerRate } from "../bsdp/answer-rate.ts";
import type { BootChoice } from "../bsdp/boot-choice.ts";
import { chooseBoot } from "../bsdp/boot-choice.ts";
import { decideBsdp } from "../bsdp/bsdp-server.ts";
import type { LeaseDecision } from "../bsdp/dhcp-leases.ts";
import { decideLease } from "../bsdp/dhcp-leases.ts";
import type { DhcpPacket } from "../bsdp/dhcp-packet.ts";
import {
  clientMac,
  decodeDhcpPacket,
  encodeDhcpPacket,
  MAXIMUM_PAYLOAD_BYTES,
  optionAddress,
  optionData,
} from "../bsdp/dhcp-packet.ts";
import { MessageType, messageTypeName, messageTypeOf, numberOf2, Option } from "../bsdp/dhcp-values.ts";
import type { FullSettings } from "../bsdp/full.ts";
import { fullReply } from "../bsdp/full.ts";
import type { Lease } from "../bsdp/lease.ts";
import type { LoopState } from "../bsdp/loop-guard.ts";
import { countAttempt, isForgettable, loopVerdict } from "../bsdp/loop-guard.ts";
import type { BootPolicy } from "../bsdp/policy.ts";
import type { Arrival } from "../bsdp/proxy.ts";
import { proxyQuestion, proxyReply } from "../bsdp/proxy.ts";
import type { PxeClient } from "../bsdp/pxe-client.ts";
import { pxeClientOf } from "../bsdp/pxe-client.ts";
import type { Destination } from "../bsdp/reply-destination.ts";
import { PROXY_PORT } from "../bsdp/reply-destination.ts";
import { parseBsdpVendorClass } from "../bsdp/vendor-class.ts";
import { Fault } from "../fault.ts";
import type { DhcpSettings } from "./dhcp-settings.ts";

/** What to send, and where. */
export type Answer = { readonly bytes: Uint8Array; readonly to: Destination };

/** How long the host list may take to say what a machine should boot. */
const POLICY_DEADLINE_MS = 1000;
/** Machines whose loops are watched, and whose silences were logged, at the same time. */
const REMEMBERED_MACHINES = 10_000;
/** Bytes of a packet besides the payload that option 57 counts. */
const IP_UDP_BYTES = 28;

/**
 * Puts the decisions of bsdp/ together: one packet in, at most one answer out.
 * It owns the lease table, the loop guard and the counters, and no socket.
 */
export class DhcpAnswerer {
  readonly counters: { answered: Record<string, number>; dropped: Record<string, number> } = {
    answered: {},
    dropped: {},
  };
  readonly #settings: DhcpSettings;
  readonly #log: Logger;
  readonly #leases = new Map<string, Lease>();
  readonly #loops = new Map<string, LoopState>();
  readonly #logged = new Set<string>();
  readonly #rate = new AnswerRate();

  constructor(settings: DhcpSettings, leases: readonly Lease[]) {
    this.#settings = settings;
    this.#log = settings.log;
    for (const lease of leases) this.#leases.set(lease.address, lease);
  }

  /**
   * Answers one packet. It never throws for what is in the packet: that is
   * counted and dropped.
   *
   * @param network settings of the interface's network in full mode
   */
  async answer(bytes: Uint8Array, arrival: Arrival, network?: FullSettings): Promise<Answer | undefined> {
    let request: DhcpPacket;
    try {
      request = decodeDhcpPacket(bytes);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return this.#drop(error.code, undefined);
    }
    // Our own broadcasts and those of other servers come back on port 67.
    if (request.op !== 1) return this.#drop("not-a-request", undefined);
    // Answers go there: a forged packet must not make us speak to everybody, or to ourselves.
    for (const address of [request.ciaddr, request.giaddr]) {
      if (address !== "0.0.0.0" && !isMachineAddress(address)) return this.#drop("no-machine-address", undefined);
    }
    const isMac = parseBsdpVendorClass(optionData(request, Option.vendorClass) ?? new Uint8Array(0)) !== undefined;
    const isInform = messageTypeOf(request) === MessageType.inform;
    // A Mac's DISCOVER and REQUEST are ordinary DHCP; boot discovery is in its INFORM.
    if (isMac && arrival.port !== PROXY_PORT && (isInform || network === undefined)) {
      return this.#replyToMac(request, arrival);
    }
    if (network === undefined || arrival.port === PROXY_PORT) return this.#replyAsProxy(request, arrival);
    return this.#replyAsServer(request, arrival, network);
  }

  /** The bytes of a reply; undefined, and told, when it is longer than the client can take. */
  #write(request: DhcpPacket, packet: DhcpPacket, maximumBytes = roomFor(request)): Uint8Array | undefined {
    try {
      return encodeDhcpPacket(packet, { maximumBytes });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#log.error({ ...error.toJSON(), mac: clientMac(request) }, "an answer could not be written");
      return this.#drop(error.code, undefined);
    }
  }

  async #replyToMac(request: DhcpPacket, arrival: Arrival): Promise<Answer | undefined> {
    if (!this.#mayAnswer(request)) return undefined;
    const { bootFiles } = this.#settings;
    const policy = await this.#policyOf(clientMac(request));
    const decision = decideBsdp(request, {
      serverAddress: arrival.serverAddress,
      serverName: arrival.serverAddress,
      priority: bootFiles.macPriority,
      images: policy.boot === "agent" ? bootFiles.macImages : [],
    });
    if (decision.type === "silence") {
      const isPolicy = decision.reason === "no-image" && policy.boot !== "agent";
      return this.#drop(isPolicy ? policyReason(policy) : decision.reason, request);
    }
    // The decision keeps to the client's own limit, which is larger than that of other firmware.
    const bytes = this.#write(request, decision.packet, MAXIMUM_PAYLOAD_BYTES);
    if (bytes === undefined) return undefined;
    const image = decision.image?.toString(16).padStart(8, "0");
    this.#said(request, `BSDP ${decision.message}`, { to: decision.to, file: decision.packet.file, image });
    return { bytes, to: decision.to };
  }

  async #replyAsProxy(request: DhcpPacket, arrival: Arrival): Promise<Answer | undefined> {
    const client = proxyQuestion(request, arrival);
    if (typeof client === "string") return this.#drop(client, request, client === "not-a-boot-client");
    if (!this.#mayAnswer(request)) return undefined;
    const boot = await this.#bootFor(request, client, arrival);
    if (boot.type === "nothing") return this.#drop(boot.reason, request);
    const reply = proxyReply(request, arrival, client, boot);
    const bytes = this.#write(request, reply.packet);
    if (bytes === undefined) return undefined;
    const name = `${messageTypeName(messageTypeOf(reply.packet))}${arrival.port === PROXY_PORT ? " on 4011" : ""}`;
    this.#said(request, name, { to: reply.to, file: boot.file, architecture: client.architecture, is: client.kind });
    return { bytes, to: reply.to };
  }

  async #replyAsServer(request: DhcpPacket, arrival: Arrival, network: FullSettings): Promise<Answer | undefined> {
    if (!this.#mayAnswer(request)) return undefined;
    const client = pxeClientOf(request);
    // Boot data is asked for first: between a look at the leases and their change nothing may wait.
    const choice = client === undefined ? undefined : await this.#bootFor(request, client, arrival);
    const decision = decideLease(request, this.#leases, network, this.#settings.now());
    this.#keep(decision);
    if (decision.type === "silence") {
      if (decision.reason === "another-server-named") this.#warnOfOther(request);
      return this.#drop(decision.reason, request);
    }
    const boot = client === undefined || choice === undefined ? undefined : { client, choice };
    const reply = fullReply(request, decision, network, boot);
    const bytes = reply === undefined ? undefined : this.#write(request, reply.packet);
    if (reply === undefined || bytes === undefined) return undefined;
    this.#said(request, messageTypeName(messageTypeOf(reply.packet)), {
      to: reply.to,
      address: "address" in decision ? decision.address : undefined,
      why: decision.type === "refuse" ? decision.why : undefined,
      ...(choice === undefined ? {} : choice.type === "boot" ? { file: choice.file } : { noBoot: choice.reason }),
      architecture: client?.architecture,
    });
    return { bytes, to: reply.to };
  }

  #mayAnswer(request: DhcpPacket): boolean {
    if (this.#rate.allows(clientMac(request), this.#settings.now())) return true;
    this.#drop("too-many", request);
    return false;
  }

  async #bootFor(request: DhcpPacket, client: PxeClient, arrival: Arrival): Promise<BootChoice> {
    const policy = await this.#policyOf(client.mac);
    const { bootFiles, now } = this.#settings;
    const state = this.#loops.get(client.mac);
    const choose = (verdict: ReturnType<typeof loopVerdict>) =>
      chooseBoot(client, policy, bootFiles, arrival.serverAddress, verdict);
    const free = choose("loader");
    // Only a DISCOVER is a new attempt; a REQUEST or a packet to 4011 belongs to it.
    if (free.type === "nothing" || free.what !== "loader") return free;
    if (messageTypeOf(request) !== MessageType.discover) return choose(loopVerdict(state, now()));
    const attempt = { loader: free.loader, xid: request.xid, atMs: now() };
    const counted = countAttempt(state, attempt);
    this.#rememberLoop(client.mac, counted);
    const verdict = loopVerdict(counted, now());
    if (verdict === "stop" && state?.stoppedUntilMs !== counted.stoppedUntilMs) {
      this.#log.error({ mac: client.mac, loader: free.loader, alert: "loop" }, "loads the same loader again and again");
    }
    return choose(verdict);
  }

  async #policyOf(mac: string): Promise<BootPolicy> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<BootPolicy>((resolve) => {
      const answer: BootPolicy = { boot: "nothing", reason: "the host list did not answer within a second" };
      timer = setTimeout(() => resolve(answer), POLICY_DEADLINE_MS);
    });
    try {
      return await Promise.race([this.#settings.policyOf(mac), late]);
    } catch (error) {
      this.#log.error({ mac, err: error }, "the host list could not say what to boot");
      return { boot: "nothing", reason: "the host list failed" };
    } finally {
      clearTimeout(timer);
    }
  }

  #keep(decision: LeaseDecision): void {
    for (const lease of decision.changes) {
      this.#leases.set(lease.address, lease);
      // An offer is not worth a write: it ends within a minute, used or not.
      if (lease.state === "offered") continue;
      this.#settings.full?.leases
        .save(lease)
        .catch((error) => this.#log.error({ err: error, ...lease }, "a lease could not be saved"));
    }
  }

  #rememberLoop(mac: string, state: LoopState): void {
    if (this.#loops.size >= REMEMBERED_MACHINES && !this.#loops.has(mac)) {
      const nowMs = this.#settings.now();
      for (const [old, one] of this.#loops) if (isForgettable(one, nowMs)) this.#loops.delete(old);
      if (this.#loops.size >= REMEMBERED_MACHINES) return;
    }
    this.#loops.set(mac, state);
  }

  #warnOfOther(request: DhcpPacket): void {
    const server = optionAddress(request, Option.serverId);
    if (server === undefined || !this.#isNews(`other ${server}`)) return;
    this.#log.warn({ server }, "another DHCP server gives out addresses on this network");
  }

  // One line for each machine and reason: a room of machines may ask every few seconds.
  #drop(reason: string, request: DhcpPacket | undefined, isQuiet = false): undefined {
    this.counters.dropped[reason] = (this.counters.dropped[reason] ?? 0) + 1;
    if (request === undefined || isQuiet || !this.#isNews(`${clientMac(request)} ${reason}`)) return;
    this.#log.info({ mac: clientMac(request), asked: messageTypeName(messageTypeOf(request)), reason }, "no answer");
  }

  #isNews(line: string): boolean {
    if (this.#logged.has(line)) return false;
    if (this.#logged.size >= REMEMBERED_MACHINES) this.#logged.clear();
    this.#logged.add(line);
    return true;
  }

  #said(request: DhcpPacket, answered: string, more: Readonly<Record<string, unknown>>): void {
    this.counters.answered[answered] = (this.counters.answered[answered] ?? 0) + 1;
    this.#log.info(
      { mac: clientMac(request), asked: messageTypeName(messageTypeOf(request)), answered, ...more },
      "answered",
    );
  }
}

function policyReason(policy: BootPolicy): string {
  return policy.boot === "nothing" ? policy.reason : "boots its own disk";
}

// Option 57 counts the headers; firmware says 0xff00 in places where it means "as much as Ethernet".
function roomFor(request: DhcpPacket): number {
  const data = optionData(request, Option.maxMessageSize);
  const size = data?.length === 2 ? numberOf2(data) : 576;
  return Math.min(Math.max(size, 576), 1472) - IP_UDP_BYTES;
}
