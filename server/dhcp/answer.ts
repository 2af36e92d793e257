import type { Logger } from "pino";
import { isMachineAddress } from "../../bsdp/address.ts";
import { AnswerRate } from "../../bsdp/answer-rate.ts";
import type { BootChoice } from "../../bsdp/boot-choice.ts";
import { chooseBoot } from "../../bsdp/boot-choice.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { clientMac, decodeDhcpPacket, optionAddress, optionData } from "../../bsdp/dhcp-packet.ts";
import { MessageType, messageTypeName, messageTypeOf, Option } from "../../bsdp/dhcp-values.ts";
import { fullReply } from "../../bsdp/full.ts";
import type { LoopVerdict } from "../../bsdp/loop-guard.ts";
import type { BootPolicy } from "../../bsdp/policy.ts";
import type { Arrival } from "../../bsdp/proxy.ts";
import { proxyQuestion, proxyReply } from "../../bsdp/proxy.ts";
import type { PxeClient } from "../../bsdp/pxe-client.ts";
import { pxeClientOf } from "../../bsdp/pxe-client.ts";
import { PROXY_PORT } from "../../bsdp/reply-destination.ts";
import { parseBsdpVendorClass } from "../../bsdp/vendor-class.ts";
import { Fault } from "../../fault.ts";
import { DhcpJournal } from "./journal.ts";
import type { LeaseBook } from "./lease-book.ts";
import { LoopMemory } from "./loops.ts";
import { answerMac } from "./mac.ts";
import { MacBindings } from "./mac-bindings.ts";
import type { NetworkOf } from "./network.ts";
import type { OtherServers } from "./other-servers.ts";
import type { DhcpCounters, DhcpSettings } from "./settings.ts";
import type { Answer } from "./write.ts";
import { writeReply } from "./write.ts";

/** How long the host list may take to say what a machine should boot. */
const POLICY_DEADLINE_MS = 1000;

/**
 * Puts the decisions of bsdp/ together: one packet in, at most one answer out.
 * It owns the lease table, the loop guard and the counters, and no socket.
 */
export class DhcpAnswerer {
  readonly #settings: DhcpSettings;
  readonly #log: Logger;
  readonly #leases: LeaseBook | undefined;
  readonly #others: Pick<OtherServers, "named"> | undefined;
  readonly #journal: DhcpJournal;
  readonly #loops = new LoopMemory();
  readonly #bindings = new MacBindings();
  readonly #rate = new AnswerRate();

  /**
   * @param leases of our own DHCP server; absent in the other modes
   * @param others is told of a DHCP server that a client names
   */
  constructor(settings: DhcpSettings, leases?: LeaseBook, others?: Pick<OtherServers, "named">) {
    this.#others = others;
    this.#settings = settings;
    this.#log = settings.log;
    this.#journal = new DhcpJournal(settings);
    this.#leases = leases;
  }

  get counters(): DhcpCounters {
    return this.#journal.counters;
  }

  /**
   * Answers one packet. It never throws for what is in the packet: that is
   * counted and dropped.
   *
   * @param networkOf what the clients of this interface get in full mode
   */
  async answer(bytes: Uint8Array, arrival: Arrival, networkOf?: NetworkOf): Promise<Answer | undefined> {
    let request: DhcpPacket;
    try {
      request = decodeDhcpPacket(bytes);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return this.#journal.drop(error.code, undefined);
    }
    // Our own broadcasts and those of other servers come back on port 67.
    if (request.op !== 1) return this.#journal.drop("not-a-request", undefined);
    // Answers go there: a forged packet must not make us speak to everybody, or to ourselves.
    for (const address of [request.ciaddr, request.giaddr]) {
      if (address !== "0.0.0.0" && !isMachineAddress(address))
        return this.#journal.drop("no-machine-address", undefined);
    }
    this.#journal.heard(request);
    const isMac = parseBsdpVendorClass(optionData(request, Option.vendorClass) ?? new Uint8Array(0)) !== undefined;
    const isInform = messageTypeOf(request) === MessageType.inform;
    // A Mac's DISCOVER and REQUEST are ordinary DHCP; boot discovery is in its INFORM.
    if (isMac && arrival.port !== PROXY_PORT && (isInform || networkOf === undefined)) {
      return this.#replyToMac(request, arrival);
    }
    if (networkOf === undefined || arrival.port === PROXY_PORT) return this.#replyAsProxy(request, arrival);
    return this.#replyAsServer(request, arrival, networkOf);
  }

