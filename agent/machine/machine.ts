import type { KeyObject } from "node:crypto";
import { networkInterfaces } from "node:os";
import type { Logger } from "pino";
import { keyFingerprint } from "../../images/signature.ts";
import { setBootEntry } from "../boot-entry/entry.ts";
import { captureClient } from "../capture/client.ts";
import { captureScan } from "../capture/scan.ts";
import { realClock } from "../client/backoff.ts";
import { findServer } from "../client/discover.ts";
import { browseMdns } from "../client/mdns.ts";
import { checkPermit, newChallenge } from "../client/permit.ts";
import { connect } from "../client/server-client.ts";
import { serverNow } from "../client/servers.ts";
import { readDisks } from "../disk/disks.ts";
import { eraseAsOrdered } from "../disk/erase.ts";
import { examineDisks } from "../disk/examine-disks.ts";
import { nvmeDevices } from "../disk/nvme-device.ts";
import { bePatientWith } from "../disk/patience.ts";
import { withReadOnlyDisk } from "../disk/read-only.ts";
import { DiskSource } from "../disk/source.ts";
import { DiskTarget } from "../disk/target.ts";
import { eraseHeld } from "../disk/wipe-held.ts";
import { keyPressedHere } from "../display/any-key.ts";
import type { AgentConsole } from "../display/console.ts";
import { RestoreScreen } from "../display/screen.ts";
import { fitDisk } from "../fit/fit-disk.ts";
import { hardwareUuidCandidates } from "../identity/hardware-uuid.ts";
import { identityModules } from "../identity/modules.ts";
import { enterPressed } from "../leave/enter-key.ts";
import { loadKernel, startKernel } from "../leave/kexec.ts";
import { lookAtLocalDisk, readLocalDiskBack } from "../local-restore.ts";
import type { AgentPorts } from "../ports.ts";
import { runScript } from "../scripts.ts";
import { untilServerAnswers } from "../stream/ask-again.ts";
import { StreamControl } from "../stream/control.ts";
import { describeStream } from "../stream/describe.ts";
import { GroupKeys } from "../stream/group-keys.ts";
import { hearTest } from "../stream/hearing-test.ts";
import { receiveStream } from "../stream/receive.ts";
import { receivedLine } from "../stream/received-line.ts";
import { localAddressTowards } from "../stream/socket.ts";
import { nameVolumes } from "../volumes/name-volumes.ts";
import { rereadPartitions, restoredVolumes } from "../volumes/partitions.ts";
import { withVolume } from "../volumes/volumes.ts";
import { setClock } from "./clock-from-server.ts";
import { availableMemoryBytes, readInventory, readPower } from "./inventory.ts";
import { enrolmentToken, type KernelArguments } from "./kernel-arguments.ts";
import { lastWordIn } from "./last-word.ts";
import { logEnd } from "./log-end.ts";
import type { MachineFiles } from "./machine-files.ts";
import { bootNetwork } from "./network.ts";
import { restart, switchOff } from "./restart.ts";
import { systemUuidBytes } from "./smbios.ts";
import type { Tools } from "./tools.ts";

const FIND_WITHIN_MS = 300_000;
/** A boot image, or a layer over it, may bring the enrolment token. */
const ENROLMENT_PATH = "/etc/bootcast/enrolment";
const MOUNT_DIRECTORY = "/run/bootcast/mnt";
/** /init says it there. */
const LAST_WORD_DIRECTORY = "/run/bootcast/last-word";
const SCRIPT_DIRECTORY = "/run/bootcast/scripts";

export type MachineOptions = {
  readonly version: string;
  readonly files: MachineFiles;
  readonly tools: Tools;
  readonly log: Logger;
  /** Where it is written to. */
  readonly logPath: string;
  readonly screen: AgentConsole;
  /** The text console that a person looks at, where there is one. */
  readonly screenPath: string | undefined;
  readonly kernel: KernelArguments;
  /** The file that holds the enrolment token where the kernel's command line has none. */
  readonly enrolmentPath?: string | undefined;
  /**
   * Keys whose images may be restored. The first is the site's own: only its server is obeyed, because a key that
   * the site had before may have been stolen, and another site may not order what is erased here.
   */
  readonly trusted: readonly KeyObject[];
};

