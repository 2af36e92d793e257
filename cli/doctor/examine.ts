import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { DoctorBody, HearingBody } from "../../server/api/doctor-routes.ts";
import type { StatusBody } from "../../server/api/schemas.ts";
import type { Config } from "../../server/config/config.ts";
import { DOCTOR_WITHIN_MS } from "../../server/doctor/doctor.ts";
import type { Check, DoctorLine } from "../../server/doctor/finding.ts";
import { runChecks } from "../../server/doctor/run-checks.ts";
import { servedInterfaces } from "../../server/network/interfaces.ts";
import { readStore } from "../../server/store/store.ts";
import { ApiClient } from "../client.ts";
import { controlSocketOf } from "../serve/control-socket.ts";
import { readAccounts } from "../setup/accounts.ts";
import { probeBootFiles } from "./boot-probes.ts";
import { type Site, siteChecks } from "./site-checks.ts";

/**
 * Looks at everything on this machine: the running server looks for itself, and what only root can see is seen here.
 * Where none runs, all of it is looked at from here.
 */
export async function examineHere(config: Config): Promise<DoctorLine[]> {
  const api = ApiClient.local(controlSocketOf(config.dataDir));
  try {
    const status = await api.get<StatusBody>("/api/v1/status");
    const [report, files] = await Promise.all([api.post<DoctorBody>("/api/v1/doctor"), bootFilesOf(status)]);
    // Without a boot image none of them is there, which is told once.
    const hasNone = report.lines.some(({ probe, status: found }) => probe === "boot image" && found === "fail");
    return [...(await withOurEyes(report.lines, config)), ...(hasNone ? [] : files)];
  } catch (error) {
    if (!(error instanceof Fault) || (error.code !== "SERVER_UNREACHABLE" && error.code !== "NOT_PERMITTED"))
      throw error;
    return [serverLine(error), ...(await runChecks(siteChecks(await siteWithout(config)), DOCTOR_WITHIN_MS))];
  } finally {
    await api.close();
  }
}

/** What a host that waits for an order hears of the group of streams. @throws {Fault} HOST_UNKNOWN, HOST_NOT_WAITING */
export async function examineHost(host: string, { dataDir }: Config): Promise<DoctorLine[]> {
  const api = ApiClient.local(controlSocketOf(dataDir));
  try {
    return (await api.post<HearingBody>(`/api/v1/doctor/hosts/${encodeURIComponent(host)}`)).lines;
  } finally {
    await api.close();
  }
}

function serverLine({ code, what, why }: Fault): DoctorLine {
  if (code === "NOT_PERMITTED") {
    return { area: "network", probe: "server", status: "skip", detail: `${what} ${why}`, code };
  }
  const fix = "sudo systemctl start bootcast, or in a terminal: sudo bootcast serve";
  return { area: "network", probe: "server", status: "fail", detail: `${what} ${why}`, fix, code };
}

/** What the server was not permitted to see, root can. */
async function withOurEyes(lines: readonly DoctorLine[], config: Config): Promise<DoctorLine[]> {
  const unseen = lines.filter(({ status, code }) => status === "skip" && code === "NOT_PERMITTED");
  if (unseen.length === 0 || process.getuid?.() !== 0) return [...lines];
  const probes = new Set(unseen.map(({ probe }) => probe.split(" ", 1)[0]));
  const again: Check[] = siteChecks(await siteWithout(config)).filter(({ probe }) => probes.has(probe));
  const seen = await runChecks(again, DOCTOR_WITHIN_MS);
  const isAgain = (line: DoctorLine) => seen.some(({ probe }) => probe === line.probe);
  return [...lines.filter((line) => !isAgain(line)), ...seen];
}

async function bootFilesOf({ addresses, tftpPort }: StatusBody): Promise<DoctorLine[]> {
  const [first] = addresses;
  if (first === undefined) return [];
  const { hostname, port } = new URL(first);
  const target = { server: hostname, httpPort: Number(port), tftpPort, deadlineMs: DOCTOR_WITHIN_MS };
  return (await probeBootFiles(target)).map((finding) => ({ area: "agent", ...finding }));
}

/** This machine as it is while no server runs. */
async function siteWithout(config: Config): Promise<Site> {
  const { dataDir, values } = config;
  const uid = (await stat(dataDir).catch(() => undefined))?.uid ?? process.getuid?.() ?? 0;
  return {
    config,
    interfaces: () => servedInterfaces(values["network.interfaces"]),
    store: readStore(join(dataDir, "store"), []),
    user: { uid, name: nameOf(uid) },
    live: undefined,
    now: Date.now,
  };
}

function nameOf(uid: number): string {
  return readAccounts().find((account) => account.uid === uid)?.name ?? `user ${uid}`;
}