  async #replyToMac(request: DhcpPacket, arrival: Arrival): Promise<Answer | undefined> {
    if (!this.#mayAnswer(request)) return undefined;
    const policy = await this.#policyOf(clientMac(request));
    return answerMac(request, arrival, policy, {
      settings: this.#settings,
      journal: this.#journal,
      bindings: this.#bindings,
    });
  }

  async #replyAsProxy(request: DhcpPacket, arrival: Arrival): Promise<Answer | undefined> {
    const client = proxyQuestion(request, arrival);
    if (typeof client === "string") return this.#journal.drop(client, request, client === "not-a-boot-client");
    if (!this.#mayAnswer(request)) return undefined;
    const boot = await this.#bootFor(request, client, arrival);
    if (boot.type === "nothing") return this.#journal.drop(boot.reason, request);
    const reply = proxyReply(request, arrival, client, boot);
    const bytes = this.#write(request, reply.packet);
    if (bytes === undefined) return undefined;
    const name = `${messageTypeName(messageTypeOf(reply.packet))}${arrival.port === PROXY_PORT ? " on 4011" : ""}`;
    this.#journal.said(request, name, {
      to: reply.to,
      file: boot.file,
      architecture: client.architecture,
      is: client.kind,
    });
    return { bytes, to: reply.to };
  }

  async #replyAsServer(request: DhcpPacket, arrival: Arrival, networkOf: NetworkOf): Promise<Answer | undefined> {
    if (!this.#mayAnswer(request)) return undefined;
    const found = networkOf(request);
    if (found === undefined || this.#leases === undefined) return this.#journal.drop("other-network", request);
    const client = pxeClientOf(request);
    const choice = client === undefined ? undefined : await this.#bootFor(request, client, arrival);
    const reservations = (await this.#settings.full?.reservations?.()) ?? found.reservations;
    const network = { ...found, reservations };
    const decision = await this.#leases.decide(request, network);
    if (decision.type === "silence") {
      const other = optionAddress(request, Option.serverId);
      if (decision.reason === "another-server-named" && other !== undefined) {
        this.#others?.named(other, arrival.serverAddress);
      }
      return this.#journal.drop(decision.reason, request);
    }
    const boot = client === undefined || choice === undefined ? undefined : { client, choice };
    const reply = fullReply(request, decision, network, boot);
    const bytes = reply === undefined ? undefined : this.#write(request, reply.packet);
    if (reply === undefined || bytes === undefined) return undefined;
    this.#journal.said(request, messageTypeName(messageTypeOf(reply.packet)), {
      to: reply.to,
      address: "address" in decision ? decision.address : undefined,
      why: decision.type === "refuse" ? decision.why : undefined,
      ...(choice === undefined ? {} : choice.type === "boot" ? { file: choice.file } : { noBoot: choice.reason }),
      architecture: client?.architecture,
    });
    return { bytes, to: reply.to };
  }

  #write(request: DhcpPacket, packet: DhcpPacket): Uint8Array | undefined {
    return writeReply(request, packet, { log: this.#log, journal: this.#journal });
  }

  #mayAnswer(request: DhcpPacket): boolean {
    if (this.#rate.allows(clientMac(request), this.#settings.now())) return true;
    this.#journal.drop("too-many", request);
    return false;
  }

  async #bootFor(request: DhcpPacket, client: PxeClient, arrival: Arrival): Promise<BootChoice> {
    const policy = await this.#policyOf(client.mac);
    const { bootFiles, now } = this.#settings;
    const choose = (verdict: LoopVerdict) => chooseBoot(client, policy, bootFiles, arrival.serverAddress, verdict);
    const free = choose("loader");
    if (free.type === "nothing" || free.what !== "loader") return free;
    // Only a DISCOVER is a new attempt; a REQUEST or a packet to 4011 belongs to it.
    if (messageTypeOf(request) !== MessageType.discover) return choose(this.#loops.verdict(client.mac, now()));
    const { loader } = free;
    const { verdict, isNewStop } = this.#loops.count(client.mac, { loader, xid: request.xid, atMs: now() });
    if (isNewStop) {
      const fix = "look at its screen for what the loader says; it gets nothing for 5 minutes";
      this.#log.error({ mac: client.mac, loader, alert: "loop", fix }, "loads the same loader again and again");
      this.#settings.tell?.({ kind: "dhcp.loop", mac: client.mac, data: { loader } });
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
      const fix = "is the disk of the data directory full or broken? Until then no machine is given anything";
      this.#log.error({ mac, err: error, fix }, "the host list could not say what to boot");
      return { boot: "nothing", reason: "the host list failed" };
    } finally {
      clearTimeout(timer);
    }
  }
}
