import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { SeenServer } from "../../agent/client/discover.ts";
import { browseMdns } from "../../agent/client/mdns.ts";
import { SERVICE_TYPE, STREAM_SERVICE_TYPE } from "../../agent/contract.ts";
import { formatSize } from "../../agent/disk/sizes.ts";
import { StreamControl } from "../../agent/stream/control.ts";
import { isPackedImage, packedSummary } from "../../server/images/packed-image.ts";
import { isSparseBundle } from "../../server/images/sparse-bundle-folder.ts";
import { readStore } from "../../server/store/store.ts";

/** An image that may be restored. */
export type LocalSource = {
  readonly title: string;
  /** Where it is. */
  readonly detail: string;
  /** What `--source` of a restore takes. */
  readonly source: string;
};

/** Servers answer within a second, or are asked by name. */
const BROWSE_MS = 2500;
const ASK_WITHIN_MS = 3000;
const imageFile =
  /\.(dmg|raw|img|iso|sparseimage|qcow2|vmdk|vhdx?|vdi|pcl|aa)(\.(gz|xz|zst|zip))?$|\.sparsebundle$|\.bootcast$/i;

/** The images of folders: packed images and disk image files, by name. A folder that is not there has none. */
export async function sourcesOfFolders(folders: readonly string[]): Promise<LocalSource[]> {
  const sources: LocalSource[] = [];
  for (const folder of folders) {
    const names = (await readdir(folder).catch(() => [])).filter((name) => imageFile.test(name)).sort();
    for (const name of names) {
      const path = join(folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined) continue;
      if (found.isFile()) sources.push({ title: name, detail: `${formatSize(found.size)} in ${folder}`, source: path });
      else if (await isPackedImage(path)) sources.push({ ...(await packedTitle(path)), source: path });
      else if (await isSparseBundle(path)) sources.push({ title: name, detail: `in ${folder}`, source: path });
    }
  }
  return sources;
}

async function packedTitle(folder: string): Promise<Pick<LocalSource, "title" | "detail">> {
  try {
    const { tag, diskBytes } = await packedSummary(folder);
    const date = new Date(tag.createdAtMs).toISOString().slice(0, 10);
    return { title: `${tag.name}:${tag.version}`, detail: `disk of ${formatSize(diskBytes)}, made ${date}` };
  } catch {
    // It is offered all the same: who chooses it reads what is wrong.
    return { title: basename(folder), detail: "its manifest cannot be read" };
  }
}

/** The images of this machine's own store, the newest version of each. */
export async function sourcesOfStore(dataDir: string): Promise<LocalSource[]> {
  const directory = join(dataDir, "store");
  if (!existsSync(directory)) return [];
  const newest = new Map<string, LocalSource>();
  for (const { tag, diskBytes } of await readStore(directory, []).listImages(() => undefined)) {
    const reference = `${tag.name}:${tag.version}`;
    const source = { title: reference, detail: `disk of ${formatSize(diskBytes)}, in ${directory}`, source: reference };
    newest.set(tag.name, source);
  }
  return [...newest.values()];
}

/** The streams that run on this network, as they say by mDNS. A network that says nothing has none. */
export async function sourcesOnNetwork(log: Logger): Promise<LocalSource[]> {
  const addresses = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => address);
  const [servers, streams] = await Promise.all([
    seenOn(addresses, SERVICE_TYPE, log),
    seenOn(addresses, STREAM_SERVICE_TYPE, log),
  ]);
  const own = streams.map(({ address, port, txt }) => streamSource(`${address}:${port}`, txt["image"] ?? ""));
  const asked = await Promise.all(servers.map(({ address, port }) => streamsOf(`${address}:${port}`)));
  const all = [...own, ...asked.flat()].sort((a, b) => (a.title < b.title ? -1 : 1));
  return [...new Map(all.map((source) => [source.source, source])).values()];
}

async function seenOn(addresses: readonly string[], type: string, log: Logger): Promise<SeenServer[]> {
  const seen = new Map<string, SeenServer>();
  const browsers = addresses.map((address) =>
    browseMdns(
      address,
      log,
      type,
    )((server) => {
      const isUsable = /^\d{1,3}(\.\d{1,3}){3}$/.test(server.address) && server.port > 0 && server.port < 65536;
      if (isUsable) seen.set(`${server.address}:${server.port}`, server);
    }),
  );
  for (const browser of browsers) browser.query();
  await sleep(browsers.length === 0 ? 0 : BROWSE_MS);
  for (const browser of browsers) browser.stop();
  return [...seen.values()];
}

async function streamsOf(host: string): Promise<LocalSource[]> {
  const control = new StreamControl({ server: new URL(`http://${host}`), signal: AbortSignal.timeout(ASK_WITHIN_MS) });
  try {
    const { streams } = await control.streams();
    return streams.map(({ image, imageVersion }) => streamSource(host, `${image}:${imageVersion}`));
  } catch {
    // It is listed by nobody then; its address can be typed.
    return [];
  } finally {
    await control.close();
  }
}

/** What a stranger says of itself is shown only where it can be an image's name. */
function streamSource(host: string, image: string): LocalSource {
  const name = /^[A-Za-z0-9._-]+:[1-9]\d{0,8}$/.test(image) ? image : "";
  return { title: name || "a stream", detail: `sent by ${host}`, source: `asr://${host}/${name}` };
}
