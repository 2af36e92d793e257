import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Finding } from "./finding.ts";

const PROGRAM_WITHIN_MS = 2_000;

/** Whether somebody keeps this machine's clock right: leases, schedules and certificates depend on it. */
export async function lookAtClock(signal: AbortSignal): Promise<Finding[]> {
  try {
    const words = ["show", "--property=NTP", "--property=NTPSynchronized"];
    const { stdout } = await promisify(execFile)("timedatectl", words, { signal, timeout: PROGRAM_WITHIN_MS });
    return [clockFinding(stdout)];
  } catch {
    return [{ probe: "clock", status: "skip", detail: "This system does not tell (no systemd)." }];
  }
}

/** @param said what `timedatectl show` says */
export function clockFinding(said: string): Finding {
  const probe = "clock";
  if (/^NTPSynchronized=yes$/m.test(said)) return { probe, status: "ok", detail: "In step with a time server." };
  const isOn = /^NTP=yes$/m.test(said);
  return {
    probe,
    status: "warn",
    detail: isOn
      ? "No time server has answered yet: leases, schedules and certificates go by this clock."
      : "Nobody keeps it right: leases, schedules and certificates go by this clock.",
    fix: isOn
      ? "Look why: timedatectl timesync-status"
      : "sudo timedatectl set-ntp true (with systemd-timesyncd or chrony installed)",
  };
}