/** The ports of the machine that the agent runs on. */
export function machinePorts(options: MachineOptions): AgentPorts {
  const { version, files, tools, log, logPath, screen, screenPath, kernel, enrolmentPath, trusted } = options;
  const masters = trusted.slice(0, 1);
  const groupKeys = new GroupKeys();
  const machine = { tools, files, nvme: nvmeDevices, log, clock: realClock, mountDirectory: MOUNT_DIRECTORY };

  return {
    version,
    clock: realClock,
    screen,
    log,
    keepLastWord: lastWordIn(LAST_WORD_DIRECTORY, log),
    logEnd: () => logEnd(files.text(logPath)),
    givenServer: kernel.server,
    get enrolment() {
      return kernel.enrolment ?? enrolmentToken(files.text(enrolmentPath ?? ENROLMENT_PATH));
    },
    network: () => bootNetwork(networkInterfaces(), kernel.bootMac),
    findServer: (network, say) =>
      findServer({
        browse: browseMdns(network.address, log),
        trusted: masters.map(keyFingerprint),
        deadlineMs: FIND_WITHIN_MS,
        clock: realClock,
        say,
      }),
    connect: (url) => connect(url, (heard) => void setClock(heard, tools, log)),
    hearTest,
    addressTowards: (place) => {
      const { hostname, port } = serverNow(place);
      return localAddressTowards(hostname, Number(port) || 80);
    },
    inventory: (network) => readInventory(files, { bootMac: network.mac, agentVersion: version }),
    examine: (disks) => examineDisks(disks, machine),
    availableMemoryBytes: () => availableMemoryBytes(files),
    power: () => readPower(files),
    keyPressed: (mostMs) => keyPressedHere(screenPath, mostMs),
    challenge: newChallenge,
    checkPermit: (text, permit) => checkPermit(text, permit, masters),
    localDisk(disk, layout) {
      bePatientWith(disk, files);
      return new DiskTarget(disk, layout);
    },
    erase: ({ held, ...request }) => {
      if (held !== undefined) return eraseHeld(held, request, machine);
      const { disk, target, ...order } = request;
      return eraseAsOrdered(disk, target, machine, { ...order, all: readDisks(files) });
    },

    async describe(server, streamId) {
      const control = new StreamControl({ server });
      try {
        return await untilServerAnswers(() => describeStream(control, streamId, trusted), {
          onWait: (reason) => screen.state("preflight", reason || "the server answers again"),
        });
      } finally {
        await control.close();
      }
    },

    async receive({ server, streamId, stream, host, target, held, interfaceAddress, signal, onProgress, beforeWrite }) {
      const marks = new RestoreScreen();
      const received = await receiveStream({
        server,
        streamId,
        described: stream,
        trusted,
        target,
        held,
        interfaceAddress,
        name: host.name,
        hostId: host.hostId,
        token: host.token,
        groupKeys,
        signal,
        log,
        beforeWrite,
        onMark: (mark) => screen.raw(marks.mark(mark)),
        onProgress: ({ stage, percent, doneBytes, detail }) => {
          // The erase reports for itself.
          if (stage === "arriving" || stage === "waiting") onProgress({ detail });
          else if (stage !== "erasing") onProgress({ percent, doneBytes, detail });
        },
      });
      screen.raw(marks.complete());
      return receivedLine(received);
    },

    look(request) {
      bePatientWith(request.disk, files);
      return lookAtLocalDisk(request, { tools, log, screen });
    },
    verify: (request) => readLocalDiskBack(request, { tools, log, screen, groupKeys }),

    fit: ({ disk, order, ...progress }) => fitDisk(disk, order, machine, progress),

    async name({ disk, manifest, hostName, mac, renewedUuids, alive }) {
      await rereadPartitions(disk.path, manifest, machine);
      const hardwareUuids = hardwareUuidCandidates(systemUuidBytes(files.bytes("/sys/firmware/dmi/entries/1-0/raw")));
      const volumes = await volumesOf(disk, manifest);
      const identity = { hostName, mac, hardwareUuids, renewedUuids, ...(alive === undefined ? {} : { alive }) };
      return nameVolumes(volumes, identityModules, identity, machine);
    },

    async runScript({ script, systems: [system], disk, image, hostName, mac, signal, onProgress }) {
      const variables = (directory: string) => ({
        BOOTCAST_HOST_NAME: hostName,
        BOOTCAST_MAC: mac,
        BOOTCAST_IMAGE: image,
        BOOTCAST_DISK: disk.path,
        BOOTCAST_VOLUME: system?.device ?? "",
        BOOTCAST_ROOT: directory,
      });
      const own = { clock: realClock, directory: SCRIPT_DIRECTORY, onProgress };
      if (system === undefined) return runScript(script, variables(""), signal, own);
      const use = (_: unknown, directory: string) => runScript(script, variables(directory), signal, own);
      return withVolume(system, machine, use, { runsPrograms: true });
    },

    async finish({ disk, manifest, image }) {
      const entry = await setBootEntry(disk.path, image, await volumesOf(disk, manifest), machine);
      return [`${entry.isWarning ? "WARNING: " : ""}${entry.detail}`];
    },

    async capture({ server, host, order, disk, signal, onProgress, onOpen, beforeFinish }) {
      const marks = new RestoreScreen();
      const say = (detail: string) => onProgress({ detail });
      const client = captureClient({ server, host, deployId: order.deployId, clock: realClock, signal, say });
      try {
        return await withReadOnlyDisk(disk, machine, async (source) => {
          onOpen();
          return captureScan({
            source,
            sectorBytes: disk.sectorBytes,
            image: order.image,
            keepFreeBlocks: order.keepFreeBlocks,
            client,
            clock: realClock,
            signal,
            onProgress(progress) {
              if (progress.percent !== undefined) screen.raw(marks.progress("Capturing", progress.percent / 100));
              onProgress(progress);
            },
            beforeFinish(sent) {
              screen.raw(marks.endLine());
              return beforeFinish(sent);
            },
          });
        });
      } finally {
        await client.close();
      }
    },

    loadKernel: async ({ disk, manifest }) => loadKernel(await volumesOf(disk, manifest), machine),
    reboot: () => restart(tools, log),
    powerOff: () => switchOff(tools, log),
    startKernel: () => startKernel(tools),
    enterPressed: (mostMs) => enterPressed(process.stdin, mostMs),
  };

  async function volumesOf(disk: { path: string; sizeBytes: number }, manifest: Parameters<typeof restoredVolumes>[1]) {
    const source = await DiskSource.open(disk, tools);
    try {
      return await restoredVolumes(disk.path, manifest, source);
    } finally {
      await source.close();
    }
  }
}
