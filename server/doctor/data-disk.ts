import { randomBytes } from "node:crypto";
import { open, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Finding } from "./finding.ts";

const LEAST_FREE_BYTES = 1024 ** 3;
const TRIAL_BYTES = 16 * 1024 * 1024;
const LEAST_BYTES_PER_SECOND = 10e6;

/**
 * The disk below the data directory.
 *
 * @param largestImageBytes what the largest image takes in the store
 * @param isBusy while a stream is sent its disk is left alone
 */
export async function lookAtDataDisk(
  dataDir: string,
  site: { readonly largestImageBytes: number; readonly isBusy: boolean },
  signal: AbortSignal,
): Promise<Finding[]> {
  const { bavail, bsize } = await statfs(dataDir);
  const freeBytes = bavail * bsize;
  return [
    freeFinding(dataDir, freeBytes, site.largestImageBytes),
    await rateFinding(dataDir, freeBytes, site.isBusy, signal),
  ];
}

export function freeFinding(dataDir: string, freeBytes: number, largestImageBytes: number): Finding {
  const probe = "free space";
  const free = gigabytes(freeBytes);
  const fix = `Remove what nobody needs (bootcast image list, bootcast image remove NAME), or give ${dataDir} a larger disk`;
  if (freeBytes < LEAST_FREE_BYTES) {
    return {
      probe,
      status: "fail",
      detail: `${free} are left below ${dataDir}: soon nothing can be written down.`,
      fix,
    };
  }
  if (freeBytes < largestImageBytes) {
    const detail = `${free} are left below ${dataDir}, and the largest image takes ${gigabytes(largestImageBytes)}: its next version may not fit.`;
    return { probe, status: "warn", detail, fix };
  }
  return { probe, status: "ok", detail: `${free} below ${dataDir}.` };
}

async function rateFinding(dataDir: string, freeBytes: number, isBusy: boolean, signal: AbortSignal): Promise<Finding> {
  const probe = "disk";
  if (isBusy) return { probe, status: "skip", detail: "Not tried while a stream is sent." };
  if (freeBytes < LEAST_FREE_BYTES) return { probe, status: "skip", detail: "Not tried: there is hardly any space." };
  const path = join(dataDir, `.bootcast-doctor-${process.pid}`);
  const bytes = randomBytes(1024 * 1024);
  const startedMs = performance.now();
  const file = await open(path, "wx", 0o600);
  let written = 0;
  try {
    for (; written < TRIAL_BYTES && !signal.aborted; written += bytes.length) await file.write(bytes);
    await file.datasync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
  return rateOf(written / ((performance.now() - startedMs) / 1000));
}

export function rateOf(bytesPerSecond: number): Finding {
  const probe = "disk";
  const rate = `${Math.round(bytesPerSecond / 1e6)} MB/s`;
  if (bytesPerSecond >= LEAST_BYTES_PER_SECOND) return { probe, status: "ok", detail: `Writes ${rate}.` };
  return {
    probe,
    status: "warn",
    detail: `Writes ${rate} only: captures and imports will wait for it.`,
    fix: 'Look what else uses it ("iostat -x 1"), or put data_dir on a faster disk',
  };
}

/** Whether the server's user can write everything that is directly below its directory, and nobody else reads its keys. */
export async function lookAtOwners(
  dataDir: string,
  user: { readonly uid: number; readonly name: string },
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const folders = ["", "boot", "store", "store/packs", "store/manifests", "keys"];
  const foreign: string[] = [];
  for (const folder of folders) {
    const path = join(dataDir, folder);
    const entries = [path, ...(await readdir(path).catch(() => [])).map((name) => join(path, name))];
    const stats = await Promise.all(entries.map((entry) => stat(entry).catch(() => undefined)));
    foreign.push(...entries.filter((_, at) => stats[at] !== undefined && stats[at].uid !== user.uid));
  }
  if (foreign.length > 0 && user.uid !== 0) {
    const [first] = foreign;
    const more = new Set(foreign).size - 1;
    findings.push({
      probe: "owner",
      status: "fail",
      detail: `${first}${more > 0 ? ` and ${more} more` : ""} do not belong to ${user.name}, who runs the server.`,
      fix: `sudo chown -R ${user.name}: ${dataDir}`,
    });
  } else findings.push({ probe: "owner", status: "ok", detail: `All of ${dataDir} belongs to ${user.name}.` });
  return findings;
}

function gigabytes(bytes: number): string {
  return bytes >= 1e12 ? `${(bytes / 1e12).toFixed(1)} TB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
