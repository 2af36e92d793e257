import type { Logger } from "pino";
import { imageNumberOf } from "../../bsdp/net-boot-choice.ts";
import type { NetBootImage } from "../../bsdp/net-boot-image.ts";
import type { Fault } from "../../fault.ts";
import type { BootRoot } from "./files.ts";
import { type NbiBundle, type NbiScan, nbiShares, scanNbiShare } from "./nbi-folder.ts";
import { HostNames } from "./nbi-hosts.ts";
import { nbiPrefix } from "./nbi-image.ts";
import { nbiFault } from "./nbi-values.ts";

export type NbiLibraryOptions = {
  /** Folders that hold bundles, in the order in which their images are offered. */
  readonly folders: readonly string[];
  /** May be missing; its bundles come last. */
  readonly ownFolder?: string;
  /** An image that is offered besides: a bundle with its id is refused. */
  readonly otherImage?: Pick<NetBootImage, "index" | "name" | "kind" | "isInstall">;
  /** Our own; also what a port of 0 became. */
  readonly httpPort: () => number;
  readonly now: () => number;
  readonly log?: Logger;
  /** Between the end of one look at the folders and the next. Default 5 s. */
  readonly everyMs?: number;
  readonly hosts?: HostNames;
};

const EVERY_MS = 5000;
const FIRST_DEADLINE_MS = 5000;

/**
 * The NetBoot bundles of all folders, kept up to date: the folders are read
 * every few seconds, which costs a handful of system calls a bundle, at most
 * 256 bundles a folder, and needs no notices, which network disks do not give.
 * What changes is logged once.
 */
export class NbiLibrary {
  readonly #options: NbiLibraryOptions;
  readonly #hosts: HostNames;
  #scan: NbiScan = { bundles: [], faults: [] };
  /** Always the same list: those who serve the files hold on to it. */
  readonly #roots: BootRoot[] = [];
  #images: readonly NetBootImage[] = [];
  readonly #told = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: NbiLibraryOptions) {
    this.#options = options;
    this.#hosts = options.hosts ?? new HostNames(options.now);
  }

  get bundles(): readonly NbiBundle[] {
    return this.#scan.bundles;
  }

  /** What is wrong with the folders themselves. */
  get faults(): readonly Fault[] {
    return this.#scan.faults;
  }

  /** What Macs may be offered, in the order of the folders and names. */
  get images(): readonly NetBootImage[] {
    return this.#images;
  }

  /** The files of the bundles that are served, and of no others. */
  get roots(): readonly BootRoot[] {
    return this.#roots;
  }

  /** Reads the folders now, and again and again until `stop`. A disk that hangs is not waited for longer than 5 s. */
  async start(): Promise<void> {
    const first = this.scan().finally(() => this.#again());
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#options.log?.warn("nbi: the folders are not read after 5 s; their bundles are served when they are");
        resolve();
      }, FIRST_DEADLINE_MS);
    });
    await Promise.race([first, late]).finally(() => clearTimeout(timer));
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Reads the folders. */
  async scan(): Promise<void> {
    const { folders, ownFolder, httpPort } = this.#options;
    const shares = nbiShares([...folders, ...(ownFolder === undefined ? [] : [ownFolder])]);
    const bundles: NbiBundle[] = [];
    const faults: Fault[] = [];
    for (const share of shares) {
      const found = await scanNbiShare(share, { httpPort: httpPort(), hosts: this.#hosts });
      bundles.push(...found.bundles);
      const isOptional = share.path === ownFolder && !folders.includes(share.path);
      if (!isOptional || found.bundles.length > 0) faults.push(...found.faults);
    }
    this.#scan = { bundles: withoutClashes(bundles, this.#options.otherImage), faults };
    const served = this.#scan.bundles.filter((bundle) => bundle.state === "served");
    this.#images = served.map(({ image }) => image);
    const roots = served.map((one) => ({ prefix: nbiPrefix(one), directory: `${one.share}/${one.name}` }));
    this.#roots.splice(0, this.#roots.length, ...roots);
    this.#tell();
  }

  #again(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.scan()
        .catch((error) => this.#options.log?.error({ err: error }, "nbi: the folders could not be read"))
        .finally(() => this.#again());
    }, this.#options.everyMs ?? EVERY_MS);
    this.#timer.unref();
  }

  /** Logs what is new since the last time. */
  #tell(): void {
    const { log } = this.#options;
    const before = new Map(this.#told);
    this.#told.clear();
    for (const fault of this.#scan.faults)
      this.#tellOnce(before, fault.what, fault.why, () => log?.warn(fault.toJSON(), "nbi: folder"));
    for (const bundle of this.#scan.bundles) {
      const folder = `${bundle.share}/${bundle.name}`;
      if (bundle.state === "refused") {
        for (const fault of bundle.faults) {
          this.#tellOnce(before, `${folder} ${fault.why}`, "", () => log?.warn(fault.toJSON(), "nbi: not served"));
        }
      } else if (bundle.state === "disabled") {
        this.#tellOnce(before, folder, "disabled", () => log?.info({ folder }, "nbi: not enabled"));
      } else {
        const image = imageNumberOf(bundle.image).toString(16).padStart(8, "0");
        const { name, notes } = bundle.info;
        const line = { folder, image, name, type: bundle.info.type, ...(notes.length === 0 ? {} : { notes }) };
        this.#tellOnce(before, folder, JSON.stringify(line), () => log?.info(line, "nbi: served"));
      }
    }
    for (const what of before.keys()) if (!this.#told.has(what)) log?.info({ what }, "nbi: gone or put right");
  }

  #tellOnce(before: ReadonlyMap<string, string>, key: string, text: string, tell: () => void): void {
    this.#told.set(key, text);
    if (before.get(key) !== text) tell();
  }
}

/** Of two images with the same id Macs could choose only one: the later one is refused, as Apple's server does. */
export function withoutClashes(
  bundles: readonly NbiBundle[],
  otherImage?: NbiLibraryOptions["otherImage"],
): NbiBundle[] {
  const owners = new Map<number, string>();
  if (otherImage !== undefined) {
    owners.set(imageNumberOf({ ...otherImage, bootFile: "" }), `bootcast's own image "${otherImage.name}"`);
  }
  return bundles.map((bundle) => {
    if (bundle.state !== "served") return bundle;
    const id = imageNumberOf(bundle.image);
    const folder = `${bundle.share}/${bundle.name}`;
    const owner = owners.get(id);
    if (owner === undefined) {
      owners.set(id, folder);
      return bundle;
    }
    const why = `Its image id ${id.toString(16).padStart(8, "0")} (Index ${bundle.info.index}, Kind ${bundle.info.kind}) is also that of ${owner}.`;
    const fix = `Change Index in one of the two${owner.startsWith("bootcast") ? ", or bsdp.index" : ""}.`;
    const { image: _, ...rest } = bundle;
    return { ...rest, state: "refused", faults: [nbiFault("NBI_ID_TAKEN", folder, why, fix)] };
  });
}
