import { Agent, type Dispatcher, request } from "undici";
import { type Platform, standardDiskLoaders, standardLoaders, standardSecureLoaders } from "../../bsdp/boot-files.ts";
import { Fault } from "../../fault.ts";
import type { Finding } from "../../server/doctor/finding.ts";
import { fetchByTftp } from "./tftp-client.ts";

export type ProbeResult = Finding;

export type ProbeTarget = {
  readonly server: string;
  readonly tftpPort: number;
  readonly httpPort: number;
  /** Each probe ends by then. */
  readonly deadlineMs: number;
};

const rebuild = 'Run "bootcast boot-image build" on the server.';
const rebuildForArm64 = 'Run "bootcast boot-image build --arch amd64,arm64" on the server.';
/** Some firmware cannot count TFTP blocks past 65535 of 512 bytes. */
const maxLoaderBytes = 32 * 1024 * 1024;
/** A locally administered address that no machine has. */
const probeMac = "02:00:00:00:00:01";

/** PE/COFF: the machine that an EFI program is for. */
const efiMachines: Readonly<Partial<Record<Platform, number>>> = { x64: 0x8664, ia32: 0x014c, arm64: 0xaa64 };

/** Asks for everything that a machine fetches while it boots, all at once. The results come in the order of the boot. */
export async function probeBootFiles(asked: ProbeTarget): Promise<ProbeResult[]> {
  // undici goes on trying to connect for ten seconds after a request was given up, and would keep the process alive.
  const dispatcher = new Agent({ connect: { timeout: asked.deadlineMs } });
  const target = { ...asked, dispatcher };
  const results = await Promise.all([
    ...loaders.map((loader) => probe(`tftp ${loader.file}`, () => probeLoader(target, loader))),
    probe("http script", () => probeScript(target)),
    probe("http vmlinuz", () => probeFile(target, "vmlinuz", isKernel)),
    probe("http initramfs.img", () => probeFile(target, "initramfs.img", isInitramfs)),
  ]);
  await dispatcher.destroy();
  return results;
}

/** Whether no probe got any answer: the server is off, or cannot be reached from here. */
export function isUnreachable(results: readonly ProbeResult[]): boolean {
  return results.every(({ code }) => code === "TFTP_NO_ANSWER" || code === "HTTP_NO_ANSWER");
}

type Loader = {
  readonly file: string;
  readonly platform: Platform;
  /** What follows when the server does not have it; absent: it must be there. */
  readonly without?: string;
};

const loaders: readonly Loader[] = [
  ...(Object.entries(standardLoaders) as [Platform, string][]).map(([platform, file]) => {
    const isOptional = platform === "ia32" || platform === "arm64";
    return { platform, file, ...(isOptional ? { without: `${platform} UEFI machines cannot boot` } : {}) };
  }),
  // A loader that can also start the disk is asked for once.
  ...(Object.entries(standardDiskLoaders) as [Platform, string][])
    .filter(([platform, file]) => file !== standardLoaders[platform])
    .map(([platform, file]) => {
      return { platform, file, without: `${platform} UEFI machines may wait for minutes before they start their disk` };
    }),
  ...(Object.entries(standardSecureLoaders) as [Platform, string][]).map(([platform, file]) => {
    return { platform, file, without: `${platform} machines with Secure Boot cannot boot` };
  }),
];

type HttpTarget = ProbeTarget & { readonly dispatcher: Dispatcher };

type Seen = Omit<ProbeResult, "probe">;

async function probe(name: string, run: () => Promise<Seen>): Promise<ProbeResult> {
  const startedMs = performance.now();
  try {
    const finding = await run();
    const tookMs = Math.round(performance.now() - startedMs);
    return { probe: name, ...finding, detail: `${finding.detail}, ${tookMs} ms` };
  } catch (error) {
    if (error instanceof Fault)
      return { probe: name, status: "fail", detail: `${error.what} ${error.why}`, fix: error.fix, code: error.code };
    return { probe: name, status: "fail", detail: String(error), fix: "This is a defect in bootcast: report it." };
  }
}

async function probeLoader(
  { server, tftpPort, deadlineMs }: ProbeTarget,
  { platform, file, without }: Loader,
): Promise<Seen> {
  let bytes: Buffer;
  try {
    bytes = await fetchByTftp({ host: server, port: tftpPort, file, deadlineMs });
  } catch (error) {
    if (without === undefined || !(error instanceof Fault) || error.code !== "TFTP_FILE_MISSING") throw error;
    return { status: "warn", detail: `not there; ${without}`, fix: platform === "arm64" ? rebuildForArm64 : rebuild };
  }
  const detail = `${bytes.length} bytes`;
  const machine = efiMachines[platform];
  if (bytes.length === 0) return { status: "fail", detail: "empty", fix: rebuild };
  if (machine !== undefined && efiMachineOf(bytes) !== machine) {
    return { status: "fail", detail: `${detail}, but not an EFI program for ${platform}`, fix: rebuild };
  }
  if (bytes.length > maxLoaderBytes) {
    return { status: "warn", detail: `${detail}, too large for some firmware`, fix: "Use a loader below 32 MiB." };
  }
  return { status: "ok", detail };
}

