import type { Config } from "../../server/config/config.ts";
import { readBundles } from "../boot/nbi.ts";
import type { ProbeResult } from "./boot-probes.ts";

/** One line for each NetBoot bundle of this machine's configuration, and for each folder that cannot be read. */
export async function probeBundles(config: Config): Promise<ProbeResult[]> {
  const library = await readBundles(config);
  const folders = library.faults.map(
    ({ code, what, why, fix }): ProbeResult => ({
      probe: "nbi folder",
      status: "fail",
      detail: `${what} ${why}`,
      fix,
      code,
    }),
  );
  const bundles = library.bundles.flatMap((bundle): ProbeResult[] => {
    const probe = `nbi ${bundle.name}`;
    if (bundle.state === "refused") {
      return bundle.faults.map(({ code, what, why, fix }) => ({
        probe,
        status: "fail",
        detail: `${what} ${why}`,
        fix,
        code,
      }));
    }
    const detail = bundle.state === "disabled" ? "not enabled" : `"${bundle.info.name}", served`;
    return [{ probe, status: "ok", detail: [detail, ...bundle.info.notes].join("; ") }];
  });
  return [...folders, ...bundles];
}
