import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { BUFFER_BYTES } from "../../server/doctor/kernel.ts";
import { exampleConfig } from "./example-config.ts";
import type { Facts } from "./facts.ts";
import { CONFIG_FILE, SYSCTL_FILE, UNIT_FILE, USER } from "./places.ts";
import { MADE_BY_SETUP, sysctlText, unitText } from "./unit.ts";

/** Something that setup does, in the order of the list. */
export type Step =
  | { readonly do: "user"; readonly name: string; readonly home: string }
  | { readonly do: "write"; readonly path: string; readonly text: string; readonly why: string }
  | { readonly do: "data"; readonly path: string; readonly isThere: boolean }
  | { readonly do: "tune"; readonly path: string; readonly bytes: number }
  | { readonly do: "build" }
  | { readonly do: "start"; readonly isNew: boolean };

export type SetupPlan = {
  readonly steps: readonly Step[];
  /** What is there already and stays. */
  readonly kept: readonly string[];
};

export type SetupWishes = {
  /** A data directory that the configuration file does not say yet. */
  readonly dataDir: string | undefined;
  readonly tunes: boolean;
  readonly builds: boolean;
};

/**
 * What is left to be done. Made again afterwards it holds nothing but the start of the service.
 *
 * @throws {Fault} UNIT_FOREIGN when somebody else made the unit, DATA_DIR_FOREIGN when others have their things there
 */
export function planSetup(facts: Facts, wishes: SetupWishes): SetupPlan {
  const { files, account, dataDir } = facts;
  const steps: Step[] = [];
  const kept: string[] = [];
  const write = (path: string, text: string, before: string | undefined, why: string) => {
    if (before === text) kept.push(path);
    else steps.push({ do: "write", path, text, why });
  };

  if (account === undefined) steps.push({ do: "user", name: USER, home: dataDir });
  else kept.push(`user ${USER}`);

  // What a person wrote is never changed.
  if (files.config === undefined)
    write(CONFIG_FILE, exampleConfig(wishes.dataDir), undefined, "every setting, with its default");
  else kept.push(CONFIG_FILE);

  if (!facts.isDataDirThere || facts.isDataForeign) {
    if (facts.dataStrangers.length > 0) throw foreignData(dataDir, facts.dataStrangers);
    steps.push({ do: "data", path: dataDir, isThere: facts.isDataDirThere });
  } else kept.push(dataDir);

  if (wishes.tunes) {
    write(SYSCTL_FILE, sysctlText(BUFFER_BYTES), files.sysctl, "room for many machines that ask at once");
    if (!facts.isTuned) steps.push({ do: "tune", path: SYSCTL_FILE, bytes: BUFFER_BYTES });
  }

  if (files.unit !== undefined && !files.unit.startsWith(MADE_BY_SETUP)) throw foreignUnit();
  const unit = unitText(facts);
  write(UNIT_FILE, unit, files.unit, "the service, without root");

  if (wishes.builds) {
    if (facts.isBootImageThere) kept.push("boot image");
    else steps.push({ do: "build" });
  }
  if (facts.hasSystemd) steps.push({ do: "start", isNew: files.unit !== unit });
  return { steps, kept };
}

function foreignData(dataDir: string, strangers: readonly string[]): Fault {
  const [first] = strangers;
  const more = strangers.length > 1 ? ` and ${strangers.length - 1} more` : "";
  return new Fault("DATA_DIR_FOREIGN", {
    what: `${dataDir} is no data directory of bootcast.`,
    why: `${first}${more} lie there, and setup would give all of it to the user ${USER}.`,
    fix: `Give bootcast a directory of its own, like ${join(dataDir, "bootcast")}: data_dir in ${CONFIG_FILE}, or --data-dir.`,
  });
}

function foreignUnit(): Fault {
  return new Fault("UNIT_FOREIGN", {
    what: `${UNIT_FILE} was not made by bootcast setup.`,
    why: "Setup replaces only what it has made.",
    fix: `Move it away, run setup again, and put your changes into a drop-in: sudo systemctl edit bootcast`,
  });
}
