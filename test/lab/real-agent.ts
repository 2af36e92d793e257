import type { KeyObject } from "node:crypto";
import { EventEmitter } from "node:events";
import { realClock } from "../../agent/client/backoff.ts";
import { checkPermit, newChallenge } from "../../agent/client/permit.ts";
import { connect } from "../../agent/client/server-client.ts";
import type { AgentPorts, LocalDisk } from "../../agent/ports.ts";
import { untilServerAnswers } from "../../agent/stream/ask-again.ts";
import { StreamControl } from "../../agent/stream/control.ts";
import { describeStream } from "../../agent/stream/describe.ts";
import { receiveStream } from "../../agent/stream/receive.ts";
import { room } from "../agent/run-room.ts";
import { MemoryDisk } from "../images/memory.ts";
import { machine } from "../server/core.ts";

/** A machine whose agent is the real one, with real HTTP and a real stream. */
export type RealAgent = {
  readonly mac: string;
  readonly ports: AgentPorts;
  /** "moved": it got further, and the server was there to help it; a `Moved`. */
  readonly signs: EventEmitter;
  /** What it failed of. */
  readonly failures: { readonly code: string; readonly what: string }[];
};

export type Moved = { readonly packsDone: number; readonly packsTotal: number; readonly symbolsReceived: number };

/** The disk of such a machine. */
export type AgentDisk = LocalDisk & { erase(): Promise<void> };

type About = {
  /** Where it is told to look. */
  readonly server: URL;
  /** The site's public key. */
  readonly trusted: KeyObject;
};

/** On loopback, with a disk in memory. */
export function realAgent(
  number: number,
  { diskBytes, ...about }: About & { readonly diskBytes: number },
): RealAgent & { readonly disk: MemoryDisk } {
  const disk = new MemoryDisk(new Uint8Array(diskBytes));
  const local: AgentDisk = {
    sizeBytes: diskBytes,
    open: async () => {},
    close: async () => {},
    read: (offset, length) => disk.read(offset, length),
    write: (offset, bytes) => disk.write(offset, bytes),
    flush: () => disk.flush(),
    erase: async () => void disk.bytes.fill(0),
  };
  return { ...realAgentOn(local, number, { ...about, address: "127.0.0.1" }), disk };
}

/** @param about.address its own, on the interface that the stream arrives at */
export function realAgentOn(
  disk: AgentDisk,
  number: number,
  { server, trusted, address }: About & { readonly address: string },
): RealAgent {
  const inventory = machine(number);
  const { mac } = inventory;
  const diskBytes = disk.sizeBytes;
  const local = { path: "/dev/vda", sizeBytes: diskBytes, sectorBytes: 512, serial: `disk-${number}`, wwn: "" };
  const disks = [{ ...inventory.disks[0]!, ...local, isRemovable: false, isReadOnly: false, usedBy: [] }];
  const played = room().ports;
  const signs = new EventEmitter();
  const failures: RealAgent["failures"] = [];
  let symbols = 0;
  const ports: AgentPorts = {
    ...played,
    clock: realClock,
    screen: { ...played.screen, failed: (fault) => void failures.push(fault) },
    givenServer: server,
    network: () => ({ name: "lo", mac, address }),
    findServer: async () => server,
    connect: (url) => connect(url),
    addressTowards: async () => address,
    inventory: () => ({ ...inventory, disks }),
    challenge: newChallenge,
    checkPermit: (text, permit) => checkPermit(text, permit, [trusted]),
    async describe(url, streamId) {
      const control = new StreamControl({ server: url });
      try {
        return await untilServerAnswers(() => describeStream(control, streamId, [trusted]), { onWait: () => {} });
      } finally {
        await control.close();
      }
    },
    localDisk: () => disk,
    async erase() {
      await disk.erase();
      return { isZeroed: true, how: "zeroed" };
    },
    async receive({ server: url, streamId, stream, host, target, interfaceAddress, signal, onProgress, beforeWrite }) {
      await receiveStream({
        server: url,
        streamId,
        described: stream,
        trusted: [trusted],
        target,
        interfaceAddress,
        name: host.name,
        hostId: host.hostId,
        token: host.token,
        signal,
        log: played.log,
        beforeWrite,
        onProgress: ({ percent, detail, symbolsReceived, packsDone, packsTotal }) => {
          if (symbolsReceived > symbols) signs.emit("moved", { packsDone, packsTotal, symbolsReceived });
          symbols = symbolsReceived;
          onProgress({ percent, detail });
        },
      });
      return "received";
    },
  };
  return { mac, ports, signs, failures };
}
