import { once } from "node:events";
import { constants } from "node:fs";
import { access, lstat, mkdir, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { Fault } from "../../fault.ts";

/** Linux: sockaddr_un has 108 bytes, the last one is zero. */
const LONGEST_SOCKET_PATH_BYTES = 107;

/** @throws {Fault} DATA_DIR_INVALID, NOT_PERMITTED */
export async function makeDirectories(dataDir: string, bootDirectory: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o750 });
    await mkdir(bootDirectory, { recursive: true });
    await access(dataDir, constants.W_OK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isPermission = code === "EACCES" || code === "EPERM";
    throw new Fault(
      isPermission ? "NOT_PERMITTED" : "DATA_DIR_INVALID",
      {
        what: `The data directory ${dataDir} cannot be written.`,
        why: reasons[code ?? ""] ?? message,
        fix: isPermission
          ? "Run bootcast as root (sudo), or name a directory of your own with --data-dir."
          : "Make it a writable directory on a local disk, or name another one with --data-dir.",
      },
      error,
    );
  }
}

/** Node's own words for these name a step and not the cause: a read-only disk is ENOENT for its mkdir. */
const reasons: Readonly<Record<string, string>> = {
  EACCES: "This user may not.",
  EPERM: "This user may not.",
  EEXIST: "A file stands where the directory should be.",
  ENOTDIR: "A file stands where the directory should be.",
  ENOENT: "Nothing can be made there: the disk may be mounted read-only.",
  EROFS: "The disk is mounted read-only.",
  ENOSPC: "The disk is full.",
};

/**
 * A socket file that nobody answers on is a leftover and is removed.
 *
 * @throws {Fault} SERVER_RUNNING when somebody does answer, DATA_DIR_INVALID
 */
export async function freeControlSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH_BYTES) {
    throw new Fault("DATA_DIR_INVALID", {
      what: `The path of the data directory is too long: ${dirname(path)}.`,
      why: `The API's socket would be ${path}, and the system allows ${LONGEST_SOCKET_PATH_BYTES} bytes for it.`,
      fix: "Choose a shorter --data-dir.",
    });
  }
  const probe = connect(path);
  try {
    await once(probe, "connect");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    if (code !== "ECONNREFUSED") throw error;
    if ((await lstat(path)).isSocket()) return await unlink(path);
    throw new Fault("DATA_DIR_INVALID", {
      what: `${path} is in the way of the API's socket.`,
      why: "It is something else than a socket, and bootcast does not delete what it has not made.",
      fix: "Move it away, or give another --data-dir.",
    });
  } finally {
    probe.destroy();
  }
  throw new Fault("SERVER_RUNNING", {
    what: "A bootcast server runs with this data directory already.",
    why: `It answers on ${path}.`,
    fix: 'Stop it first ("bootcast status" shows it), or give another --data-dir.',
  });
}