async function probeScript(target: HttpTarget): Promise<Seen> {
  const { body } = await get(target, `/boot/script.ipxe?mac=${probeMac}`);
  const script = body.toString("utf8");
  if (!script.startsWith("#!ipxe\n")) {
    return { status: "fail", detail: "the answer is no iPXE script", fix: "Check that --http-port is bootcast's." };
  }
  const next = script.includes("\nkernel ")
    ? "starts the agent"
    : script.includes("\nmenu ")
      ? "shows the menu"
      : "boots its own disk";
  return { status: "ok", detail: `an unknown machine ${next}` };
}

async function probeFile(target: HttpTarget, name: string, isRight: (start: Buffer) => boolean): Promise<Seen> {
  const head = await get(target, `/boot/${name}`, { method: "HEAD" });
  const sizeBytes = Number(head.headers["content-length"]);
  if (!(sizeBytes > 0)) return { status: "fail", detail: "it is empty, or its length is not told", fix: rebuild };
  const { body, headers } = await get(target, `/boot/${name}`, { range: "bytes=0-1023" });
  if (!String(headers["content-range"]).endsWith(`/${sizeBytes}`)) {
    return {
      status: "fail",
      detail: "HEAD and GET tell different lengths",
      fix: "Is something between here and the server?",
    };
  }
  if (!isRight(body)) return { status: "fail", detail: `${sizeBytes} bytes, but not what the name says`, fix: rebuild };
  return { status: "ok", detail: `${sizeBytes} bytes` };
}

type Answer = { readonly headers: Readonly<Record<string, string | string[] | undefined>>; readonly body: Buffer };

/** @throws {Fault} HTTP_NO_ANSWER, HTTP_REFUSED */
async function get(
  { server, httpPort, deadlineMs, dispatcher }: HttpTarget,
  path: string,
  { method = "GET", range }: { method?: "GET" | "HEAD"; range?: string } = {},
): Promise<Answer> {
  const url = `http://${server.includes(":") ? `[${server}]` : server}:${httpPort}${path}`;
  // The signal ends the answer's body, too, which undici's own timers may not.
  const signal = AbortSignal.timeout(deadlineMs);
  try {
    const { statusCode, headers, body } = await request(url, {
      method,
      signal,
      dispatcher,
      headers: range === undefined ? {} : { range },
    });
    const bytes = Buffer.from(await body.arrayBuffer());
    if (statusCode === 200 || statusCode === 206) return { headers, body: bytes };
    throw new Fault("HTTP_REFUSED", {
      what: `${url} answered ${statusCode}.`,
      why:
        bytes.toString("utf8").trim().slice(0, 200) || (statusCode === 404 ? "It is not there." : "It gave no reason."),
      fix: statusCode === 404 ? rebuild : "Look at the server's log.",
    });
  } catch (error) {
    if (error instanceof Fault) throw error;
    const why = signal.aborted ? `It was not complete after ${deadlineMs} ms.` : reasonOf(error);
    throw new Fault(
      "HTTP_NO_ANSWER",
      {
        what: `${url} did not come.`,
        why,
        fix: `Check that "bootcast serve" runs there with http.port ${httpPort}, and that no firewall drops it.`,
      },
      error,
    );
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof AggregateError ? error.errors[0] : error;
  return cause instanceof Error ? `${cause.message}.` : String(cause);
}

function efiMachineOf(bytes: Buffer): number | undefined {
  if (bytes.length < 0x40 || bytes.toString("latin1", 0, 2) !== "MZ") return undefined;
  const at = bytes.readUInt32LE(0x3c);
  if (at + 6 > bytes.length || bytes.toString("latin1", at, at + 4) !== "PE\0\0") return undefined;
  return bytes.readUInt16LE(at + 4);
}

/** Linux x86 boot protocol: "HdrS" at 0x202. An ARM kernel is an EFI program. */
function isKernel(start: Buffer): boolean {
  return start.toString("latin1", 0x202, 0x206) === "HdrS" || start.toString("latin1", 0, 2) === "MZ";
}

/** A plain cpio archive, or one in gzip, zstd, xz or lz4. */
function isInitramfs(start: Buffer): boolean {
  const hex = start.toString("hex", 0, 6);
  return ["303730373031", "1f8b", "28b52ffd", "fd377a585a00", "02214c18"].some((magic) => hex.startsWith(magic));
}
