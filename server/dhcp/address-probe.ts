import { createSocket, type Socket } from "node:dgram";
import { readNeighbours } from "../network/neighbours.ts";

/** How long an offer waits for a machine that has its address already: on one wire that machine answers in 1 ms. */
const SOON_MS = 40;
/** How long it is listened for after that: a machine that sleeps lightly, or a wireless one. */
const LATE_MS = 800;
/** Nobody serves this port ("discard"); the address is what is asked for, not the port. */
const PROBE_PORT = 9;
/** The system's table of neighbours has 1024 places, and others need it, too. */
const MOST_LOOKS = 256;
/** One reading of the table serves all who look within this time. */
const TABLE_MS = 5;

/** Who answers for an address: a hardware address, or "somebody" behind a router; undefined for nobody. */
export type AddressUser = string | undefined;

export type AddressProbe = {
  /**
   * @param way.from our address towards it
   * @param way.isLocal it is on the wire of an interface of ours
   * @param way.friends hardware addresses that may answer without being a stranger
   */
  look(
    address: string,
    way: { readonly from: string; readonly isLocal: boolean; readonly friends: readonly string[] },
  ): { readonly soon: Promise<AddressUser>; readonly late: Promise<AddressUser> };
  close(): void;
};

const nobody = { soon: Promise.resolve(undefined), late: Promise.resolve(undefined) };

/**
 * Looks whether an address is in use, without raw sockets and without rights: a datagram to it makes the system ask for
 * it by ARP, and an answer shows in the system's table. Behind a router only a machine that refuses the datagram shows.
 */
export function openAddressProbe(): AddressProbe {
  const senders = new Map<string, Socket>();
  let table: Promise<ReadonlyMap<string, string>> | undefined;
  let looks = 0;

  function sender(from: string): Socket {
    const known = senders.get(from);
    if (known !== undefined) return known;
    const socket = createSocket("udp4").unref();
    // An address that went away: nobody is asked, and nobody found.
    socket.on("error", () => senders.delete(from));
    socket.bind(0, from);
    senders.set(from, socket);
    return socket;
  }

  function neighbours(): Promise<ReadonlyMap<string, string>> {
    if (table === undefined) {
      table = readNeighbours();
      setTimeout(() => {
        table = undefined;
      }, TABLE_MS).unref();
    }
    return table;
  }

  function onWire(address: string, from: string, friends: readonly string[]) {
    const stranger = async () => {
      const mac = (await neighbours()).get(address);
      return mac === undefined || friends.includes(mac) ? undefined : mac;
    };
    const asked = stranger().then((known) => {
      if (known === undefined) sender(from).send(new Uint8Array(1), PROBE_PORT, address, () => {});
      return known;
    });
    const foundAfter = async (ms: number) => {
      const known = await asked;
      if (known !== undefined) return known;
      await after(ms);
      return stranger();
    };
    return { soon: foundAfter(SOON_MS), late: foundAfter(LATE_MS) };
  }

  return {
    look(address, { from, isLocal, friends }) {
      if (looks >= MOST_LOOKS) return nobody;
      looks += 1;
      const found = isLocal ? onWire(address, from, friends) : behindRouter(address, from);
      void found.late.finally(() => {
        looks -= 1;
      });
      return found;
    },
    close() {
      for (const socket of senders.values()) socket.close();
      senders.clear();
    },
  };
}

/** A connected socket is told when the other side has no such port: then there is another side. */
function behindRouter(address: string, from: string) {
  const { promise: late, resolve } = Promise.withResolvers<AddressUser>();
  const socket = createSocket("udp4").unref();
  socket.on("error", (error: NodeJS.ErrnoException) => {
    resolve(error.code === "ECONNREFUSED" ? "somebody" : undefined);
  });
  socket.on("message", () => resolve("somebody"));
  socket.bind(0, from, () => {
    socket.connect(PROBE_PORT, address, () => socket.send(new Uint8Array(1)));
  });
  void after(LATE_MS).then(() => resolve(undefined));
  void late.then(() => socket.close());
  return { soon: Promise.race([late, after(SOON_MS).then(() => undefined)]), late };
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
