import type { KeyObject } from "node:crypto";
import { EventEmitter } from "node:events";
import { realClock } from "../../agent/client/backoff.ts";
import { checkPermit, newChallenge } from "../../agent/client/permit.ts";
import { connect } from "../../agent/client/server-client.ts";
import type { AgentPorts } from "../../agent/ports.ts";
import { untilServerAnswers } from "../../agent/stream/ask-again.ts";
import { StreamControl } from "../../agent/stream/control.ts";
import { describeStream } from "../../agent/stream/describe.ts";
import { receiveStream } from "../../agent/stream/receive.ts";
import { room } from "../agent/run-room.ts";
import { MemoryDisk } from "../images/memory.ts";
import { machine } from "../server/core.ts";

const address = "127.0.0.1";

/** A machine whose agent is the real one, with real HTTP and a real stream; only its disk lies in memory. */
export type RealAgent = {
  readonly mac: string;
  readonly disk: MemoryDisk;
  readonly ports: AgentPorts;
  /** "moved": it got further, and the server was there to help it. */
  readonly signs: EventEmitter;
  /** What it failed of. */
  readonly failures: { readonly code: string; readonly what: string }[];
};

/** @param server where it is told to look; @param trusted the site's public key */
export function realAgent(
  number: number,
  { server, trusted, diskBytes }: { readonly server: URL; readonly trusted: KeyObject; readonly diskBytes: number },
): RealAgent {
  const inventory = machine(number);
  const { mac } = inventory;
  const disk = new MemoryDisk(new Uint8Array(diskBytes));
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
    localDisk: () => ({
      sizeBytes: diskBytes,
      open: async () => {},
      close: async () => {},
      read: (offset, length) => disk.read(offset, length),
      write: (offset, bytes) => disk.write(offset, bytes),
      flush: () => disk.flush(),
    }),
    async erase() {
      disk.bytes.fill(0);
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
        onProgress: ({ percent, detail, symbolsReceived }) => {
          if (symbolsReceived > symbols) signs.emit("moved");
          symbols = symbolsReceived;
          onProgress({ percent, detail });
        },
      });
      return "received";
    },
  };
  return { mac, disk, ports, signs, failures };
}
