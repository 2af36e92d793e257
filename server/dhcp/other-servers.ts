import { decodeDhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { type OtherServer, otherServerOf } from "../../bsdp/other-server.ts";
import { CLIENT_PORT } from "../../bsdp/reply-destination.ts";
import { Fault } from "../../fault.ts";
import { type DeviceSocket, openDeviceSocket } from "./device-socket.ts";
import type { DhcpInterface, DhcpSettings, SeenServer } from "./settings.ts";

/** Somebody may make up servers. */
const MOST_SERVERS = 100;

/**
 * Listens to what other servers answer to everybody, and tells of each once. Its socket hears broadcasts alone, so that
 * a DHCP client of this machine gets everything that is meant for it. Answers to one machine only are not heard.
 */
export class OtherServers {
  readonly #settings: Pick<DhcpSettings, "log" | "now" | "tell" | "mode">;
  readonly #interfaces: () => readonly DhcpInterface[];
  readonly #seen = new Map<string, SeenServer>();

  constructor(
    settings: Pick<DhcpSettings, "log" | "now" | "tell" | "mode">,
    /** Those that we answer on. */
    interfaces: () => readonly DhcpInterface[],
  ) {
    this.#settings = settings;
    this.#interfaces = interfaces;
  }

  get seen(): SeenServer[] {
    return [...this.#seen.values()];
  }

  /** Listens on an interface; undefined, and told, when that cannot be. */
  async listen(on: DhcpInterface): Promise<DeviceSocket | undefined> {
    try {
      return await openDeviceSocket({
        device: on.name,
        address: on.address,
        port: CLIENT_PORT,
        hearsOnlyBroadcasts: true,
        onPacket: (bytes, source) => this.hear(bytes, source.address, on.name),
        onError: () => {},
      });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { what, why } = error;
      this.#settings.log.info({ interface: on.name, what, why }, "other boot servers are not looked for here");
      return undefined;
    }
  }

  /** One packet to the clients' port. */
  hear(bytes: Uint8Array, source: string, interfaceName: string): void {
    const own = this.#interfaces().map(({ address }) => address);
    // What we broadcast comes back to us.
    if (own.includes(source)) return;
    let found: OtherServer | undefined;
    try {
      found = otherServerOf(decodeDhcpPacket(bytes), source, own);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
    if (found !== undefined) this.#note(found, interfaceName);
  }

  /** A client named a server that is not us, so there is one. */
  named(server: string, ownAddress: string): void {
    const on = this.#interfaces().find(({ address }) => address === ownAddress);
    this.#note({ server, givesAddresses: true }, on?.name ?? ownAddress);
  }

  #note({ server, givesAddresses, boots }: OtherServer, interfaceName: string): void {
    const key = `${interfaceName} ${server}`;
    const before = this.#seen.get(key);
    if (before === undefined && this.#seen.size >= MOST_SERVERS) return;
    const bootFile = boots === undefined ? (before?.bootFile ?? null) : boots.file;
    const now: SeenServer = {
      interface: interfaceName,
      server,
      givesAddresses: givesAddresses || before?.givesAddresses === true,
      bootFile,
      lastSeenMs: this.#settings.now(),
    };
    this.#seen.set(key, now);
    const { log, tell, mode } = this.#settings;
    const data = { interface: interfaceName, server, givesAddresses: now.givesAddresses };
    if (boots !== undefined && before?.bootFile !== bootFile) {
      const fix = "Machines may boot from it instead of from here: take options 60, 66 and 67 out of its settings.";
      log.warn({ ...data, file: boots.file, class: boots.vendorClass, fix }, "another boot server answers");
      tell?.({ kind: "dhcp.other-server", data: { ...data, file: boots.file } });
    }
    // Beside a DHCP server is where a proxy works.
    if (mode === "full" && now.givesAddresses && before?.givesAddresses !== true) {
      log.warn(data, "another DHCP server gives out addresses on this network");
      tell?.({ kind: "dhcp.other-server", data });
    }
  }
}
