import { constants, open } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import { loadSystemCalls } from "../../udp/system-calls.ts";
import { encodeNvmeCommand, NVME_ADMIN_COMMAND, NVME_NAMESPACE_ID, type NvmeCommand } from "./nvme-commands.ts";

/** Sends admin commands to the controller that an NVMe disk belongs to. */
export type NvmeDevices = {
  /**
   * Through the disk's own node, opened for reading: so no other controller can be meant.
   *
   * @param command for the number of the disk's namespace
   * @returns what it brought
   * @throws {Fault} NVME_FAILED
   */
  send(path: string, command: (namespaceId: number) => NvmeCommand): Promise<Uint8Array>;
};

/** Those of this machine. Without the package `koffi`, which the boot image has, every command fails. */
export const nvmeDevices: NvmeDevices = {
  async send(path, commandFor) {
    const calls = loadSystemCalls();
    if (calls === undefined) throw failed(path, "The package koffi, through which it is asked, is not there.");
    const file = await open(path, constants.O_RDONLY);
    try {
      const namespaceId = calls.ioctl(file.fd, NVME_NAMESPACE_ID, new Uint8Array(8));
      if (namespaceId <= 0) throw failed(path, `It has no namespace's number: ${calls.errno()}.`);
      const command = commandFor(namespaceId);
      // In memory that stays where it is while the kernel writes into it.
      const answer = new Uint8Array(new ArrayBuffer(Math.max(command.answerBytes, 4096)));
      const address = command.answerBytes === 0 ? 0 : calls.addressOf(answer);
      const status = await calls.ioctlLater(file.fd, NVME_ADMIN_COMMAND, encodeNvmeCommand(command, address));
      if (status === 0) return answer.subarray(0, command.answerBytes);
      const said = status < 0 ? "the kernel refused it" : `status 0x${status.toString(16)}`;
      throw failed(path, `To the command 0x${command.opcode.toString(16)} the answer was: ${said}.`);
    } finally {
      await file.close();
    }
  },
};

function failed(path: string, why: string): Fault {
  return new Fault("NVME_FAILED", {
    what: `${path} did not do what it was asked.`,
    why,
    fix: "Look at the kernel's messages on this machine (dmesg).",
  });
}
