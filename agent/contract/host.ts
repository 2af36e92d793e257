import { type Static, Type } from "typebox";
import { Disk } from "../disk/disk.ts";

/**
 * Other servers that know the same hosts and orders, "http://10.77.0.2:8440": where to go when this one does not answer,
 * or sends one on. Absent: there are none, or the server is an older one.
 */
export const Servers = Type.Optional(Type.Array(Type.String({ maxLength: 200 }), { maxItems: 16 }));

const Nic = Type.Object({
  name: Type.String(),
  mac: Type.String(),
  /** Mbit/s; absent when the driver does not say. */
  linkMegabits: Type.Optional(Type.Number()),
});

export const Inventory = Type.Object({
  /** The address of the card the machine booted from, lower case with colons. */
  mac: Type.String({ pattern: "^([0-9a-f]{2}:){5}[0-9a-f]{2}$" }),
  /** SMBIOS system UUID in lower case; empty when the firmware has none. */
  uuid: Type.String(),
  serial: Type.String(),
  vendor: Type.String(),
  model: Type.String(),
  firmware: Type.Union([Type.Literal("bios"), Type.Literal("uefi")]),
  memoryBytes: Type.Number(),
  cpuCount: Type.Number(),
  nics: Type.Array(Nic),
  disks: Type.Array(Disk),
  agentVersion: Type.String(),
  /** What a DHCP server called this machine (option 12). */
  dhcpName: Type.Optional(Type.String({ maxLength: 255 })),
  /** CONTRACT_VERSION of the agent. */
  contract: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type Inventory = Static<typeof Inventory>;

/** What an agent says to register. Its own key of before, if it has one, is in the authorization header. */
export const RegistrationRequest = Type.Object({
  ...Inventory.properties,
  /** The enrolment token that it was started with. It is a secret: of the server's logs, events and tables none has it. */
  enrolment: Type.Optional(Type.String({ maxLength: 200 })),
});

export const Registration = Type.Object({
  hostId: Type.String(),
  /** The name the server gave this host, "lab-01". */
  name: Type.String(),
  token: Type.String(),
  servers: Servers,
});
export type Registration = Static<typeof Registration>;
