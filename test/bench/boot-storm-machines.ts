import { addressNumber, addressOfNumber } from "../../bsdp/address.ts";
import type { MachineKind } from "./boot-storm-packets.ts";

/** A room of machines and what each is to get, so that the room and its server agree without a word. */
export type Room = {
  readonly mode: "proxy" | "full";
  /** The boot server, our own address beside it, and the DHCP server of a room in proxy mode. */
  readonly server: string;
  readonly address: string;
  readonly neighbour: string;
  readonly machines: number;
  /** Number of the first machine; a machine's number makes its address. */
  readonly firstNumber: number;
  /** All are switched on within this time. */
  readonly withinMs: number;
  readonly seed: number;
  /** The kinds of machine, in turn. */
  readonly kinds: readonly MachineKind[];
  /** Each so many-th machine has nothing to do; 0: all have an order. */
  readonly idleEvery: number;
  readonly loaders: { readonly bios: string; readonly x64: string };
  /** What UEFI firmware of a machine with nothing to do is given. */
  readonly diskLoader: string;
  /** Where iPXE goes on; with "?mac=" at its end the machine's address follows. */
  readonly script: string;
  /** Whether a proxy's offer names UEFI's file already; else firmware hears it on port 4011. */
  readonly isNamedInOffer: boolean;
  /** What a Mac loads. */
  readonly booter: string;
};

export function kindOf(room: Pick<Room, "kinds">, number: number): MachineKind {
  return room.kinds[number % room.kinds.length]!;
}

export function hasOrder(room: Pick<Room, "idleEvery">, number: number): boolean {
  return room.idleEvery === 0 || number % room.idleEvery !== 0;
}

/** As `machine` of test/server/core.ts numbers its hosts. */
export function macOf(number: number): string {
  return `52:54:00:00:${(number >> 8).toString(16).padStart(2, "0")}:${(number & 255).toString(16).padStart(2, "0")}`;
}

/** First address of the machines: the room's network is a /16, and a room has at most 2048 machines. */
export const ROOM_NETWORK = "10.77.8.0/21";

/** What the room's own DHCP server gives a machine. */
export function addressOf(number: number): string {
  return addressOfNumber(addressNumber("10.77.8.0") + 1 + (number % 2046));
}
