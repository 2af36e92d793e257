import { randomBytes } from "node:crypto";
import { MachineMenu, type MachineMenuOptions } from "../../server/boot/machine-menu.ts";
import type { ConfigValues } from "../../server/config/config.ts";

/** The menu of the machines' screens, as the settings say; undefined where it is switched off. */
export function machineMenuOf(
  values: ConfigValues,
  parts: Omit<MachineMenuOptions, "seconds" | "pin" | "images" | "random">,
): MachineMenu | undefined {
  if (!values["boot.menu"]) return undefined;
  if (values["boot.menu_image"].length > 0 && values["boot.menu_pin"] === undefined) {
    const fix = 'set boot.menu_pin = "…", or remove boot.menu_image';
    parts.log.warn({ fix }, "menu: the images of boot.menu_image are not offered, because boot.menu_pin is not set");
  }
  return new MachineMenu({
    ...parts,
    seconds: values["boot.menu_seconds"],
    pin: values["boot.menu_pin"],
    images: values["boot.menu_image"],
    random: () => randomBytes(16).toString("hex"),
  });
}
