import { Fault } from "../../fault.ts";
import type { Tools } from "../machine/tools.ts";

const PROBE_TIMEOUT_MS = 60_000;

/** Exit codes of ntfs-3g.probe(8) that are about the volume and not about the machine. */
const refusals: Readonly<Record<number, string>> = {
  12: "it does not begin as an NTFS volume",
  13: "it is damaged: run chkdsk on the master",
  14: "its Windows is hibernated, or was shut down with fast start-up on: shut the master down fully (shutdown /s /t 0)",
  15: "it was not unmounted cleanly: start the master once, and shut it down",
  16: "it is a part of a Windows RAID",
};

/** Why an NTFS volume is not written to, in words; undefined when it may be. */
export async function ntfsRefusal(device: string, tools: Tools): Promise<string | undefined> {
  try {
    await tools.run("ntfs-3g.probe", ["--readwrite", device], { timeoutMs: PROBE_TIMEOUT_MS });
    return undefined;
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "TOOL_FAILED") throw error;
    const code = Number(/exit code (\d+)/.exec(error.what)?.[1]);
    const why = refusals[code];
    if (why === undefined) throw error;
    return why;
  }
}
