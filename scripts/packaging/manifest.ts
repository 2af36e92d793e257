/** package.json, as far as we read it. */
export type PackageManifest = {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly files?: readonly string[];
  readonly [field: string]: unknown;
};

/** package-lock.json, as far as we read it: packages by their folder, "" is ours. */
export type PackageLock = {
  readonly packages: Readonly<Record<string, LockedPackage>>;
  readonly [field: string]: unknown;
};
type LockedPackage = { readonly dev?: boolean; readonly [field: string]: unknown };

/** What only a checkout needs. */
const ofCheckout = ["scripts", "devDependencies"];

/** The Node that npm and the launcher need: bootcast itself runs with Node 24, which the package brings along. */
const LAUNCHER_ENGINES = { node: ">=20" };

/** The package.json of the package. */
export function publishedManifest(manifest: PackageManifest): PackageManifest {
  return { ...without(manifest, ofCheckout), engines: LAUNCHER_ENGINES } as unknown as PackageManifest;
}

/**
 * npm-shrinkwrap.json: whoever installs the package gets the very versions that were tested, also of what our
 * dependencies need.
 */
export function shrinkwrapOf(lock: PackageLock): PackageLock {
  const packages = Object.entries(lock.packages)
    .filter(([, { dev }]) => dev !== true)
    .map(([folder, locked]) => [folder, folder === "" ? without(locked, ofCheckout) : locked]);
  return { ...lock, packages: Object.fromEntries(packages) };
}

/** The folders of the packages that the server needs when it runs, of those that are installed here. */
export function productionFolders(lock: PackageLock): string[] {
  return Object.entries(lock.packages)
    .filter(([folder, { dev }]) => folder !== "" && dev !== true)
    .map(([folder]) => folder)
    .sort();
}

function without(object: Readonly<Record<string, unknown>>, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !fields.includes(name)));
}
