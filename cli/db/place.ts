import type { Command } from "commander";
import type { Config } from "../../server/config/config.ts";
import { type DatabasePlace, databasePlace } from "../../server/db/place.ts";
import { configOf } from "../settings/read-configuration.ts";

/** Where the database of a configuration is. @throws {Fault} PASSWORD_FILE */
export function placeOfConfig({ values, dataDir }: Config): DatabasePlace {
  return databasePlace(dataDir, { url: values["database.url"], passwordFile: values["database.password_file"] });
}

/** The same of the command that runs. */
export function placeOf(command: Command): DatabasePlace {
  return placeOfConfig(configOf(command));
}
